"""Receiving the bytes of objects and parts: decoded, hashed while they are written, and checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import to_thread

from aioglacier.server.protocol import payload_checksums as checksums, s3_behaviour as behaviour
from aioglacier.server.protocol.aws_chunked import ChunkedBody
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.refusal import ConnectionDroppedError
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_request, not_implemented
from aioglacier.server.protocol.s3_signature import UNSIGNED
from aioglacier.server.requests import intake
from aioglacier.server.state.object_bodies import ReceivedPart

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Mapping

    from aioglacier.server.protocol.payload_checksums import Algorithm, RunningChecksum
    from aioglacier.server.requests.s3_call import S3Call
    from aioglacier.server.state.files import IncomingFile

T = TypeVar("T")

_PREFIX: Final = "x-amz-checksum-"
_NOT_VALUES: Final = {"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"}
_STREAMING: Final = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
}


@dataclass(frozen=True, slots=True)
class Announced:
    """The announcements of a body's head.

    Attributes:
        size: Bytes of the payload.
        payload_hash: The signed SHA-256 in hex, if the body is signed as a whole.
        chunks: The reader of a chunked body.
        md5: The value of ``Content-MD5``.
        sent: The algorithm of the checksum that the client sends.
        checksum: Its value, unless a trailer carries it.
        trailer: The name of the trailer that carries it.
        kept: The algorithm of the checksum that is computed and kept.
    """

    size: int
    payload_hash: str | None = None
    chunks: ChunkedBody | None = None
    md5: bytes | None = None
    sent: Algorithm | None = None
    checksum: bytes | None = None
    trailer: str | None = None
    kept: Algorithm | None = None


async def keep(
    call: S3Call,
    announced: Announced,
    record: Callable[[sqlite3.Connection, ReceivedPart], T],
    *,
    body: AsyncGenerator[bytes, None] | None = None,
) -> tuple[ReceivedPart, T]:
    """Receive a body, check it, ``record`` it, and move its file to the shelf.

    Without a ``body`` it is the request's.

    Raises:
        RefusalError: The body came too slowly, or is not the announced one.
        ConnectionDroppedError: The body ended early.
    """
    hashes = _Hashes(announced)
    incoming = call.site.files.new_file(hashes.update)
    body = _payload(call, announced) if body is None else body
    receive = partial(_receive, call, announced, hashes, incoming, body)
    return await intake.store(call, incoming, receive, record)


def announced_body(call: S3Call) -> Announced:
    """Return the announcements of a body's head; the checksum to keep is the one that is sent, or S3's own.

    Raises:
        S3RefusalError: The length is missing, or a header is wrong.
    """
    headers = call.request.headers
    signed = headers.get("x-amz-content-sha256", UNSIGNED)
    is_chunked = signed in _STREAMING or "aws-chunked" in headers.get("Content-Encoding", "")
    length = headers.get("x-amz-decoded-content-length") if is_chunked else headers.get("Content-Length")
    if length is None or not (length.isascii() and length.isdecimal()) or len(length) > 18:
        raise S3RefusalError("MissingContentLength")
    if int(length) > behaviour.MAX_PART_SIZE:  # before a byte is read
        raise S3RefusalError(
            "EntityTooLarge", ProposedSize=int(length), MaxSizeAllowed=behaviour.MAX_PART_SIZE
        )
    trailer = headers.get("x-amz-trailer", "").lower() or None
    name, checksum = checksum_sent(headers)
    if name is None and trailer is not None:
        name = trailer.removeprefix(_PREFIX).upper()
    if name is None and headers.get("x-amz-sdk-checksum-algorithm"):
        raise bad_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found."
        )
    sent = find_algorithm(name)
    return Announced(
        int(length),
        # Those words stand in place of a hash.
        None if signed == UNSIGNED or signed in _STREAMING else signed,
        ChunkedBody(is_signed=_STREAMING.get(signed, False), signer=call.signer) if is_chunked else None,
        _content_md5(headers),
        sent,
        checksum,
        trailer,
        sent or find_algorithm(checksums.DEFAULT),
    )


def checksum_sent(headers: Mapping[str, str]) -> tuple[str | None, bytes | None]:
    """Return the algorithm and value of the checksum header, if there is one.

    Raises:
        S3RefusalError: There are several, or the value is not one of the algorithm.
    """
    sent = {
        header.lower(): value
        for header, value in headers.items()
        if header.lower().startswith(_PREFIX) and header.lower() not in _NOT_VALUES
    }
    if not sent:
        return None, None
    if len(sent) > 1:  # API, "PutObject": one checksum a request
        raise bad_request("Expecting a single x-amz-checksum- header.")
    ((header, text),) = sent.items()
    algorithm = find_algorithm(header.removeprefix(_PREFIX).upper())
    value = algorithm.parse(text) if algorithm is not None else None
    if algorithm is None or value is None:
        raise bad_request(f"Value for {header} header is invalid.")
    return algorithm.name, value


def find_algorithm(name: str | None) -> Algorithm | None:
    """Return an algorithm by its name.

    Raises:
        S3RefusalError: This server does not have it.
    """
    if name is None:
        return None
    if name not in ALGORITHMS:
        raise not_implemented(f"the checksum algorithm {name}")
    return ALGORITHMS[name]


def check_document(body: bytes, headers: Mapping[str, str]) -> None:
    """Refuse a document that is not the one its headers announce.

    Raises:
        S3RefusalError: A hash is wrong or malformed.
    """
    signed = headers.get("x-amz-content-sha256", UNSIGNED)
    if signed != UNSIGNED and signed not in _STREAMING:
        _check_payload(signed, hashlib.sha256(body).hexdigest())
    md5 = _content_md5(headers)
    if md5 is not None and md5 != hashlib.md5(body, usedforsecurity=False).digest():
        raise S3RefusalError("BadDigest")


def check_document_checksum(body: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a document came with a checksum, and refuse a wrong one.

    Raises:
        S3RefusalError: The checksum is wrong or malformed.
    """
    name, value = checksum_sent(headers)
    if name is not None and ALGORITHMS[name].of(body) != value:
        raise S3RefusalError("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    return name is not None or "Content-MD5" in headers


def _content_md5(headers: Mapping[str, str]) -> bytes | None:
    text = headers.get("Content-MD5")
    if text is None:
        return None
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        value = b""
    if len(value) != 16:
        raise S3RefusalError("InvalidDigest", details={"Content-MD5": text})
    return value


class _Hashes:
    """The hashes of a payload that are needed, computed in one pass."""

    def __init__(self, announced: Announced) -> None:
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)  # the ETag, of every object
        self.payload = hashlib.sha256() if announced.payload_hash is not None else None
        self._checksums: dict[str, RunningChecksum] = {}
        for algorithm in filter(None, {announced.sent, announced.kept}):
            # One SHA-256 serves the signature and the checksum.
            is_same = algorithm.name == "SHA256" and self.payload is not None
            self._checksums[algorithm.name] = self.payload if self.payload and is_same else algorithm.new()

    def update(self, block: memoryview) -> None:
        self.size += len(block)
        self.md5.update(block)
        if self.payload is not None:
            self.payload.update(block)
        for running in self._checksums.values():
            if running is not self.payload:
                running.update(block)

    def checksum(self, algorithm: Algorithm | None) -> bytes | None:
        """Return the checksum of an algorithm, ``None`` of none."""
        return None if algorithm is None else self._checksums[algorithm.name].digest()


async def _receive(
    call: S3Call,
    announced: Announced,
    hashes: _Hashes,
    incoming: IncomingFile,
    body: AsyncGenerator[bytes, None],
) -> ReceivedPart:
    limiter = call.site.disk_limiter
    await to_thread.run_sync(incoming.feed, [], limiter=limiter)  # an empty object has a file, too
    await intake.fill(call, incoming, body)
    await to_thread.run_sync(incoming.sync, limiter=limiter)  # on disk before its record is
    if hashes.size != announced.size:
        if announced.chunks is None:  # the client went away; a chunked body ends by its last chunk
            raise ConnectionDroppedError
        raise S3RefusalError("IncompleteBody")
    if announced.payload_hash is not None and hashes.payload is not None:
        _check_payload(announced.payload_hash, hashes.payload.hexdigest())
    if announced.md5 is not None and announced.md5 != hashes.md5.digest():
        raise S3RefusalError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    if announced.sent is not None and _expected_checksum(announced, announced.sent) != hashes.checksum(
        announced.sent
    ):
        raise S3RefusalError(
            "BadDigest", f"The {announced.sent.name} you specified did not match the calculated checksum."
        )
    kept = announced.kept.name if announced.kept is not None else None
    return ReceivedPart(
        incoming.name, hashes.size, hashes.md5.digest(), kept, hashes.checksum(announced.kept)
    )


async def _payload(call: S3Call, announced: Announced) -> AsyncGenerator[bytes, None]:
    chunks = announced.chunks
    body = intake.read_body(call.request, call.site.settings.body_idle_seconds)
    async with aclosing(body):
        async for data in body:
            for piece in [data] if chunks is None else chunks.feed(data):
                yield piece
    if chunks is not None and not chunks.is_complete:  # the trailers come behind the last chunk
        raise S3RefusalError("IncompleteBody")


def _expected_checksum(announced: Announced, algorithm: Algorithm) -> bytes | None:
    if announced.trailer is None or announced.chunks is None:
        return announced.checksum
    text = announced.chunks.trailers.get(announced.trailer)
    if text is None:
        raise S3RefusalError("MalformedXML", f"The body has no trailer {announced.trailer}.")
    value = algorithm.parse(text)
    if value is None:
        raise bad_request(f"Value for {announced.trailer} trailing header is invalid.")
    return value


def _check_payload(signed: str, computed: str) -> None:
    if signed.lower() != computed:
        raise S3RefusalError(
            "XAmzContentSHA256Mismatch", ClientComputedContentSHA256=signed, S3ComputedContentSHA256=computed
        )
