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
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import ClientConnectionResetError, Payload

from aioglacier.core.errors import SourceError
from aioglacier.gateway.http.request_bodies import slices_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

    from aioglacier.gateway.contract.protocols import Body
    from aioglacier.gateway.http.fair_turns import Turns

#: Slices grow from the smallest to the largest while they go fast. Small ones show progress: on a line of 64
#: KB/s shared by sixteen parts one of 32 KiB takes 8 s, one of 256 KiB would take a minute and look stalled.
#: Large ones are cheap: measured 0.19 CPU s/GiB in slices of 512 KiB, 0.31 of 256 KiB, 0.29 of 768 KiB, and
#: 0.15 to 0.17 by a blocking ``sendall``. A slice that the kernel does not take whole is expensive: Python
#: 3.11 copies the rest. Over TLS it is 0.50 for any size from 128 KiB to 512 KiB, and 0.56 by ``sendall``:
#: encrypting is all.
SMALLEST_SLICE: Final = 32 * 1024
LARGEST_SLICE: Final = 512 * 1024

#: Bytes handed to the kernel before other tasks run; they take a tenth of a millisecond.
_LONGEST_STRETCH: Final = 256 * 1024

#: A slice that takes this long shows a slow line.
_SLOW_SECONDS: Final = 1.0

#: If the body before went fast, slices from the second on are so large that one took this long: on a line
#: that has since become a hundred times slower, one takes 10 s, and the smallest follow it.
_STRIDE_SECONDS: Final = 0.1


class SlicePayload(Payload):
    """Sends a body slice by slice.

    Attributes:
        failure: The error in reading the body's file, which aiohttp does not pass on.
        is_started: Whether a connection was open and the request's head on its way.
        is_complete: Whether the kernel has the whole body.
        started_at: The start of sending, on the monotonic clock.
        sent: Bytes handed to the kernel by the current attempt.
    """

    def __init__(
        self,
        body: Body,
        *,
        progress: Callable[[int], None] | None = None,
        before_last: Callable[[], Awaitable[None]] | None = None,
        rate: float = 0.0,
        turns: Turns | None = None,
    ) -> None:
        super().__init__(body)
        self._stride = int(rate * _STRIDE_SECONDS)
        self._before_last = before_last
        self._turns = turns
        self._slices = slices_of(body)
        self._length = self._size = body.nbytes
        self._progress = progress
        self._transport: asyncio.WriteTransport | None = None
        self._is_abandoned = False
        self.on_progress: Callable[[], None] | None = None
        self.failure: SourceError | None = None
        self.is_started = False
        self.is_complete = False
        self.started_at = 0.0
        self.sent = 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: aiohttp requires this method and never calls it here."""
        del encoding, errors
        raise TypeError("a body of bytes is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it. Called by aiohttp, in a task of its own."""
        self._take_back()
        transport = writer.transport
        if transport is None or self._is_abandoned:
            raise ClientConnectionResetError("the connection is closed")
        self._transport = transport
        self.is_started = True
        self.started_at = time.monotonic()
        stride = self._stride
        # Only encryption keeps the loop for long, and one small slice does not.
        turns = self._turns if _is_encrypted(transport) and self._length > SMALLEST_SLICE else None
        try:
            transport.set_write_buffer_limits(high=_lowest_high_water(transport), low=0)
            if not self._length:
                writer.send_headers()
            size = SMALLEST_SLICE
            rested_at = 0
            while self.sent < self._length:
                if turns is not None:
                    await turns.take()
                elif self.sent - rested_at >= _LONGEST_STRETCH:
                    await asyncio.sleep(0)
                    rested_at = self.sent
                slice_ = await self._take(size)
                if self._before_last is not None and self.sent + slice_.nbytes == self._length:
                    await self._before_last()
                # aiohttp writes the request's head and the first slice together.
                took = await self._send(writer, slice_)
                if took > _SLOW_SECONDS:
                    size, stride = SMALLEST_SLICE, 0
                else:
                    size = _next_slice_size(size, stride, sent=self.sent)
            await writer.drain()
            transport.set_write_buffer_limits()
        except BaseException:
            self.abandon()
            raise
        self.is_complete = True
        self._moved()

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send all of it; the length is always that of the body."""
        del content_length
        await self.write(writer)

    def abandon(self) -> None:
        """Send nothing more of the body, and count an incomplete body as unsent.

        Does nothing after a clean end. May be called twice.
        """
        self._is_abandoned = True
        if self.is_complete:
            return
        if self._transport is not None:
            # Python 3.11's transport has no loop any more after it sent its last byte past the other side's
            # end.
            with suppress(AttributeError):
                self._transport.abort()
            self._transport = None
        self._take_back()

    async def _take(self, size: int) -> memoryview:
        try:
            return await self._slices.take(self.sent, size)
        except SourceError as error:
            self.failure = error
        raise ClientConnectionResetError("the rest of the body cannot be read")

    async def _send(self, writer: AbstractStreamWriter, slice_: memoryview) -> float:
        began = time.monotonic()
        self._check_wanted()  # the caller may have given up while the slice was read
        await writer.write(slice_)
        await writer.drain()
        self._check_wanted()
        self.sent += slice_.nbytes
        if self._progress is not None:
            self._progress(slice_.nbytes)
        self._moved()
        return time.monotonic() - began

    def _check_wanted(self) -> None:
        if self._is_abandoned:
            raise ClientConnectionResetError("the request was given up")

    def _moved(self) -> None:
        if self.on_progress is not None:
            self.on_progress()

    def _take_back(self) -> None:
        if self.sent and self._progress is not None:
            self._progress(-self.sent)
        self.sent = 0
        self.is_complete = False


def _next_slice_size(size: int, stride: int, *, sent: int) -> int:
    """Double, up to a quarter of the bytes sent: the first always go fast, into buffers."""
    return max(SMALLEST_SLICE, min(2 * size, sent // 4, LARGEST_SLICE), min(stride, LARGEST_SLICE))


def _lowest_high_water(transport: asyncio.WriteTransport) -> int:
    """Return the mark at which any byte left makes ``drain`` wait.

    A plain transport pauses above its mark, a TLS one at its mark: with 0 it would pause for good. What
    TLS leaves is ciphertext, a copy, so here the mark only keeps the count of bytes sent honest.
    """
    return 1 if _is_encrypted(transport) else 0


def _is_encrypted(transport: asyncio.WriteTransport) -> bool:
    return transport.get_extra_info("sslcontext") is not None
