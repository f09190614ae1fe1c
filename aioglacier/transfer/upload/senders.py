"""Sender processes, as their parent sees them: who has one, and what becomes of it.

Each sends one body at a time over a connection of its own. They are supervised as hash workers are: started
when first needed, killed when what they do is cancelled, replaced when they die. Where none can be started,
this process sends everything itself, and a warning says so; it also sends whatever comes while all are busy.
"""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.gateway.http.relay import SenderLostError
from aioglacier.transfer.hashing.worker_process import CannotStartError, WorkerLostError, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_log: Final = logging.getLogger("aioglacier.transfer")

_MODULE: Final = "aioglacier.transfer.upload.sender"


class SenderPool:
    """A fixed number of processes that send; see ``gateway.relay.Relay``."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._cannot_start = False
        self._idle: list[WorkerProcess] = []

    async def send(self, job: dict[str, Any], report: Callable[[int], None]) -> dict[str, Any] | None:
        """See ``Relay.send``. Cancelling kills the process that has the job."""
        if self._cannot_start or not self._free:
            return None
        self._free -= 1
        try:
            answer = await self._send(json.dumps(job).encode() + b"\n", report)
        except CannotStartError as error:
            if not self._cannot_start:
                _log.warning("no sender process can be used (%s); this one sends by itself", error)
            self._cannot_start = True
            return None
        except WorkerLostError as error:
            _log.warning("a sender process %s", error)
            raise SenderLostError(f"a sender process {error}") from error
        finally:
            self._free += 1
        return answer

    async def _send(self, line: bytes, report: Callable[[int], None]) -> dict[str, Any]:
        while self._idle and not self._idle[-1].is_alive:
            await self._idle.pop().aclose()  # that it died in its sleep says nothing about this job
        worker = self._idle.pop() if self._idle else await WorkerProcess.start(_MODULE)
        try:
            answer = await worker.exchange(line, report)
        except BaseException:
            await worker.aclose()
            raise
        self._idle.append(worker)
        return answer

    async def aclose(self) -> None:
        """End all processes. Jobs must be done or cancelled before."""
        for worker in self._idle:
            worker.kill()  # all at once, and even where nothing can be waited for any more
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.pop().aclose()


@asynccontextmanager
async def open_senders(count: int) -> AsyncIterator[SenderPool]:
    """Open so many senders; they are gone when the block ends."""
    pool = SenderPool(count)
    try:
        yield pool
    finally:
        await pool.aclose()
