"""Calls whose answer should not be lost to a cancellation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

_log: Final = logging.getLogger("aioglacier.transfer")

#: What a cancelled task may still spend on ending an upload properly.
GRACE_SECONDS: Final = 10.0


async def see_through(
    tasks: TaskGroup, call: Callable[[], Awaitable[None]], *, grace_seconds: Callable[[], float]
) -> None:
    """Make a call; if cancelled, first wait so long for its end.

    The call runs in the task group, shielded, so that the caller's cancellation reaches only the wait for
    it. After the grace it is cancelled as well. What it raises is raised here, or logged if a cancellation is
    on its way already.
    """
    ended = anyio.Event()
    failure: Exception | None = None
    shield = anyio.CancelScope(shield=True)

    async def run() -> None:
        nonlocal failure
        try:
            with shield:
                await call()
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's task
            failure = error
        finally:
            ended.set()

    tasks.start_soon(run)
    try:
        await ended.wait()
    except BaseException:
        shield.deadline = anyio.current_time() + grace_seconds()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        if failure is not None:
            _log.warning("what a cancellation waited for failed: %s", failure)
        raise
    if failure is not None:
        raise failure
