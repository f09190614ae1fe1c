"""A request body that is slices of the caller's memory, or of a file.

aiohttp's own bodies copy the part (``BytesIO``) or send it at once and stall the loop (``bytes``). This one
hands the transport a slice, waits until the kernel has all of it, lets other tasks run, and continues: over
TLS when its turn comes. So a range of a file needs the memory of one slice.

Three rules make sure that the caller may reuse the memory as soon as the call is over:

- The transport's high-water mark is 0 while the body is sent, so after the wait nothing of the slice is in
  user space. (From Python 3.12 on a transport keeps a view of unsent bytes and sends it later, whatever the
  memory holds by then.)
- Every end but a clean one aborts the transport. Closing it would flush first.
- ``abandon`` does the same from outside and at once: a cancelled writer task would abort it later.

A body may be sent again from its start; the progress of the first attempt is subtracted before.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import ClientConnectionResetError, Payload

from aioglacier.gateway.http.request_bodies import slices_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

    from aioglacier.gateway.contract.protocols import Body, Throttle
    from aioglacier.gateway.http.fair_turns import Turns
    from aioglacier.gateway.http.request_bodies import TrailedBody

#: Slices grow from the smallest to the largest while they go fast. Small ones show progress: on a line of 64
#: KB/s shared by sixteen parts one of 32 KiB takes 8 s, one of 256 KiB would take a minute and look stalled.
#: Large ones are cheap, if the kernel takes them whole: of the rest Python 3.11 makes a copy. So the largest
#: have a connection whose kernel holds as much.
SMALLEST_SLICE: Final = 32 * 1024
LARGEST_SLICE: Final = 1024 * 1024

#: Bytes not yet sent that the kernel takes of one connection. By default it takes megabytes, and on a slow
#: line nothing seems to move for minutes.
_UNSENT_LIMIT: Final = 256 * 1024

#: The same while the largest slices go fast.
_FAST_UNSENT_LIMIT: Final = LARGEST_SLICE

#: Bytes handed to the kernel before other tasks run; they take a tenth of a millisecond.
_LONGEST_STRETCH: Final = 256 * 1024

#: A slice that takes this long shows a slow line.
_SLOW_SECONDS: Final = 1.0

#: If the previous body went fast, slices from the second on have the size that took this long. On a line that
#: has become a hundred times slower since, one such slice takes 10 s, and the smallest follow it.
_STRIDE_SECONDS: Final = 0.1


def limit_unsent(connection: socket.socket, *, is_fast: bool = False) -> None:
    """Set how much a connection's kernel takes before it is sent, where the system has such a limit."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        size = _FAST_UNSENT_LIMIT if is_fast else _UNSENT_LIMIT
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)


class Sent:
    """The state of one body on its way: a payload writes it, and the sender and its errors read it.

    Attributes:
        size: Bytes of the body.
        count: Bytes that the current attempt has handed to the kernel.
        is_complete: Whether the kernel has the whole body.
        started_at: When a connection was open and the request's head on its way, on the monotonic clock.
        failure: An error of this side, as in reading the body's file; aiohttp does not pass it on.
        on_move: Called when bytes have moved.
        on_wait: Called before a wait in which none may move.
    """

    def __init__(self, size: int, progress: Callable[[int], None] | None = None) -> None:
        self.size = size
        self.count = 0
        self.is_complete = False
        self.started_at: float | None = None
        self.failure: Exception | None = None
        self.on_move: Callable[[], None] = _nothing
        self.on_wait: Callable[[], None] = _nothing
        self._progress = progress

    def add(self, count: int) -> None:
        """Count bytes that the kernel took."""
        self.count += count
        if self._progress is not None:
            self._progress(count)
        self.on_move()

    def take_back(self) -> None:
        """Count the body as unsent."""
        if self.count and self._progress is not None:
            self._progress(-self.count)
        self.count = 0
        self.is_complete = False


class SlicePayload(Payload):
    """Sends a body slice by slice, and says in ``sent`` how far it is."""

    def __init__(
        self,
        body: Body | TrailedBody,
        *,
        progress: Callable[[int], None] | None = None,
        before_last: Callable[[], Awaitable[None]] | None = None,
        rate: float = 0.0,
        turns: Turns | None = None,
        bandwidth: Throttle | None = None,
    ) -> None:
        super().__init__(body)
        self._size = body.nbytes
        self.sent = Sent(body.nbytes, progress)
        self._slices = slices_of(body)
        self._before_last = before_last
        self._stride = int(rate * _STRIDE_SECONDS)
        self._turns = turns
        self._bandwidth = bandwidth
        self._transport: asyncio.WriteTransport | None = None
        self._is_abandoned = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: aiohttp requires this method and never calls it here."""
        del encoding, errors
        raise TypeError("a body of bytes is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it. Called by aiohttp, in a task of its own."""
        sent = self.sent
        sent.take_back()
        transport = writer.transport
        if transport is None or self._is_abandoned:
            raise ClientConnectionResetError("the connection is closed")
        self._transport = transport
        sent.started_at = time.monotonic()
        stride = self._stride
        largest = LARGEST_SLICE if self._bandwidth is None else self._bandwidth.largest_take
        is_encrypted = transport.get_extra_info("sslcontext") is not None
        adapts = self._bandwidth is None and sent.size > _UNSENT_LIMIT
        # Only encryption keeps the loop for long, and one small slice does not.
        turns = self._turns if is_encrypted and sent.size > SMALLEST_SLICE else None
        try:
            # Any byte left makes ``drain`` wait. A plain transport pauses above its mark, a TLS one at its
            # mark: with 0 it would pause for good. What TLS leaves is ciphertext, a copy, so there the mark
            # only keeps the count of bytes sent honest.
            transport.set_write_buffer_limits(high=1 if is_encrypted else 0, low=0)
            if not sent.size:
                writer.send_headers()
            size = SMALLEST_SLICE
            rested_at = 0
            is_fast: bool | None = None
            while sent.count < sent.size:
                if turns is not None:
                    await turns.take()
                elif sent.count - rested_at >= _LONGEST_STRETCH:
                    await asyncio.sleep(0)
                    rested_at = sent.count
                try:
                    slice_ = await self._take(min(size, largest))
                    if self._before_last is not None and sent.count + slice_.nbytes == sent.size:
                        await self._before_last()
                except Exception as error:  # noqa: BLE001  # aiohttp would call it a lost connection
                    sent.failure = error
                    raise ClientConnectionResetError("the rest of the body cannot be sent") from None
                if adapts and (size == LARGEST_SLICE) is not is_fast:
                    is_fast = size == LARGEST_SLICE
                    limit_unsent(transport.get_extra_info("socket"), is_fast=is_fast)
                # aiohttp writes the request's head and the first slice together.
                took = await self._send(writer, slice_)
                if took > _SLOW_SECONDS:
                    size, stride = SMALLEST_SLICE, 0
                else:
                    size = _next_slice_size(size, stride, sent=sent.count)
            await writer.drain()
            transport.set_write_buffer_limits()
            self._slices.release()  # only here: what a failed attempt left may still be in the transport
        except BaseException:
            self.abandon()
            raise
        sent.is_complete = True
        sent.on_move()

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send all of it; the length is always that of the body."""
        del content_length
        await self.write(writer)

    def abandon(self) -> None:
        """Send nothing more of the body, and count an incomplete body as unsent.

        Does nothing after a clean end. May be called twice.
        """
        self._is_abandoned = True
        if self.sent.is_complete:
            return
        if self._transport is not None:
            # Python 3.11's transport has no loop any more after it sent its last byte past the other side's
            # end.
            with suppress(AttributeError):
                self._transport.abort()
            self._transport = None
        self.sent.take_back()

    async def _take(self, size: int) -> memoryview:
        """Return the next slice once it may be sent."""
        slice_ = await self._slices.take(self.sent.count, size)
        if self._bandwidth is not None:
            self.sent.on_wait()
            await self._bandwidth.take(slice_.nbytes)
            self.sent.on_move()
        return slice_

    async def _send(self, writer: AbstractStreamWriter, slice_: memoryview) -> float:
        began = time.monotonic()
        self._check_wanted()  # the caller may have given up while the slice was read
        await writer.write(slice_)
        await writer.drain()
        self._check_wanted()
        self.sent.add(slice_.nbytes)
        return time.monotonic() - began

    def _check_wanted(self) -> None:
        if self._is_abandoned:
            raise ClientConnectionResetError("the request was given up")


def _nothing() -> None:
    """Do nothing."""


def _next_slice_size(size: int, stride: int, *, sent: int) -> int:
    """Double, up to a quarter of the bytes sent: the first always go fast, into buffers."""
    return max(SMALLEST_SLICE, min(2 * size, sent // 4, LARGEST_SLICE), min(stride, LARGEST_SLICE))
