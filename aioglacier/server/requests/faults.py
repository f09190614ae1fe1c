"""Scripted faults: their kinds, the requests that they strike, and the moments.

A fault waits for requests of its ``operation`` (all of them for "*") whose path, ``Content-Range`` or
``Range`` contains ``where``. Of these it strikes the ``first`` and those after it, ``count`` in all, or each
with a ``probability``. The script of a test reads "part 3 fails twice with 503"::

    Fault("UploadMultipartPart", where="bytes 3145728-", count=2, status=503)

The two most important moments are ``before_commit``, when the body has arrived and nothing is done yet, and
``after_commit``, when everything is done and only the answer is missing.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.server.protocol.operation_names import OPERATION_NAMES, S3_OPERATION_NAMES
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError
from aioglacier.server.protocol.s3_refusals import known_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiohttp import web


_RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")
_HASH_HEADER: Final = "x-amz-sha256-tree-hash"
_CHECKSUM_HEADERS: Final = frozenset(f"x-amz-checksum-{name.lower()}" for name in ALGORITHMS)


class FaultKind(StrEnum):
    """The kind of a fault."""

    #: Answer with ``status``, ``code`` and ``message``, and with ``body`` instead of JSON if given.
    STATUS = "status"
    #: Cut the connection.
    RESET = "reset"
    #: Wait for ``seconds``, then continue as usual.
    DELAY = "delay"
    #: Kill the server's process at once, as a power failure would.
    KILL = "kill"
    #: Announce the whole job output, send ``after_bytes`` of it, wait ``seconds`` and cut the connection.
    TRUNCATE = "truncate"
    #: Change the byte at ``after_bytes`` of the job output; its checksum header stays correct.
    FLIP = "flip"
    #: Leave out the answer's ``header``, the checksum unless another is named.
    OMIT_HEADER = "omit_header"
    #: Change a digit of the tree hash, or of S3's checksum, in the answer's headers.
    WRONG_HASH = "wrong_hash"
    #: Answer with the first half of the XML document only.
    CUT_DOCUMENT = "cut_document"
    #: 201 and 202 without the two bytes of JSON.
    EMPTY_BODY = "empty_body"
    #: ListParts gives ranges that end one byte too late.
    WRONG_RANGE = "wrong_range"
    #: List pages have at most ``limit`` entries, and a marker.
    SHORT_PAGES = "short_pages"
    #: The job that is being initiated will fail, with ``message``.
    JOB_FAILURE = "job_failure"
    #: S3's status 200 is sent before the operation runs, so an error stands inside it.
    EARLY_ANSWER = "early_answer"


class Moment(StrEnum):
    """The moment at which a fault of kind status, reset, delay or kill strikes."""

    #: The head has arrived and the signature is checked.
    START = "start"
    #: ``after_bytes`` of the body have arrived.
    BODY = "body"
    #: The body has arrived, is checked and on disk; nothing is recorded.
    BEFORE_COMMIT = "before_commit"
    #: Everything is done and recorded; nothing is answered.
    AFTER_COMMIT = "after_commit"


#: Status and text of each code, so that a script needs the code only.
_KNOWN: Final = {
    "ThrottlingException": (400, "Rate exceeded"),
    "RequestTimeoutException": (408, "Request timed out."),
    "ServiceUnavailableException": (500, "The service is unavailable."),
    "InsufficientCapacityException": (503, "Insufficient capacity for this request."),
    "NoLongerSupportedException": (400, "The API is no longer supported for new accounts."),
    "PolicyEnforcedException": (400, "InitiateJob request denied by current data retrieval policy."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "InvalidSignatureException": (403, "Signature expired: it is now earlier than the clock allows."),
    "AccessDeniedException": (403, "Access denied."),
}


_TYPES: Final[dict[str, Any]] = {
    "where": str,
    "first": int,
    "count": int | None,
    "probability": int | float,
    "seed": int,
    "status": int | None,
    "code": str,
    "message": str | None,
    "body": str | None,
    "headers": dict,
    "header": str,
    "seconds": int | float,
    "after_bytes": int,
    "limit": int,
}


#: What exists for some operations only; for another one the fault would never strike.
_ONLY_FOR: Final[dict[str, frozenset[str]]] = {
    FaultKind.TRUNCATE: frozenset({"GetJobOutput", "GetObject"}),
    FaultKind.FLIP: frozenset({"GetJobOutput", "GetObject"}),
    FaultKind.WRONG_RANGE: frozenset({"ListParts"}),
    FaultKind.JOB_FAILURE: frozenset({"InitiateJob"}),
    FaultKind.CUT_DOCUMENT: frozenset(S3_OPERATION_NAMES),
    FaultKind.EARLY_ANSWER: frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"}),
    FaultKind.SHORT_PAGES: frozenset(
        {name for name in (*OPERATION_NAMES, *S3_OPERATION_NAMES) if name.startswith("List")}
        - {"ListProvisionedCapacity", "ListTagsForVault"}
        | {"GetObjectAttributes"}
    ),
    Moment.BODY: frozenset({"UploadArchive", "UploadMultipartPart", "PutObject", "UploadPart"}),
}

#: The least value of each number; a count of 0 only counts the requests.
_LEAST: Final = {"first": 1, "count": 0, "after_bytes": 0, "limit": 1}


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault; see the module's docstring.

    Raises:
        ValueError: A name is unknown, or a value is out of range.
        TypeError: A value is of another type.

    Attributes:
        operation: The operation's name, ``UploadArchive``, or "*".
        count: How often it strikes; ``None`` for as long as the server runs.
        probability: Of the requests that it would strike, it strikes this share, decided by ``seed``.
        after_bytes: An offset in the request's body or in the job output.
        headers: Added to the answer of kind ``status``.
    """

    operation: str = "*"
    kind: FaultKind = FaultKind.STATUS
    moment: Moment = Moment.START
    where: str = ""
    first: int = 1
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    status: int | None = None
    code: str = "ServiceUnavailableException"
    message: str | None = None
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    header: str = _HASH_HEADER
    seconds: float = 0.0
    after_bytes: int = 0
    limit: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FaultKind(self.kind))
        object.__setattr__(self, "moment", Moment(self.moment))
        names = (*OPERATION_NAMES, *S3_OPERATION_NAMES)
        if self.operation not in {"*", *names}:
            nearest = get_close_matches(self.operation, names, n=1, cutoff=0)
            raise ValueError(f"no operation is named {self.operation!r}; the nearest is {nearest[0]!r}")
        for name, kind in _TYPES.items():
            if not isinstance(value := getattr(self, name), kind):
                raise TypeError(f"a fault's {name} is {getattr(kind, '__name__', kind)}, not {value!r}")
        for name, least in _LEAST.items():
            if (number := getattr(self, name)) is not None and number < least:
                raise ValueError(f"a fault's {name} is {least} or more, not {number}")
        for what in (self.kind, self.moment):
            only = _ONLY_FOR.get(what)
            if only is not None and self.operation not in {"*", *only}:
                raise ValueError(f"{what.value!r} is for {', '.join(sorted(only))}, not {self.operation}")
        if not 0 < self.probability <= 1:
            raise ValueError(f"a fault's probability is above 0 and at most 1, not {self.probability}")
        if not 0 <= self.seconds < math.inf:
            raise ValueError(f"a fault waits for 0 seconds or more, not {self.seconds}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"a fault's status is from 200 to 599, not {self.status}")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Fault:
        """Return a fault from its JSON form, whose keys are the attributes' names.

        Raises:
            ValueError: A key or a value is unknown.
        """
        known = {one.name for one in fields(cls)}
        if unknown := set(document) - known:
            raise ValueError(
                f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
            )
        return cls(**document)

    def answer(self) -> RefusalError:
        """Return the error answer of kind ``status``."""
        status, message = _KNOWN.get(self.code) or known_status(self.code) or (500, "A scripted fault.")
        return ScriptedRefusalError(
            self.status or status, self.code, message if self.message is None else self.message, self
        )


class ScriptedRefusalError(RefusalError):
    """An error answer by a script."""

    def __init__(self, status: int, code: str, message: str, fault: Fault) -> None:
        super().__init__(status, code, message)
        self.fault = fault


def load_faults(source: Sequence[Fault] | str | os.PathLike[str]) -> list[Fault]:
    """Return the given faults, or those of a JSON file with a list of them.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a list of faults.
    """
    if isinstance(source, (str, os.PathLike)):
        return parse_faults(json.loads(Path(source).read_bytes()))
    return list(source)


def parse_faults(documents: Any) -> list[Fault]:
    """Return faults from a JSON list.

    Raises:
        ValueError: It is not a list of faults.
    """
    if not isinstance(documents, list) or not all(isinstance(one, dict) for one in documents):
        raise ValueError("faults are a list of objects")
    return [Fault.from_document(one) for one in documents]


class FaultScript:
    """The faults of one server, each with its count of requests met and struck."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._waiting: list[_Waiting] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Add faults."""
        self._waiting.extend(_Waiting(fault) for fault in faults)

    def clear(self) -> None:
        """Remove all faults."""
        self._waiting.clear()

    def snapshot(self) -> list[dict[str, Any]]:
        """Return each fault's operation and kind, the requests it met and struck, and the bytes of both."""
        return [
            {
                "operation": one.fault.operation,
                "kind": one.fault.kind.value,
                "met": one.met,
                "met_size": one.met_size,
                "struck": one.struck,
                "struck_size": one.struck_size,
            }
            for one in self._waiting
        ]

    def of_request(self, operation: str, request: web.BaseRequest) -> RequestFaults:
        """Return the faults that strike this request."""
        if not self._waiting:
            return RequestFaults(())
        places = " ".join(
            (request.raw_path, request.headers.get("Content-Range", ""), request.headers.get("Range", ""))
        )
        size = _size_of(request)
        return RequestFaults(
            tuple(one.fault for one in self._waiting if one.strikes(operation, places, size))
        )


class _Waiting:
    """A fault with its counts of requests met and struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.met = 0
        self.met_size = 0
        self.struck = 0
        self.struck_size = 0
        self._random = random.Random(fault.seed)  # noqa: S311  # repeatable, not secret

    def strikes(self, operation: str, places: str, size: int) -> bool:
        fault = self.fault
        if fault.operation not in {"*", operation} or fault.where not in places:
            return False
        self.met += 1
        self.met_size += size
        if self.met < fault.first or (fault.count is not None and self.struck >= fault.count):
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        self.struck += 1
        self.struck_size += size
        return True


def _size_of(request: web.BaseRequest) -> int:
    """Return the bytes of a request's body, or of the range that it asks for."""
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    return int(asked[2]) + 1 - int(asked[1]) if asked else request.content_length or 0


class RequestFaults:
    """The faults of one request, and the moments at which they strike."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._body_size = 0

    async def at_start(self, request: web.BaseRequest) -> None:
        """Strike before the operation begins."""
        await self._reach(Moment.START, request)

    async def during_body(self, request: web.BaseRequest, size: int) -> None:
        """Strike after ``size`` more bytes of an upload's body have arrived."""
        if self._faults:
            before, self._body_size = self._body_size, self._body_size + size
            await self._reach(Moment.BODY, request, at_least=before)

    async def before_commit(self, request: web.BaseRequest) -> None:
        """Strike before the records change."""
        await self._reach(Moment.BEFORE_COMMIT, request)

    async def after_commit(self, request: web.BaseRequest) -> None:
        """Strike after the records have changed, before the answer is sent."""
        await self._reach(Moment.AFTER_COMMIT, request)

    async def _reach(self, moment: Moment, request: web.BaseRequest, *, at_least: int = 0) -> None:
        for fault in self._faults:
            if fault.moment is not moment:
                continue
            if moment is Moment.BODY and not at_least <= fault.after_bytes < self._body_size:
                continue
            if fault.kind is FaultKind.DELAY:
                await anyio.sleep(fault.seconds)
            elif fault.kind is FaultKind.STATUS:
                raise fault.answer()
            elif fault.kind is FaultKind.RESET:
                cut(request)
            elif fault.kind is FaultKind.KILL:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    def find(self, kind: FaultKind) -> Fault | None:
        """Return the first fault of a kind, if there is one."""
        return next((fault for fault in self._faults if fault.kind is kind), None)

    def change_headers(self, headers: dict[str, str]) -> None:
        """Leave out or change headers of a successful answer."""
        omit = self.find(FaultKind.OMIT_HEADER)
        if omit is not None:
            headers.pop(omit.header, None)
        if self.find(FaultKind.WRONG_HASH) is not None:
            for name, right in headers.items():
                if name == _HASH_HEADER:
                    headers[name] = right[:-1] + ("0" if right[-1] != "0" else "1")
                elif name in _CHECKSUM_HEADERS:
                    headers[name] = ("A" if right[0] != "A" else "B") + right[1:]  # still Base64

    def change_document(self, body: bytes) -> bytes:
        """Cut the document of a successful answer."""
        return body if self.find(FaultKind.CUT_DOCUMENT) is None else body[: len(body) // 2]

    def page_limit(self, limit: int) -> int:
        """Return the page size that is used."""
        fault = self.find(FaultKind.SHORT_PAGES)
        return limit if fault is None else min(limit, max(1, fault.limit))

    def part_end(self, last: int) -> int:
        """Return the last byte of a part for ListParts."""
        return last if self.find(FaultKind.WRONG_RANGE) is None else last + 1

    def planned_failure(self) -> str | None:
        """Return the message with which the job being initiated will fail."""
        fault = self.find(FaultKind.JOB_FAILURE)
        return None if fault is None else fault.message or "The job failed."


def cut(request: web.BaseRequest) -> None:
    """Cut a request's connection without an answer.

    Raises:
        ConnectionDroppedError: Always; it ends the operation.
    """
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionDroppedError
