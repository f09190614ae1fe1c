"""Records of jobs, each made before the job is paid for, and of the downloads of their outputs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.expenses import add_each
from aioglacier.catalog.records import DownloadRecord, DownloadState, JobRecord, JobState
from aioglacier.catalog.storage.columns import escape_path
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import DOWNLOADS, JOBS
from aioglacier.catalog.vaults import VaultRows, find_vault
from aioglacier.core.errors import CatalogError, CatalogMismatchError
from aioglacier.core.models import InventoryParameters, JobAction
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import ArchiveId, JobId, Tier
    from aioglacier.core.spending import Expense

_MAY_BECOME: Final = {
    JobState.INTENT: {JobState.OPEN, JobState.FAILED, JobState.GONE},
    JobState.OPEN: {JobState.SUCCEEDED, JobState.FAILED, JobState.GONE},
    JobState.SUCCEEDED: {JobState.GONE},
    # The service is the truth: a failed job that it knows after all is open.
    JobState.FAILED: {JobState.OPEN, JobState.GONE},
    JobState.GONE: set[JobState](),
}

#: Jobs that may still have an output.
_IS_USEFUL: Final = f"state IN ('{JobState.INTENT}', '{JobState.OPEN}', '{JobState.SUCCEEDED}')"
_LATEST: Final = "ORDER BY number DESC LIMIT 1"


class Jobs(Records):
    """The jobs of a catalog, as ``Catalog.jobs``.

    Each recording method returns when the record is on disk. If it is cancelled, the record may be there or
    not; recording the same again does no harm.
    """

    async def record_intent(
        self,
        key: VaultKey,
        action: JobAction,
        *,
        archive_id: ArchiveId | None = None,
        byte_range: ByteRange | None = None,
        tier: Tier | None = None,
        inventory: InventoryParameters | None = None,
        days: int | None = None,
    ) -> JobRecord:
        """Record the intent to start a job, and give it its nonce."""
        now = self._now()
        values: dict[str, object] = {
            "nonce": secrets.token_hex(8),
            "state": JobState.INTENT,
            "action": action,
            "archive_id": archive_id,
            "range_start": byte_range.start if byte_range else None,
            "range_stop": byte_range.stop if byte_range else None,
            "tier": tier,
            "inventory_format": inventory.format if inventory else None,
            "inventory_start": inventory.start_date if inventory else None,
            "inventory_end": inventory.end_date if inventory else None,
            "inventory_limit": inventory.limit if inventory else None,
            "inventory_marker": inventory.marker if inventory else None,
            "outcome": "",
            "created": now,
            "changed": now,
            "days": days,
        }
        return await self._database.write_each(_ROWS.insert_each, (key, values))

    async def record_initiated(
        self, job: JobRecord, job_id: JobId, *, spent: Sequence[Expense] = ()
    ) -> JobRecord:
        """Record the id that the service gave to a job, or that the nonce led to, and what was spent for it.

        Raises:
            CatalogMismatchError: Another id is on record.
        """
        step = _Step(job, JobState.OPEN, {"job_id": job_id}, spent)
        return await self._database.write_each(self._take_steps, step)

    async def record_state(self, job: JobRecord, state: JobState, outcome: str = "") -> JobRecord:
        """Record the state of a job."""
        return await self._database.write_each(self._take_steps, _Step(job, state, {"outcome": outcome}, ()))

    def _take_steps(self, connection: Connection, steps: Sequence[_Step]) -> list[JobRecord]:
        numbers = [step.job.number for step in steps]
        if len(set(numbers)) < len(steps):
            return [self._take_steps(connection, [step])[0] for step in steps]  # each after the one before it
        now, recorded = self._now(), _ROWS.get_each(connection, numbers)
        for job, state, values, _ in steps:
            known = recorded[job.number]
            job_id = values.get("job_id", known.job_id)
            if known.job_id is not None and known.job_id != job_id:
                raise CatalogMismatchError(
                    "a job has one id", recorded=f"job {known.job_id}", found=f"job {job_id}"
                )
            if known.state is not state and state not in _MAY_BECOME[known.state]:
                raise CatalogError(
                    f"job {job.job_id or f'number {job.number}'} is {known.state} and cannot become {state}"
                )
        add_each(connection, [(step.job.key, step.spent) for step in steps], now)
        changes = [
            (job.number, {"state": state, "changed": now, **values}) for job, state, values, _ in steps
        ]
        return _ROWS.update_each(connection, changes)

    async def get(self, job: JobRecord) -> JobRecord:
        """Return the record as it is now."""
        return await self._database.read(lambda connection: _ROWS.get(connection, job.number))

    async def find(self, key: VaultKey, job_id: JobId) -> JobRecord | None:
        """Return the job with this id.

        Raises:
            CatalogMismatchError: It is on record, but in another vault, account or region.
        """
        return await self._database.read(lambda connection: _ROWS.find(connection, key, job_id))

    async def find_nonce(self, nonce: str) -> JobRecord | None:
        """Return the job with this nonce."""
        found = await self._database.read(lambda connection: _ROWS.select(connection, "nonce = ?", nonce))
        return found[0] if found else None

    async def list_like(
        self, key: VaultKey, archive_id: ArchiveId | None = None, byte_range: ByteRange | None = None
    ) -> list[JobRecord]:
        """Return the jobs that may still give an archive, or a range of it, the latest first.

        Without an archive they are those that may still give an inventory. A job for the whole archive gives
        any range; one that begins with the archive may give the whole.
        """
        is_it = f"place = ? AND {_IS_USEFUL}"
        values: list[object] = [JobAction.INVENTORY_RETRIEVAL.value]
        if archive_id is None:
            is_it += " AND action = ?"
        else:
            start, stop = (byte_range.start, byte_range.stop) if byte_range else (0, 0)
            is_it += " AND archive_id = ? AND (range_start IS NULL OR (range_start <= ? AND range_stop >= ?))"
            values = [archive_id, start, stop]

        def question(connection: Connection) -> list[JobRecord]:
            return _ROWS.select(
                connection, f"{is_it} ORDER BY number DESC", find_vault(connection, key), *values
            )

        return await self._database.read(question)

    async def list_useful(self, key: VaultKey | None = None) -> AsyncIterator[JobRecord]:
        """Yield every job that may still have an output, of one vault or of all, oldest first."""

        def page(last: JobRecord | None, connection: Connection) -> list[JobRecord]:
            return _ROWS.page(connection, _IS_USEFUL, key, last)

        async for record in self._database.each(page):
            yield record


class Downloads(Records):
    """The downloads of a catalog, as ``Catalog.downloads``.

    The journal beside a file says which of its bytes are verified, so a download can go on without a catalog.
    """

    async def record_begun(self, job: JobRecord, target: str) -> DownloadRecord:
        """Record that an output is about to be written to ``target``, an absolute path.

        An unfinished download of the same output to the same target goes on instead.
        """
        now = self._now()

        def change(connection: Connection) -> DownloadRecord:
            is_open = "job = ? AND target = ? AND state = ?"
            values = (job.number, escape_path(target), DownloadState.OPEN.value)
            if found := _downloads(connection, is_open, *values):  # a run that was stopped began it
                return found[0]
            row = DOWNLOADS.insert(
                connection,
                job=job.number,
                target=target,
                state=DownloadState.OPEN,
                outcome="",
                created=now,
                changed=now,
            )
            return DownloadRecord(**row)

        return await self._database.write(change)

    async def record_ended(
        self, download: DownloadRecord, state: DownloadState, outcome: str = ""
    ) -> DownloadRecord:
        """Record the end of a download."""
        now = self._now()
        row = await self._database.write(
            lambda connection: DOWNLOADS.update(
                connection, download.number, state=state, outcome=outcome, changed=now
            )
        )
        return DownloadRecord(**row)

    async def find_unfinished(self, target: str) -> DownloadRecord | None:
        """Return the latest unfinished download to this path."""
        found = await self._database.read(
            lambda connection: _downloads(
                connection, "target = ? AND state = ?", escape_path(target), DownloadState.OPEN.value
            )
        )
        return found[0] if found else None

    async def job_of(self, download: DownloadRecord) -> JobRecord:
        """Return the job of a download."""
        return await self._database.read(lambda connection: _ROWS.get(connection, download.job))


class _Step(NamedTuple):
    """The next state of a job, with other values, and what was spent for it."""

    job: JobRecord
    state: JobState
    values: Mapping[str, object]
    spent: Sequence[Expense]


def _record(row: dict[str, Any]) -> JobRecord:
    start, stop = row.pop("range_start"), row.pop("range_stop")
    names = ("format", "start", "end", "limit", "marker")
    format_, begin, end, limit, marker = (row.pop(f"inventory_{name}") for name in names)
    inventory = None
    if format_ is not None:
        inventory = InventoryParameters(
            format=format_, start_date=begin, end_date=end, limit=limit, marker=marker
        )
    byte_range = None if start is None else ByteRange(start, stop)
    return JobRecord(byte_range=byte_range, inventory=inventory, **row)


_ROWS: Final = VaultRows(JOBS, "job", _record)


def _downloads(connection: Connection, condition: str, *values: object) -> list[DownloadRecord]:
    return [DownloadRecord(**row) for row in DOWNLOADS.select(connection, f"{condition} {_LATEST}", *values)]
