"""Work in threads that is over when the awaiting is, however that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], *, limiter: anyio.CapacityLimiter | None = None) -> T:
    """Call a function in a thread; whatever cancels this waits for the function's end first.

    ``anyio.to_thread.run_sync`` waits when a cancel scope is cancelled, but not when the task is, as by
    ``asyncio.timeout()``. A thread that is left behind goes on filling a buffer that is somebody else's by
    then. A task of a group is cancelled by scope only, and a group waits for its tasks in any case.
    """
    results: list[T] = []
    failures: list[Exception] = []

    async def run() -> None:
        try:
            results.append(await anyio.to_thread.run_sync(function, limiter=limiter))
        except Exception as error:  # noqa: BLE001  # raised below, and not in a group
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
    if failures:
        try:
            raise failures[0]
        finally:
            failures.clear()  # or the error would hold the frame that holds the error
    return results[0]
