"""Messages about finished jobs and restores, from an SQS queue."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.gateway.contract.protocols import QueueUnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.gateway.notice_queue import DoneMessageQueue

_log: Final = logging.getLogger("aioglacier.client.job")

#: Finished jobs and restores that are remembered until a task waits for them.
_MAX_REMEMBERED: Final = 10_000

#: SNS and SQS may lose a message, so the service is asked from time to time as well.
POLL_BESIDE_NOTICES_SECONDS: Final = 900.0

#: The pause after the queue could not be read.
_PAUSE_SECONDS: Final = 30.0


class JobNotices:
    """The messages of a queue. Made by ``Glacier.open_notices()``; many tasks may wait at once.

    Every message that names a job or a restored object is removed from the queue, so use a queue of its own
    for each program.
    """

    def __init__(self, queue: DoneMessageQueue) -> None:
        self._queue = queue
        self._heard: OrderedDict[str, int] = OrderedDict()
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"<JobNotices of {self._queue!r} names={len(self._heard)}>"

    def waiter(self, name: str, timeout_seconds: float) -> Callable[[], Awaitable[None]]:
        """Return a function that waits for the next message about a job or an object's URL, or the timeout.

        Each function counts the messages that it has seen, so several tasks may wait for one job, and a
        message that comes while a task asks the service ends the task's next wait.
        """
        seen = 0

        async def wait() -> None:
            nonlocal seen
            with anyio.move_on_after(timeout_seconds):
                while self._heard.get(name, 0) == seen:
                    await self._changed.wait()
            seen = self._heard.get(name, 0)

        return wait

    async def listen(self) -> None:
        """Read the queue until cancelled. If it cannot be read, try again every half minute."""
        while True:
            try:
                messages = await self._queue.receive()
            except QueueUnreadableError as error:
                _log.warning("%s; asking the service instead", error)
                await anyio.sleep(_PAUSE_SECONDS)
                continue
            for message in messages:
                for name in message.names:
                    self._heard[name] = self._heard.pop(name, 0) + 1  # at the end, as the latest
                while len(self._heard) > _MAX_REMEMBERED:
                    self._heard.popitem(last=False)  # the oldest: most likely a job of another program
                await self._queue.remove(message)  # after it is remembered, or a crash here would lose it
            if messages:
                self._changed.set()
                self._changed = anyio.Event()


@asynccontextmanager
async def listening(queue: DoneMessageQueue) -> AsyncIterator[JobNotices]:
    """Read a queue in the background while the block runs."""
    notices = JobNotices(queue)
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    scope = anyio.CancelScope()

    async def listen() -> None:
        with scope:
            await notices.listen()

    tasks.start_soon(listen)
    try:
        yield notices
    finally:
        # The group is left by hand, so that the caller's own error is not wrapped in a group. The listener
        # has a scope of its own for the reason that transfer/download/reader.py gives.
        scope.cancel()
        tasks.cancel_scope.shield = True
        await tasks.__aexit__(None, None, None)
