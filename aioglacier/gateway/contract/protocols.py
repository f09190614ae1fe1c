"""Types that cross the gateway's door: bodies with their callbacks, job output, raw answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.files.reading import FileRange

    #: The bytes that a request sends: memory, or a range of an open file, which every attempt reads again.
    #: They must not change until the call is over; the service refuses bytes that do not match their hashes.
    Body = memoryview | FileRange

    #: Called with the number of bytes that were handed to the connection, and with a negative number when the
    #: attempt failed and they have to be sent again. After a success, the sum is the size. Must be quick.
    Progress = Callable[[int], None]

    #: Awaited, at each attempt, when all of a body except its last slice was handed over. The request cannot
    #: take effect before it returns. It must not raise: the outcome of the attempt would be undefined.
    BeforeLast = Callable[[], Awaitable[None]]


class QueueUnreadableError(Exception):
    """A queue of notifications cannot be read now; the listener asks the service instead."""


class JobOutput(Protocol):
    """An open answer with all or some bytes of a job's output. They can be read once."""

    @property
    def size(self) -> int:
        """The number of bytes in this answer."""
        ...

    @property
    def total(self) -> int:
        """The number of bytes in the whole output."""
        ...

    @property
    def tree_hash(self) -> bytes | None:
        """The service's tree hash of exactly these bytes, if it sends one."""
        ...

    @property
    def description(self) -> str:
        """The archive's description, ``""`` without one."""
        ...

    @property
    def content_type(self) -> str:
        """The content type that the service sent."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes in blocks as they arrive.

        Raises:
            ConnectionLostError: The connection ended before the last byte.
            StalledTransferError: The bytes stopped.
        """
        ...

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes, without a copy on the way where possible.

        ``progress`` is called with the number of bytes that are in the view, in order. When this returns or
        raises, or is cancelled, the view is the caller's again; bytes that were not reported do not count.

        Raises:
            ConnectionLostError: The connection ended early, or fewer bytes are left than were asked for.
            StalledTransferError: The bytes stopped.
        """
        ...


class RawResponse(Protocol):
    """The answer to a request that has no method of its own."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are found whatever their case."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, or the first 64 KiB of an error's."""
        ...
