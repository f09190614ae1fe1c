"""An output on one open connection, as blocks or straight into memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

from aioglacier.core.errors import ConnectionLostError, UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.protocols import Progress
    from aioglacier.gateway.http.open_answer import OpenAnswer
    from aioglacier.gateway.http.receiving import DirectBody

T = TypeVar("T")

_NOTHING = memoryview(b"")


class HttpOutput(Generic[T]):
    """The output of a call, or a range of it. It can be read once; its owner closes it.

    Attributes:
        start: The place of the first byte in the whole.
        size: The number of bytes in the answer.
        total: The number of bytes in the whole.
        head: The result that the operation reads from the head of the answer.
    """

    def __init__(
        self,
        answer: OpenAnswer,
        head: T,
        *,
        byte_range: ByteRange | None,
        is_part: bool,
        total: int | None = None,
    ) -> None:
        """Read the head of an answer.

        Args:
            answer: Entered, and left, by the caller.
            head: Read from it already.
            byte_range: The bytes that were asked for, if a range was.
            is_part: Whether a part was asked for, whose range only the answer tells.
            total: The number of bytes in the whole, if the caller knows it.

        Raises:
            UnexpectedResponseError: Its length is missing, or it holds other bytes than asked for.
        """
        self.start, self.size, self.total = _extent(answer, byte_range, is_part=is_part)
        if total not in {None, self.total}:  # an error page with status 200 is no short archive
            raise UnexpectedResponseError(
                f"the output was to have {total} bytes in all, and the answer's has {self.total}",
                operation=answer.operation,
                status=answer.status,
            )
        self.head = head
        self._answer = answer
        self._came = 0
        self._rest = _NOTHING  # of a block that did not fit
        self._direct: DirectBody | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes; see ``contract.protocols.Output``."""
        while block := await self._next_block():
            yield block

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes; see ``contract.protocols.Output``."""
        at = 0

        def came(count: int) -> None:
            nonlocal at
            at += count
            self._came += count
            progress(count)

        # Sooner than by waiting for bytes that cannot come.
        if len(view) > self.size - self._came + len(self._rest):
            raise self._cut_short()
        while at < len(view):
            if self._rest:
                count = min(len(self._rest), len(view) - at)
                view[at : at + count], self._rest = self._rest[:count], self._rest[count:]
                at += count
                progress(count)
            elif (direct := self._take_over()) is not None:
                await self._answer.fill(direct, view[at:], came)
            else:
                # ``aiohttp`` has bytes already, which come first.
                self._rest = memoryview(await self._next_block())
        if self._came == self.size and not self._rest and self._direct is None:
            await self._next_block()  # the end, after which the connection may be used again

    def close(self) -> None:
        """End reading. May be called twice."""
        if self._direct is not None:
            self._direct.give_back()

    def _take_over(self) -> DirectBody | None:
        """Take the body from aiohttp, once the bytes that aiohttp has received are read."""
        if self._direct is None:
            self._direct = self._answer.take_over(self.size - self._came)
        return self._direct

    async def _next_block(self) -> bytes:
        block = await self._answer.next_block()
        self._came += len(block)
        if self._came > self.size:
            raise UnexpectedResponseError(
                f"the answer holds more than the {self.size} bytes it promised",
                operation=self._answer.operation,
                status=self._answer.status,
            )
        if not block and self._came < self.size:
            raise self._cut_short()
        return block

    def _cut_short(self) -> ConnectionLostError:
        return ConnectionLostError(
            f"the connection was closed after {self._came} of {self.size} bytes",
            operation=self._answer.operation,
            may_have_taken_effect=True,
        )


def _extent(answer: OpenAnswer, asked: ByteRange | None, *, is_part: bool) -> tuple[int, int, int]:
    """Return the first byte and the number of bytes in an answer, and the number in the whole."""
    length = answer.content_length
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", "").strip())
    if answer.status == 206 and match and (asked is not None or is_part):
        start, end, total = map(int, match.groups())
        size = end - start + 1
        # A shorter range is right only where the whole ends earlier.
        is_asked = asked is None or (start == asked.start and end + 1 == min(asked.stop, total))
        if is_asked and size > 0 and length in {None, size}:
            return start, size, total
    is_all_asked = asked is None or (length is not None and asked.start == 0 and asked.stop >= length)
    if answer.status == 200 and length is not None and is_all_asked:
        return 0, length, length
    raise UnexpectedResponseError(
        f"the answer, status {answer.status}, has length {length} and range {match and match[0]!r}, which "
        f"do not fit {f'bytes {asked}' if asked else 'the whole output'}",
        operation=answer.operation,
        status=answer.status,
    )
