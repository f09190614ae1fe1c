"""Being told that jobs are done, by the SQS queue that their SNS topic feeds, instead of asking for it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from aioglacier.gateway.contract.protocols import QueueUnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import JobId
    from aioglacier.gateway.notice_queue import JobMessageQueue

_log: Final = logging.getLogger("aioglacier.client.job")

#: Jobs remembered that nobody has waited for yet.
_MAX_REMEMBERED: Final = 10_000

#: After a queue that cannot be read.
_PAUSE_SECONDS: Final = 30.0


class Notices(Protocol):
    """Something that tells when a job may be done."""

    async def wait(self, job_id: JobId, timeout_seconds: float) -> None:
        """Return when the job is said to be done, or after this long, whichever is first."""
        ...


class JobNotices:
    """What a queue has told. Made by ``Glacier.open_notices()``; many jobs may be waited for at once.

    Every message that names a job is taken off the queue, so let the queue serve this program alone.
    """

    def __init__(self, queue: JobMessageQueue) -> None:
        self._queue = queue
        self._told: OrderedDict[JobId, None] = OrderedDict()
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        return f"<JobNotices of {self._queue!r} told={len(self._told)}>"

    async def wait(self, job_id: JobId, timeout_seconds: float) -> None:
        """Return when the job is said to be done, or after this long, whichever is first."""
        with anyio.move_on_after(timeout_seconds):
            while job_id not in self._told:
                await self._changed.wait()
            del self._told[job_id]

    async def listen(self) -> None:
        """Read the queue until cancelled; one that cannot be read is tried again every half minute."""
        while True:
            try:
                messages = await self._queue.receive()
            except QueueUnreadableError as error:
                _log.warning("%s; jobs are asked about instead", error)
                await anyio.sleep(_PAUSE_SECONDS)
                continue
            for message in messages:
                self._told[message.job_id] = None
                if len(self._told) > _MAX_REMEMBERED:
                    self._told.popitem(last=False)
                await self._queue.remove(message)
            if messages:
                self._changed.set()
                self._changed = anyio.Event()


@asynccontextmanager
async def listening(queue: JobMessageQueue) -> AsyncIterator[JobNotices]:
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
        # Left by hand, so that the caller's own error leaves unwrapped; the listener is stopped by itself for
        # the reason that transfer/download/reader.py gives.
        scope.cancel()
        tasks.cancel_scope.shield = True
        await tasks.__aexit__(None, None, None)
