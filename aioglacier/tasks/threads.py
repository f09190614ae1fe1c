"""Calls in threads that have ended when the awaiting ends, even if it is cancelled."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.lowlevel
import anyio.to_thread

from aioglacier.tasks.see_through import wait_although_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio import CapacityLimiter

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], *, limiter: CapacityLimiter | None = None) -> T:
    """Call a function in a thread; if this is cancelled, it waits for the function's end first.

    ``anyio.to_thread.run_sync`` waits when a cancel scope is cancelled, but not when the task is, as by
    ``asyncio.timeout()``. A thread that is left behind goes on filling a buffer that another transfer uses
    by then. What a function that was seen to its end returns is lost with the cancellation.
    """
    begun: Future[None] = Future()

    def call() -> T:
        if not begun.set_running_or_notify_cancel():
            raise asyncio.CancelledError  # the task has ended without this call
        try:
            return function()
        finally:
            begun.set_result(None)

    try:
        result = await anyio.to_thread.run_sync(call, limiter=limiter)
    except asyncio.CancelledError:
        await withdraw([begun])
        raise
    await anyio.lowlevel.checkpoint_if_cancelled()
    return result


async def wait_until_ended(call: Future[Any]) -> None:
    """Wait until a thread has ended a call. A cancellation ends the wait, not the call."""
    if call.done():
        return
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def note_on_loop() -> None:
        if not ended.done():
            ended.set_result(None)

    def note(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed, so nothing waits
            loop.call_soon_threadsafe(note_on_loop)

    call.add_done_callback(note)
    await ended


async def withdraw(calls: Iterable[Future[Any]]) -> None:
    """Take back the calls that no thread has begun, and wait for the others, even if cancelled."""
    begun = deque(call for call in calls if not call.cancel())

    def is_over() -> bool:
        while begun and begun[0].done():
            begun.popleft()
        return not begun

    await wait_although_cancelled(is_over, lambda: wait_until_ended(begun[0]))
