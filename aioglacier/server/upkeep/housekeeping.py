"""The housekeeping: it ends jobs, sends notifications and removes expired things.

One task does it; operations that make work for it and the clock wake it. Requests that read jobs first wait
until every due job has ended, so a job whose delay is 0 has succeeded when it is first described.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from aioglacier.server.operations.vaults import inventory
from aioglacier.server.protocol import behaviour
from aioglacier.server.upkeep import bucket_upkeep, endings, notify as notices

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from aioglacier.server.requests.call import Site
    from aioglacier.server.state.files import Files, Incoming
    from aioglacier.server.state.record_database import Database

_logger: Final = logging.getLogger("aioglacier.server")

#: A request that reads jobs waits so long for the due ones; a large inventory may take longer and is then
#: shown as in progress.
_PATIENCE_SECONDS: Final = 10.0

#: The clock may be moved by code that cannot wake this task.
_NAP_SECONDS: Final = 1.0
_RETRY_MS: Final = 5000

#: Expired things are invisible at once; their bytes are removed so much later (real time).
_CLEANING_SECONDS: Final = 600.0


class Housekeeping:
    """The task of the housekeeping; ``run`` it in the server's task group."""

    def __init__(self) -> None:
        self._site: Site
        self._next_due = 0
        self._meanwhile_due = endings.FOREVER
        self._cleanings_asked = 1  # for what expired while no server ran
        self._cleanings_done = 0
        self._wake = anyio.Event()
        self._round = anyio.Event()

    def expect_job(self, now: int) -> None:
        """Note that a job was initiated; it may be due at once."""
        self._next_due = min(self._next_due, now)
        self._meanwhile_due = min(self._meanwhile_due, now)
        self._wake.set()

    def clean_soon(self) -> None:
        """Note that files may be removed, or that the clock has moved."""
        self._cleanings_asked += 1
        self._wake.set()

    async def cleaned(self) -> None:
        """Wait until a cleaning that began after this call has ended."""
        self.clean_soon()
        asked = self._cleanings_asked
        while self._cleanings_done < asked:
            await self._round.wait()

    async def caught_up(self) -> None:
        """Wait until every due job has ended, but only for a limited time."""
        with anyio.move_on_after(_PATIENCE_SECONDS):
            while self._next_due <= self._site.clock.milliseconds():
                self._wake.set()
                await self._round.wait()

    async def run(self, site: Site, tasks: TaskGroup) -> None:
        """Run until cancelled; notifications are sent in ``tasks``."""
        self._site = site
        cleaned_at = anyio.current_time()
        offset = site.clock.offset_seconds
        while True:
            self._wake = anyio.Event()
            try:
                await self._end_jobs(tasks)
                if offset != site.clock.offset_seconds:
                    offset = site.clock.offset_seconds
                    self._cleanings_asked += 1
                    await site.database.write(partial(endings.save_offset, seconds=offset))
                is_time = anyio.current_time() > cleaned_at + _CLEANING_SECONDS
                if is_time or self._cleanings_done < self._cleanings_asked:
                    cleaned_at = anyio.current_time()
                    await self._clean()
            except Exception:
                _logger.exception("housekeeping failed; it continues")
            finished, self._round = self._round, anyio.Event()
            finished.set()
            with anyio.move_on_after(self._seconds_to_wait()):
                await self._wake.wait()

    def _seconds_to_wait(self) -> float:
        until_due = (self._next_due - self._site.clock.milliseconds()) / 1000
        # Not 0, because a job that cannot end on a full disk would make this loop spin.
        return min(max(until_due, 0.01), _NAP_SECONDS)

    async def _end_jobs(self, tasks: TaskGroup) -> None:
        now = self._site.clock.milliseconds()
        if self._next_due > now:
            return
        self._meanwhile_due = endings.FOREVER  # later jobs lower it
        try:
            due, next_due = await self._site.database.read(partial(endings.due_jobs, now=now))
            for job in due:
                await self._end_job(job, tasks)
            announce = partial(bucket_upkeep.announce_restores, now=now, settings=self._site.settings)
            due_notices, next_restore = await self._site.database.write(announce)
            self._send(due_notices, tasks)
        except Exception:
            self._next_due = now + _RETRY_MS
            raise
        self._next_due = min(next_due, next_restore, self._meanwhile_due)

    async def _end_job(self, job: sqlite3.Row, tasks: TaskGroup) -> None:
        change = partial(
            endings.end_and_notify, job=job, end=await self._ending(job), settings=self._site.settings
        )
        ended, due_notices = await self._site.database.write(change)
        if ended is not None:
            await to_thread.run_sync(self._site.files.shelve, ended)
        self._send(due_notices, tasks)

    def _send(self, due_notices: list[endings.Notice], tasks: TaskGroup) -> None:
        if self._site.settings.has_listeners:
            for notice in due_notices:
                tasks.start_soon(notices.deliver, notice, self._site.settings)

    async def _ending(self, job: sqlite3.Row) -> Callable[[sqlite3.Connection], None]:
        if job["planned_failure"] is not None:
            return partial(endings.end_job, job=job, failure=job["planned_failure"])
        if job["action"] == "ArchiveRetrieval":
            return partial(endings.end_archive_job, job=job)
        incoming = self._site.files.new_incoming()
        try:
            written = await to_thread.run_sync(self._write_inventory, job, incoming)
        except (OSError, LookupError) as error:
            _logger.warning("the output of job %s could not be written: %s", job["id"], error)
            await to_thread.run_sync(incoming.discard)
            return partial(endings.end_job, job=job, failure=behaviour.OUTPUT_FAILED)
        return partial(endings.end_inventory_job, job=job, written=written)

    def _write_inventory(self, job: sqlite3.Row, incoming: Incoming) -> inventory.Written:
        db = self._site.database.open_reader()
        try:
            return inventory.write_inventory(db, job, incoming, self._site.settings)
        finally:
            db.close()

    async def _clean(self) -> None:
        database, files = self._site.database, self._site.files
        asked = self._cleanings_asked
        try:
            await self._remove_expired(database, files)
        finally:
            self._cleanings_done = asked

    async def _remove_expired(self, database: Database, files: Files) -> None:
        now = self._site.clock.milliseconds()
        while await database.write(partial(endings.expire, now=now)):
            pass
        while await database.write(partial(bucket_upkeep.abort_old_uploads, now=now)):
            pass
        while doomed := await database.read(endings.doomed_files):
            await to_thread.run_sync(files.remove, doomed)
            await database.write(partial(endings.forget_files, names=doomed))
