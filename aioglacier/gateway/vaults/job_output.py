"""A job's output on one open connection, as blocks or straight into memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aioglacier.core.errors import ConnectionLostError, UnexpectedResponseError
from aioglacier.gateway.http.answers import read_tree_hash
from aioglacier.gateway.http.receiving import DirectBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.protocols import Progress
    from aioglacier.gateway.http.wire import Wire

_NOTHING = memoryview(b"")


class HttpJobOutput:
    """A job's output, or a range of it. Read it once; its owner closes it."""

    def __init__(self, wire: Wire, response: aiohttp.ClientResponse, byte_range: ByteRange | None) -> None:
        """Read the head of an answer.

        Raises:
            UnexpectedResponseError: It does not say how long it is, or holds other bytes than asked for.
        """
        headers = response.headers
        self.size, self.total = _extent(response, byte_range)
        self.tree_hash = read_tree_hash(headers)
        self.description = headers.get("x-amz-archive-description", "")
        self.content_type = headers.get("Content-Type", "")
        self._wire = wire
        self._response = response
        self._pace = wire.pace("GetJobOutput", response)
        self._came = 0
        self._rest = _NOTHING  # of a block that did not fit
        self._direct: DirectBody | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See ``JobOutput``."""
        while block := await self._next_block():
            yield block

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """See ``JobOutput``."""
        at = 0

        def came(count: int) -> None:
            nonlocal at
            at += count
            self._came += count
            progress(count)

        if len(view) > self.size - self._came + len(self._rest):
            raise self._cut_short()
        while at < len(view):
            if self._rest:
                count = min(len(self._rest), len(view) - at)
                view[at : at + count], self._rest = self._rest[:count], self._rest[count:]
                at += count
                progress(count)
            elif (direct := self._take_over()) is not None:
                await self._wire.fill(self._pace, direct, view[at:], came)
            else:
                self._rest = memoryview(await self._next_block())
        if self._came == self.size and not self._rest and self._direct is None:
            await self._next_block()  # which is the end, and lets the connection be used again

    def close(self) -> None:
        """Read no more."""
        self._pace.stop()
        if self._direct is not None:
            self._direct.give_back()

    def _take_over(self) -> DirectBody | None:
        """The body without aiohttp, once what that has received is read."""
        if self._direct is None:
            self._direct = DirectBody.take_over(self._response, self.size - self._came)
        return self._direct

    async def _next_block(self) -> bytes:
        block = await self._wire.next_block(self._pace)
        self._came += len(block)
        if self._came > self.size:
            raise UnexpectedResponseError(
                f"the answer holds more than the {self.size} bytes it promised",
                operation="GetJobOutput",
                status=self._response.status,
            )
        if not block and self._came < self.size:
            raise self._cut_short()
        return block

    def _cut_short(self) -> ConnectionLostError:
        return ConnectionLostError(
            f"the connection was closed after {self._came} of {self.size} bytes",
            operation="GetJobOutput",
            may_have_taken_effect=True,
        )


def _extent(response: aiohttp.ClientResponse, asked: ByteRange | None) -> tuple[int, int]:
    """How many bytes an answer brings, and how many the whole output has."""
    length = response.content_length
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", "").strip())
    if response.status == 206 and match and asked is not None:
        start, end, total = map(int, match.groups())
        size = end - start + 1
        if start == asked.start and end < asked.stop and size > 0 and length in {None, size}:
            return size, total
    is_all_asked = asked is None or (length is not None and asked.start == 0 and asked.stop >= length)
    if response.status == 200 and length is not None and is_all_asked:
        return length, length
    raise UnexpectedResponseError(
        f"the answer, status {response.status}, has length {length} and range {match and match[0]!r}, which "
        f"do not fit {f'bytes {asked}' if asked else 'the whole output'}",
        operation="GetJobOutput",
        status=response.status,
    )
