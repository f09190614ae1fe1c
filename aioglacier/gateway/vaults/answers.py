"""Answers as results: ids in headers, documents, pages, proofs that an archive or a part is stored."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import ArchiveId, StoredArchive
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.http.service_errors import printable, server_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.gateway.contract.operation import Arguments
    from aioglacier.gateway.contract.protocols import Answer

T = TypeVar("T")

TREE_HASH_HEADER: Final = "x-amz-sha256-tree-hash"

#: The members that repeat what a request asked for, and the arguments that they repeat.
_SUBJECTS: Final = {"VaultName": "vault", "JobId": "job_id", "MultipartUploadId": "upload_id"}


def document(read: Callable[[Mapping[str, Any]], T]) -> Callable[[Answer, Arguments], T]:
    """Return a reader of a JSON document. A member that is null counts as absent."""

    def read_answer(answer: Answer, arguments: Arguments) -> T:
        try:
            members = json.loads(answer.body, object_hook=_without_nulls)
        except (ValueError, RecursionError):  # a document may be nested on purpose
            raise ValueError("it is not JSON") from None
        if not isinstance(members, dict):
            raise ValueError("it is not a JSON object")  # noqa: TRY004  # an answer's fault, not a caller's
        _check_subject(members, arguments)
        return read(members)

    return read_answer


def _check_subject(members: Mapping[str, Any], arguments: Arguments) -> None:
    """Raise if a document, or an entry of its list, is about another vault, job or upload."""
    for name, asked in _SUBJECTS.items():
        if asked in arguments and members.get(name, arguments[asked]) != arguments[asked]:
            raise ValueError(f"its {name} is {members[name]!r}, not {arguments[asked]!r}")
    if "vault" not in arguments:
        return
    lists = (each for each in members.values() if isinstance(each, list))
    for each in (members, *itertools.chain.from_iterable(lists)):
        arn = each.get("VaultARN") if isinstance(each, dict) else None
        if isinstance(arn, str) and ":vaults/" in arn and not arn.endswith(f":vaults/{arguments['vault']}"):
            raise ValueError(f"it is about the vault {arn!r}, not {arguments['vault']!r}")


def stored_archive(answer: Answer, arguments: Arguments) -> StoredArchive:
    """Return the archive that an answer names.

    Raises:
        ValueError: It names none.
        IntegrityError: The service names another tree hash, or none; the archive exists, under the id in the
            error.
    """
    archive_id = answer.headers.get("x-amz-archive-id")
    if not archive_id:
        raise ValueError("a success without an archive id")
    ours: bytes = arguments["tree_hash"] if "tree_hash" in arguments else arguments["hashes"].tree_hash
    theirs = read_tree_hash(answer.headers)
    if theirs != ours:
        what = "another tree hash" if theirs else "no tree hash in its answer"
        raise IntegrityError(
            f"the service stored archive {archive_id} with {what}",
            expected=ours,
            actual=theirs or b"",
            archive_id=archive_id,
        )
    return StoredArchive(
        id=ArchiveId(archive_id), tree_hash=theirs, stored_at=server_time(answer.headers) or datetime.now(UTC)
    )


def part_range(arguments: Arguments) -> ByteRange | None:
    """Return the range of the archive that a body is; ``None`` for a whole archive."""
    start: int | None = arguments.get("start")
    return None if start is None else ByteRange(start, start + arguments["body"].nbytes)


def acknowledged(answer: Answer, arguments: Arguments) -> None:
    """Raise unless the answer to a part repeats its tree hash."""
    ours: bytes = arguments["hashes"].tree_hash
    theirs = read_tree_hash(answer.headers)
    if theirs == ours:
        return
    what = "another tree hash" if theirs else "no tree hash"
    part = part_range(arguments)
    raise IntegrityError(
        f"the service acknowledged bytes {part} with {what}",
        expected=ours,
        actual=theirs or b"",
        byte_range=part,
    )


def job_tree_hash(answer: Answer, _: Arguments) -> bytes | None:
    """Return the tree hash of the bytes of a job's output, if the service sends it."""
    return read_tree_hash(answer.headers)


def read_tree_hash(headers: Mapping[str, str]) -> bytes | None:
    """Return the tree hash of an answer, ``None`` where there is none."""
    text = headers.get(TREE_HASH_HEADER)
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return printable(text).encode()  # other bytes than any hash, to be shown


def _without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
