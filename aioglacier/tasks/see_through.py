"""Calls that end properly although their caller is cancelled.

A shielded cancel scope keeps out the cancellations of other scopes, but not those of ``Task.cancel()``, which
``asyncio.timeout()`` and asyncio's task groups use, and a task may be cancelled several times. So a wait that
must not end early is repeated until its condition holds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

T = TypeVar("T")

_log: Final = logging.getLogger("aioglacier.tasks")

#: How long a cancelled task may still take to end an upload properly.
GRACE_SECONDS: Final = 10.0


async def wait_although_cancelled(is_over: Callable[[], bool], wait: Callable[[], Awaitable[object]]) -> None:
    """Call ``wait`` until ``is_over`` holds, however often this task is cancelled meanwhile.

    A cancellation that arrives here is raised at the end.
    """
    cancellation: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not is_over():
            try:
                await wait()
            except asyncio.CancelledError as error:
                cancellation = error  # waited out, and raised below
    if cancellation is not None:
        raise cancellation


async def see_through(
    tasks: TaskGroup, call: Callable[[], Awaitable[T]], *, grace_seconds: Callable[[], float]
) -> T:
    """Make a call and return its result; if cancelled, first wait for its end, for ``grace_seconds``.

    The call runs in the task group, shielded, so that the caller's cancellation reaches only the wait for
    it. After the grace it is cancelled as well. Its error is raised here, or logged if a cancellation is
    raised already.
    """
    ended = anyio.Event()
    results: list[T] = []
    failures: list[Exception] = []
    shield = anyio.CancelScope(shield=True)

    async def run() -> None:
        try:
            with shield:
                results.append(await call())
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's task
            failures.append(error)
        finally:
            ended.set()

    tasks.start_soon(run)
    try:
        await ended.wait()
    except BaseException:
        shield.deadline = anyio.current_time() + grace_seconds()  # for a call that never ends
        try:
            await wait_although_cancelled(ended.is_set, ended.wait)
        finally:
            if failures:
                _log.warning("a call failed after its caller had been cancelled: %s", failures[0])
        raise
    try:
        for failure in failures:
            raise failure
        return results[0]
    finally:
        failures.clear()  # or the error would hold the frame that holds the error
