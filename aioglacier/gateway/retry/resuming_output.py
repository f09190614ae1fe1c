"""An output that survives broken connections: the next connection continues where the last one ended.

No byte is read twice. The head of the first answer is that of the whole range, whatever the number of
connections.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from aioglacier.core.errors import GlacierError, UnexpectedResponseError
from aioglacier.core.ranges import ByteRange
from aioglacier.core.spending import budgets
from aioglacier.gateway.retry.rules import may_pass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.core.spending import Budget
    from aioglacier.gateway.contract.operation import Arguments, Operation, Performer
    from aioglacier.gateway.contract.protocols import Output, Progress
    from aioglacier.gateway.retry.retrier import Call, Retrier

T = TypeVar("T")


class ResumingOutput(Generic[T]):
    """An ``Output`` over any number of connections. Entering opens it, leaving closes it."""

    def __init__(
        self, gateway: Performer, retrier: Retrier, operation: Operation[T], arguments: Arguments
    ) -> None:
        self._gateway = gateway
        self._retrier = retrier
        self._operation = operation
        self._arguments = arguments
        self._call: Call | None = None
        self._came = 0
        self._stack = AsyncExitStack()
        self._first: Output[T]  # its facts hold for all
        self._current: Output[T]

    async def __aenter__(self) -> Self:
        await self._run(lambda: self._open(self._arguments["byte_range"]))
        self._first = self._current
        self._arguments = {**self._arguments, **self._operation.pins(self.head)}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def start(self) -> int:
        """See ``Output``."""
        return self._first.start

    @property
    def size(self) -> int:
        """See ``Output``."""
        return self._first.size

    @property
    def total(self) -> int:
        """See ``Output``."""
        return self._first.total

    @property
    def head(self) -> T:
        """See ``Output``."""
        return self._first.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes. They can be read once."""
        while True:
            try:
                async for block in self._current:
                    self._note(len(block))
                    yield block
            except GlacierError as error:
                if self._came == self.size:  # only the end of an answer that tells no length did not come
                    return
                await self._go_on(error)
            else:
                return

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes; see ``Output``."""
        at = 0

        def came(count: int) -> None:
            nonlocal at
            at += count
            self._note(count)
            progress(count)

        while True:
            try:
                await self._current.receive_into(view[at:], came)
            except GlacierError as error:
                await self._go_on(error)
            else:
                return

    def _note(self, count: int) -> None:
        self._came += count
        self._retrier.patience.moved()
        if count:
            self._call = None  # what breaks after these bytes is the first failure of another call

    async def _go_on(self, error: GlacierError) -> None:
        """Open the rest, or raise the error. A broken connection is a failed attempt of the call."""
        if not may_pass(error):
            raise error
        await self._stack.aclose()
        broken: list[GlacierError] = [error]

        async def attempt() -> None:
            if broken:
                raise broken.pop()
            await self._open(ByteRange(self.start + self._came, self.start + self.size))

        await self._run(attempt)

    async def _run(self, attempt: Callable[[], Awaitable[None]]) -> None:
        row = self._operation
        self._call = self._call or self._retrier.begin(
            row.name, self._gateway.facts(self._arguments), row.rule
        )
        await self._retrier.run(self._call, attempt)

    def _charge(self, stack: AsyncExitStack, size: int) -> None:
        """Charge bytes before they come; the end of the connection gives back those that did not."""
        end = self._came + size
        for budget in budgets():
            budget.receive(size, self._operation.name)
            stack.callback(self._give_back, budget, end)

    def _give_back(self, budget: Budget, end: int) -> None:
        budget.give_back(end - self._came, self._operation.name)

    async def _open(self, byte_range: ByteRange | None) -> None:
        await self._stack.aclose()
        async with AsyncExitStack() as stack:
            if byte_range is not None:
                self._charge(stack, byte_range.size)
            self._current = await stack.enter_async_context(
                self._gateway.open_output(self._operation, {**self._arguments, "byte_range": byte_range})
            )
            if byte_range is None:  # only the answer says how many bytes are about to come
                self._charge(stack, self._current.size)
            self._stack = stack.pop_all()
        if self._came and self._current.total != self.total:
            raise UnexpectedResponseError(
                f"the output had {self.total} bytes and now has {self._current.total}",
                operation=self._operation.name,
                status=206,
                may_have_taken_effect=False,
            )
