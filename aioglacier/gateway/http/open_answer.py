"""An answer whose head has arrived, and whose body is still to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import aiohttp

from aioglacier.core.errors import ConnectionLostError, UnexpectedResponseError
from aioglacier.gateway.http.receiving import DirectBody
from aioglacier.gateway.http.transport_errors import reason
from aioglacier.gateway.http.watchdog import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import Throttle


class OpenAnswer:
    """Reads the body of one answer once, and notices when it stalls. Leaving it drops what is unread.

    Attributes:
        headers: Names are found whatever their case.
        content_length: Bytes of the body, if the head says so.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        operation: str,
        options: GatewayOptions,
        bandwidth: Throttle | None,
        moved: Callable[[], None],
        release: Callable[[type[BaseException] | None], None],
    ) -> None:
        """``moved`` is called when bytes come, and ``release`` at the end, with the kind of an error."""
        self.operation = operation
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_length = response.content_length
        self._response = response
        self._options = options
        self._bandwidth = bandwidth
        self._moved = moved
        self._release = release
        self._started: Pace | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.aclose(kind)

    async def next_block(self) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end.

        Raises:
            StalledTransferError: They came too slowly.
            ConnectionLostError: The connection broke.
        """
        try:
            block = await self._pace().next_block()
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from error
        self._moved()
        if self._bandwidth is not None:
            await self._bandwidth.take(len(block))
        return block

    def take_over(self, size: int) -> DirectBody | None:
        """Take the last ``size`` bytes of the body from aiohttp; see ``DirectBody.take_over``."""
        return DirectBody.take_over(self._response, size)

    async def fill(self, body: DirectBody, view: memoryview, came: Callable[[int], None]) -> None:
        """Let a body that was taken over fill ``view``; errors as from ``next_block``."""

        def moved(count: int) -> None:
            self._moved()
            came(count)

        at = 0
        while at < len(view):
            piece = view[at:]
            if self._bandwidth is not None:
                # A larger take would wait for more than the bucket holds.
                piece = piece[: self._bandwidth.largest_take]
                await self._bandwidth.take(len(piece))
            try:
                await self._pace().fill(body, piece, moved)
            except (aiohttp.ClientError, OSError) as error:
                raise self._lost(error) from error
            at += len(piece)

    async def read(self, limit: int) -> bytes:
        """Return the whole body, or the first ``limit`` bytes of an error's.

        Raises:
            UnexpectedResponseError: A success has more than ``limit`` bytes.
            TransportError: As from ``next_block``.
        """
        if self._response.content.at_eof():  # the answer to a part is a head and nothing more
            return b""
        body = bytearray()
        while len(body) <= limit:
            block = await self.next_block()
            if not block:
                return bytes(body)
            body += block
        if self.status < 400:
            raise UnexpectedResponseError(
                f"the answer is longer than {limit} bytes", operation=self.operation, status=self.status
            )
        self._response.close()  # reading the rest of a wrong answer may take for ever
        return bytes(body[:limit])

    async def aclose(self, kind: type[BaseException] | None) -> None:
        """Drop the connection unless all was read. Called once."""
        if self._started is not None:
            self._started.stop()
        try:
            self._response.release()
            # Or a slot would be given back before its connection is free.
            await self._response.wait_for_close()
        finally:
            self._release(kind)

    def _pace(self) -> Pace:
        """Start the watch with the first read: most answers have no body."""
        if self._started is None:
            self._started = Pace(
                self._response.content,
                operation=self.operation,
                window_seconds=self._options.timeouts.stall,
                minimum_rate=self._options.minimum_rate,
            )
        return self._started

    def _lost(self, error: Exception) -> ConnectionLostError:
        return ConnectionLostError(
            f"the connection broke off in the middle of the answer ({reason(error)})",
            operation=self.operation,
            may_have_taken_effect=True,
        )
