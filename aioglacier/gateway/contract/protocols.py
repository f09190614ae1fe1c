"""Types that cross the gateway's door: bodies with their callbacks, outputs, raw requests, answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

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


T_co = TypeVar("T_co", covariant=True)


class QueueUnreadableError(Exception):
    """A queue of notifications cannot be read now; the listener asks the service instead."""


class Throttle(Protocol):
    """Lets bytes pass at a rate, for all gateways that hold the same one."""

    @property
    def largest_take(self) -> int:
        """The most bytes to take at once."""
        ...

    @property
    def read_ahead(self) -> int | None:
        """The bytes that a connection may hold before its reader takes them; ``None`` for any number."""
        ...

    async def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass."""
        ...

    def note(self, count: int) -> None:
        """Count bytes that pass without waiting; later ones wait longer."""
        ...


class Output(Protocol[T_co]):
    """An open answer with all or some bytes of a job's output or of an object. They can be read once."""

    @property
    def size(self) -> int:
        """The number of bytes in this answer."""
        ...

    @property
    def start(self) -> int:
        """The place of the first of them in the whole."""
        ...

    @property
    def total(self) -> int:
        """The number of bytes in the whole."""
        ...

    @property
    def head(self) -> T_co:
        """The facts before the bytes: the tree hash of a job's, if there is one; an object's head."""
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


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request that has no method of its own.

    Attributes:
        path: Begins after the account, as ``vaults/photos``; a leading "/" makes it the whole path.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end, or to the first 64 KiB if it is an error.

    Attributes:
        status: The HTTP status.
        headers: Names are found whatever their case.
        body: The bytes behind the headers.
        came_at: This machine's clock when the answer had come.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    came_at: datetime
