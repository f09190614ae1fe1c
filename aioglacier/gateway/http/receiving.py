"""A body received straight into the memory where it is wanted.

aiohttp gives a body out as ``bytes``: the kernel's bytes go into a new object of up to 256 KiB, from that
into another one in the parser, which of a body of known length only counts the bytes, then into a queue;
whoever reads wakes up for each, and copies it once more. That is half a second of CPU for a GiB. Here, once
the head of an answer is parsed, the transport is given a protocol for the body alone, into whose memory it
receives, as much at once as the kernel has, and the reader wakes up when all he asked for is there.

After the body's last byte the connection is aiohttp's again, to carry the next request. A body that is given
up is to aiohttp one that was not read to its end, so it closes the connection. Its parser, left in the middle
of the body, is not used again, as each request has a new one. To that one, bytes that follow the body's last
byte would be the next answer, so a byte more than the body has is asked for, and a connection on which it
comes is not used again. Of aiohttp only what has a public name is used.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler


#: The end of a body, which goes through a block of its own that has room for a byte too many.
_TAIL: Final = 4096


class DirectBody(asyncio.BufferedProtocol):
    """What is left of one body, on the transport it comes from. Its owner gives the transport back.

    Nothing is received but while ``fill`` waits for it: at all other times the transport is paused.
    """

    def __init__(
        self,
        content: aiohttp.StreamReader,
        handler: ResponseHandler,
        transport: asyncio.Transport,
        *,
        content_length: int,
        size: int,
    ) -> None:
        self._content = content
        self._handler = handler
        self._transport = transport
        self._content_length = content_length
        self._left = size
        self._view = memoryview(b"")
        self._tail = memoryview(b"")
        self._came: Callable[[int], None] | None = None
        self._filled: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._is_ours = True
        transport.pause_reading()
        transport.set_protocol(self)

    @classmethod
    def take_over(cls, response: aiohttp.ClientResponse, size: int) -> Self | None:
        """Take the last ``size`` bytes of a body off aiohttp's hands.

        ``None`` where that cannot be, or as long as bytes that aiohttp has received are not read.
        """
        content, connection, length = response.content, response.connection, response.content_length
        handler = connection.protocol if connection is not None else None
        transport = handler.transport if handler is not None else None
        if (
            sys.platform == "win32"  # its loop may have bytes of its own when it is told to pause
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
        return cls(content, handler, transport, content_length=length, size=size)

    async def fill(self, view: memoryview, came: Callable[[int], None]) -> None:
        """Receive as many bytes as ``view`` has, which are no more than are left.

        ``came`` is told of them as they come; what it raises is raised here. When this returns or raises, or
        is cancelled, nothing is written to the view any more.

        Raises:
            aiohttp.ClientError, OSError: The connection was lost.
        """
        if self._failure is not None:
            raise self._failure
        self._view, self._came = view, came
        self._filled = asyncio.get_running_loop().create_future()
        self._transport.resume_reading()
        try:
            await self._filled
        finally:
            self._view, self._came, self._filled = memoryview(b""), None, None
            if self._is_ours:
                self._transport.pause_reading()

    def set_exception(self, error: BaseException) -> None:
        """Raise an error where bytes are waited for, and ever after."""
        self._failure = error
        if self._filled is not None and not self._filled.done():
            self._filled.set_exception(error)

    def give_back(self) -> None:
        """Let aiohttp have its connection. It closes one whose body has not come to its end."""
        if not self._is_ours:
            return
        self._is_ours = False
        self._transport.pause_reading()
        self._transport.set_protocol(self._handler)
        self._transport.resume_reading()
        if not self._left:
            self._content.feed_eof()

    # --- what the transport calls

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        del sizehint
        if len(self._view) < self._left:
            return self._view
        if self._left > _TAIL:
            return self._view[: self._left - _TAIL]
        self._tail = memoryview(bytearray(_TAIL + 1))
        return self._tail

    def buffer_updated(self, nbytes: int) -> None:
        """So many are there."""
        if self._tail:
            if nbytes > self._left:
                self._handler.force_close()
                nbytes = self._left
            self._view[:nbytes] = self._tail[:nbytes]
            self._tail = memoryview(b"")
        self._view = self._view[nbytes:]
        self._left -= nbytes
        try:
            if self._came is not None:
                self._came(nbytes)
        except Exception as error:  # noqa: BLE001  # for whoever waits for the bytes
            self._transport.pause_reading()
            self.set_exception(error)
            return
        if not self._view:
            if self._left:
                self._transport.pause_reading()
            else:
                self.give_back()
            if self._filled is not None and not self._filled.done():
                self._filled.set_result(None)

    def eof_received(self) -> bool | None:
        """The other side has closed; the transport does so too."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and aiohttp."""
        self._is_ours = False
        self.set_exception(exc or aiohttp.ClientPayloadError(self._shortage()))
        self._handler.connection_lost(exc)

    def _shortage(self) -> str:
        """In aiohttp's words for the same."""
        came = self._content_length - self._left
        return (
            "Not enough data to satisfy content length header "
            f"(received {came} of {self._content_length} bytes)."
        )

    def pause_writing(self) -> None:
        """Aiohttp's affair."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Aiohttp's affair."""
        self._handler.resume_writing()
