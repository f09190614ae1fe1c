"""Many calls on one event loop, a given number at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.meter import METER, percentiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.clients import Task


async def run(task: Task, send: Callable[[], Awaitable[None]]) -> None:
    """Make and measure the task's calls, after one call that opens connections."""
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
