"""Answers whose proof is in their headers, a stored archive, an acknowledged part, and pages of lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aioglacier.core.errors import IntegrityError, UnexpectedResponseError
from aioglacier.core.models import ArchiveId, Page, StoredArchive
from aioglacier.gateway.http.service_errors import printable, server_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.core.ranges import ByteRange

T = TypeVar("T")

TREE_HASH_HEADER: Final = "x-amz-sha256-tree-hash"


def stored_archive(operation: str, headers: Mapping[str, str], *, tree_hash: bytes) -> StoredArchive:
    """The archive an answer names.

    Raises:
        UnexpectedResponseError: It names none.
        IntegrityError: The service computed another tree hash; the archive exists, under the id in the error.
    """
    archive_id = headers.get("x-amz-archive-id")
    if not archive_id:
        raise UnexpectedResponseError(
            "the answer is a success without an archive id", operation=operation, status=201
        )
    theirs = read_tree_hash(headers)
    if theirs is not None and theirs != tree_hash:
        raise IntegrityError(
            f"{operation}: the service stored archive {archive_id} with another tree hash",
            expected=tree_hash,
            actual=theirs,
            archive_id=archive_id,
        )
    return StoredArchive(
        id=ArchiveId(archive_id), tree_hash=theirs, stored_at=server_time(headers) or datetime.now(UTC)
    )


def check_echo(headers: Mapping[str, str], *, tree_hash: bytes, byte_range: ByteRange) -> None:
    """Raise unless the answer to a part repeats its tree hash."""
    theirs = read_tree_hash(headers)
    if theirs == tree_hash:
        return
    what = "another tree hash" if theirs else "no tree hash"
    raise IntegrityError(
        f"the service acknowledged bytes {byte_range} with {what}",
        expected=tree_hash,
        actual=theirs or b"",
        byte_range=byte_range,
    )


def read_tree_hash(headers: Mapping[str, str]) -> bytes | None:
    """The tree hash of an answer; ``None`` where there is none."""
    text = headers.get(TREE_HASH_HEADER)
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return printable(text).encode()


def not_as_promised(operation: str, error: Exception) -> UnexpectedResponseError:
    """What to raise where reading an answer failed."""
    return UnexpectedResponseError(
        f"the answer lacks what was promised ({type(error).__name__}: {printable(str(error))})",
        operation=operation,
        status=200,
    )


def page_of(name: str, read_item: Callable[[Mapping[str, Any]], T]) -> Callable[[Mapping[str, Any]], Page[T]]:
    """A reader of one page of a list."""

    def read(document: Mapping[str, Any]) -> Page[T]:
        return Page(tuple(map(read_item, document[name])), document.get("Marker") or None)

    return read
