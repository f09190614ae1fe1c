"""Many calls, so many at once, on one event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.meter import METER, percentiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.clients import Task


async def run(task: Task, send: Callable[[], Awaitable[None]]) -> None:
    """Call as often as the task says, measured, after one call that opens what has to be opened once."""
    left = iter(range(task.count))
    seconds = []

    async def sender() -> None:
        for _ in left:
            before = time.perf_counter()
            await send()
            seconds.append(time.perf_counter() - before)

    await send()
    METER.start()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(task.concurrency or 1):
            tasks.create_task(sender())
    METER.stop(each_ms=percentiles(seconds))
