"""Messages about finished jobs and restores, from an SQS queue."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.gateway.contract.protocols import QueueUnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
        self._done: OrderedDict[str, None] = OrderedDict()
        self._changed = anyio.Event()
        self._named: set[str] = set()

    def __repr__(self) -> str:
        return f"<JobNotices of {self._queue!r} done={len(self._done)}>"

    async def wait(self, name: str, timeout_seconds: float) -> None:
        """Return when a message says that a job, or the restore of an object by its URL, is done.

        Returns after the timeout, too.
        """
        with anyio.move_on_after(timeout_seconds):
            while name not in self._done:
                changed, named = self._changed, self._named
                await changed.wait()
                if name in named:  # also for a second task, after the first has taken the message
                    break
            self._done.pop(name, None)  # a message is a hint, so another wait needs another one

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
                self._done.update(dict.fromkeys(message.names))
                self._named.update(message.names)
                while len(self._done) > _MAX_REMEMBERED:
                    self._done.popitem(last=False)  # the oldest: most likely a job of another program
                await self._queue.remove(message)  # after it is remembered, or a crash here would lose it
            if messages:
                self._changed.set()
                self._changed, self._named = anyio.Event(), set()


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
