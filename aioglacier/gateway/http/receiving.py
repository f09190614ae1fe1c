"""Receive a body straight into the reader's memory.

aiohttp hands out a body as ``bytes``: the kernel's bytes go into a new object of up to 256 KiB, from that
into another one in the parser, which only counts the bytes of a body of known length, then into a queue. The
reader wakes up for each and copies it once more. That takes half a second of CPU for a GiB. Here, once the
head of an answer is parsed, the transport gets a protocol for the body alone, receives into its memory as
much at once as the kernel has, and the reader wakes up when all requested bytes are there.

After the body's last byte aiohttp has its connection back, to carry the next request. To aiohttp, an
abandoned body is one that was not read to its end, so it closes the connection. Its parser, left in the
middle of the body, is not used again, as each request has a new one. That one would take bytes behind the
body for the next answer, so one byte more than the body has is requested, and a connection that delivers it
is closed. Only public names of aiohttp are used.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler


#: The end of a body goes through a block of its own that has room for a byte too many.
_TAIL: Final = 4096


class _Filling:
    """A view while it is filled: the rest of it, the callback for progress, and the end."""

    __slots__ = ("came", "ended", "view")

    def __init__(self, view: memoryview, came: Callable[[int], None]) -> None:
        self.view = view
        self.came = came
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class DirectBody(asyncio.BufferedProtocol):
    """The rest of one body, on the transport that brings it. Its owner gives the transport back.

    The transport receives only while ``fill`` waits; at all other times it is paused. Still bytes may come:
    where a connection carried a small body before, the late reader of that one lets aiohttp resume it.
    """

    def __init__(
        self,
        content: aiohttp.StreamReader,
        handler: ResponseHandler,
        transport: asyncio.Transport,
        *,
        length: int,
        size: int,
    ) -> None:
        self._content = content
        self._handler = handler
        self._transport = transport
        self._length = length
        self._left = size
        self._filling: _Filling | None = None
        self._tail = memoryview(b"")
        self._early = b""
        self._failure: BaseException | None = None
        self._is_ours = True
        transport.pause_reading()
        transport.set_protocol(self)

    @classmethod
    def take_over(cls, response: aiohttp.ClientResponse, size: int) -> Self | None:
        """Take the last ``size`` bytes of a body from aiohttp.

        ``None`` if that is impossible, or while bytes that aiohttp has received are unread.
        """
        content, connection, length = response.content, response.connection, response.content_length
        handler = connection.protocol if connection is not None else None
        transport = handler.transport if handler is not None else None
        if (
            sys.platform == "win32"  # its loop may hold bytes of its own when it pauses
            or handler is None
            or transport is None
            or transport.is_closing()
            or content.is_eof()
            or content.exception() is not None
            or length is None
            or "Transfer-Encoding" in response.headers
            or length - content.total_bytes != size
        ):
            return None
        return cls(content, handler, transport, length=length, size=size)

    async def fill(self, view: memoryview, came: Callable[[int], None]) -> None:
        """Receive as many bytes as ``view`` has, at most those that are left.

        ``came`` is called with their number as they come; its errors are raised here. When this returns or
        raises, or is cancelled, nothing writes to the view any more.

        Raises:
            aiohttp.ClientError, OSError: The connection was lost.
        """
        if self._failure is not None:
            raise self._failure
        if self._early:
            count = min(len(self._early), len(view))
            view[:count], self._early = self._early[:count], self._early[count:]
            came(count)
            view = view[count:]
            if not view:
                return
        self._filling = _Filling(view, came)
        self._transport.resume_reading()
        try:
            await self._filling.ended
        finally:
            self._filling = None
            if self._is_ours:
                self._transport.pause_reading()

    def set_exception(self, error: BaseException) -> None:
        """Raise an error in ``fill``, now and in every later call."""
        self._failure = error
        if self._filling is not None and not self._filling.ended.done():
            self._filling.ended.set_exception(error)

    def give_back(self) -> None:
        """Give the connection back to aiohttp, which closes it if the body is incomplete."""
        if not self._is_ours:
            return
        self._is_ours = False
        self._transport.pause_reading()
        self._transport.set_protocol(self._handler)
        self._transport.resume_reading()
        if not self._left:
            self._content.feed_eof()

    # --- called by the transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the memory for the next bytes."""
        del sizehint
        self._tail = memoryview(b"")
        view = self._filling.view if self._filling is not None else self._tail
        if not view:  # aiohttp resumed it
            self._transport.pause_reading()
        elif len(view) < self._left:
            return view
        elif self._left > _TAIL:
            return view[: self._left - _TAIL]
        self._tail = memoryview(bytearray(_TAIL + 1))
        return self._tail

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes that have come."""
        filling = self._filling
        if nbytes > self._left:
            self._handler.force_close()
            nbytes = self._left
        self._left -= nbytes
        if filling is None or not filling.view:
            self._early += self._tail[:nbytes]
            if not self._left:
                self.give_back()
            return
        if self._tail:
            filling.view[:nbytes] = self._tail[:nbytes]
        filling.view = filling.view[nbytes:]
        try:
            filling.came(nbytes)
        except Exception as error:  # noqa: BLE001  # raised where ``fill`` waits
            self._transport.pause_reading()
            self.set_exception(error)
            return
        if not filling.view:
            if self._left:
                self._transport.pause_reading()
            else:
                self.give_back()
            if not filling.ended.done():
                filling.ended.set_result(None)

    def eof_received(self) -> bool | None:
        """Let the transport close, as the other side did."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Raise the loss in ``fill``, and pass it to aiohttp."""
        self._is_ours = False
        came = f"received {self._length - self._left} of {self._length} bytes"
        self.set_exception(exc or aiohttp.ClientPayloadError(f"Not enough data: {came}"))
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on to aiohttp."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on to aiohttp."""
        self._handler.resume_writing()
