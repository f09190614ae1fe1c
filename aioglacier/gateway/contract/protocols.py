"""What crosses the gateway's door: bodies with their callbacks, the output of a job, a raw answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.files.reading import FileRange

    #: What a request sends: memory, or a range of an open file, which every attempt reads anew. It must not
    #: change until the call is over; what changes all the same is refused by its hashes.
    Body = memoryview | FileRange

    #: Told how many more bytes have been handed to the connection, and, as a negative number, how many of
    #: them were in vain because the attempt failed. Of a success the sum is the size. Must be quick.
    Progress = Callable[[int], None]

    #: Awaited, at each attempt, when all of a body but its last slice was handed over. The request cannot
    #: take effect before it returns. It must not raise: what then becomes of the attempt is not defined.
    BeforeLast = Callable[[], Awaitable[None]]


class QueueUnreadableError(Exception):
    """A queue of notifications cannot be read now; whoever listens falls back to asking the service."""


class JobOutput(Protocol):
    """An open answer with the bytes, or some of the bytes, of a job's output. Its bytes are read once."""

    @property
    def size(self) -> int:
        """Bytes this answer promises."""
        ...

    @property
    def total(self) -> int:
        """Bytes of the whole output."""
        ...

    @property
    def tree_hash(self) -> bytes | None:
        """The service's tree hash of exactly these bytes, where it can vouch for them."""
        ...

    @property
    def description(self) -> str:
        """The archive's description, "" without one."""
        ...

    @property
    def content_type(self) -> str:
        """As sent."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, in blocks as they arrive.

        Raises:
            ConnectionLostError: Fewer bytes came than promised.
            StalledTransferError: They stopped coming.
        """
        ...

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes, where it can be without a copy on the way.

        ``progress`` is told of bytes that are in the view, in order. When this returns or raises, or is
        cancelled, the view is the caller's again; what was not told of does not count.

        Raises:
            ConnectionLostError: Fewer bytes came than promised, or fewer are left than were asked for.
            StalledTransferError: They stopped coming.
        """
        ...


class RawResponse(Protocol):
    """An answer to a request that has no method of its own."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any case."""
        ...

    @property
    def body(self) -> bytes:
        """All of it, but of an error at most its first 64 KiB."""
        ...
