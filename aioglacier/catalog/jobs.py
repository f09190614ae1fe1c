"""What is recorded of jobs, each before it is paid for, and of the downloads of their outputs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from aioglacier.catalog.records import DownloadRecord, DownloadState, JobRecord, JobState
from aioglacier.catalog.storage.tables import DOWNLOADS, JOBS
from aioglacier.catalog.vaults import all_places, find_place, keep_place
from aioglacier.core.errors import CatalogError, CatalogMismatchError
from aioglacier.core.models import InventoryParameters, JobAction
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.sql import ColumnElement

    from aioglacier.catalog.records import Place
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.database import Database
    from aioglacier.core.models import ArchiveId, JobId, Tier

_MAY_BECOME: Final = {
    JobState.INTENT: {JobState.OPEN, JobState.FAILED, JobState.GONE},
    JobState.OPEN: {JobState.SUCCEEDED, JobState.FAILED, JobState.GONE},
    JobState.SUCCEEDED: {JobState.GONE},
    # The service is the truth: one that was given up, and that it knows after all, is open.
    JobState.FAILED: {JobState.OPEN, JobState.GONE},
    JobState.GONE: set[JobState](),
}

#: Jobs that may still give an output.
_USEFUL: Final = (JobState.INTENT, JobState.OPEN, JobState.SUCCEEDED)
_PAGE: Final = 500


class Jobs:
    """The jobs of a catalog, as ``Catalog.jobs``.

    Every method that records returns when the record is on disk. If cancelled, it has been made or not;
    recording the same again does no harm.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def record_intent(
        self,
        place: Place,
        action: JobAction,
        *,
        archive_id: ArchiveId | None = None,
        byte_range: ByteRange | None = None,
        tier: Tier | None = None,
        inventory: InventoryParameters | None = None,
    ) -> JobRecord:
        """Record that a job is about to be asked for, and give it its nonce."""
        now = self._now()

        def change(connection: Connection) -> JobRecord:
            made = connection.alchemy.execute(
                insert(JOBS)
                .values(
                    place=keep_place(connection, place),
                    nonce=secrets.token_hex(8),
                    state=JobState.INTENT,
                    action=action,
                    tier=tier,
                    outcome="",
                    created=now,
                    changed=now,
                    **_subject(archive_id, byte_range, inventory),
                )
                .returning(JOBS.c.number)
            )
            return _get(connection, made.scalar_one())

        return await self._database.write(change)

    async def record_initiated(self, job: JobRecord, job_id: JobId) -> JobRecord:
        """Record the id that the service gave, or that was found there by the nonce.

        Raises:
            CatalogMismatchError: Another id is on record.
        """

        def change(connection: Connection) -> JobRecord:
            recorded = _get(connection, job.number).job_id
            if recorded is not None and recorded != job_id:
                raise CatalogMismatchError(
                    "a job has one id", recorded=f"job {recorded}", found=f"job {job_id}"
                )
            return self._become(connection, job, JobState.OPEN, job_id=job_id)

        return await self._database.write(change)

    async def record_state(self, job: JobRecord, state: JobState, outcome: str = "") -> JobRecord:
        """Record what became of a job."""
        return await self._database.write(
            lambda connection: self._become(connection, job, state, outcome=outcome)
        )

    def _become(self, connection: Connection, job: JobRecord, state: JobState, **values: object) -> JobRecord:
        recorded = _get(connection, job.number).state
        if recorded is not state and state not in _MAY_BECOME[recorded]:
            raise CatalogError(
                f"job {job.job_id or f'number {job.number}'} is {recorded} and cannot become {state}"
            )
        connection.alchemy.execute(
            update(JOBS).where(JOBS.c.number == job.number).values(state=state, changed=self._now(), **values)
        )
        return _get(connection, job.number)

    async def get(self, job: JobRecord) -> JobRecord:
        """The record as it is now."""
        return await self._database.read(lambda connection: _get(connection, job.number))

    async def find(self, place: Place, job_id: JobId) -> JobRecord | None:
        """The job with this id.

        Raises:
            CatalogMismatchError: It is on record, but in another vault, account or region.
        """

        def question(connection: Connection) -> JobRecord | None:
            found = _select(connection, JOBS.c.job_id == job_id, limit=1)
            if found and found[0].place != place:
                raise CatalogMismatchError(
                    f"job {job_id} is elsewhere", recorded=str(found[0].place), found=str(place)
                )
            return found[0] if found else None

        return await self._database.read(question)

    async def find_nonce(self, nonce: str) -> JobRecord | None:
        """The job with this nonce."""
        found = await self._database.read(
            lambda connection: _select(connection, JOBS.c.nonce == nonce, limit=1)
        )
        return found[0] if found else None

    async def find_like(
        self,
        place: Place,
        action: JobAction,
        *,
        archive_id: ArchiveId | None = None,
        byte_range: ByteRange | None = None,
        inventory: InventoryParameters | None = None,
    ) -> JobRecord | None:
        """The latest job for the same thing that may still give an output, of whatever tier."""

        def question(connection: Connection) -> list[JobRecord]:
            is_it = (
                (JOBS.c.place == find_place(connection, place))
                & (JOBS.c.action == action)
                & JOBS.c.state.in_(_USEFUL)
            )
            for name, value in _subject(archive_id, byte_range, inventory).items():
                is_it &= JOBS.c[name].is_(None) if value is None else JOBS.c[name] == value
            return _select(connection, is_it, limit=1, is_latest_first=True)

        found = await self._database.read(question)
        return found[0] if found else None

    async def list_useful(self, place: Place | None = None) -> AsyncIterator[JobRecord]:
        """Every job that may still give an output, of one vault or of all, oldest first."""
        last = 0

        def question(connection: Connection) -> list[JobRecord]:
            is_it = JOBS.c.state.in_(_USEFUL) & (JOBS.c.number > last)
            if place is not None:
                is_it &= JOBS.c.place == find_place(connection, place)
            return _select(connection, is_it, limit=_PAGE)

        while page := await self._database.read(question):
            for record in page:
                yield record
            last = page[-1].number


class Downloads:
    """The downloads of a catalog, as ``Catalog.downloads``.

    Which bytes of a file are verified is not here but in the journal beside the file, where it is of use
    without a catalog too.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def record_begun(self, job: JobRecord, target: str) -> DownloadRecord:
        """Record that an output is about to be written to ``target``, an absolute path.

        An unfinished download of the same output to the same target goes on instead.
        """
        now = self._now()

        def change(connection: Connection) -> DownloadRecord:
            is_it = (
                (DOWNLOADS.c.job == job.number)
                & (DOWNLOADS.c.target == target)
                & (DOWNLOADS.c.state == DownloadState.OPEN)
            )
            if found := _select_downloads(connection, is_it):
                return found[0]
            made = connection.alchemy.execute(
                insert(DOWNLOADS)
                .values(
                    job=job.number,
                    target=target,
                    state=DownloadState.OPEN,
                    outcome="",
                    created=now,
                    changed=now,
                )
                .returning(DOWNLOADS.c.number)
            )
            (record,) = _select_downloads(connection, DOWNLOADS.c.number == made.scalar_one())
            return record

        return await self._database.write(change)

    async def record_ended(
        self, download: DownloadRecord, state: DownloadState, outcome: str = ""
    ) -> DownloadRecord:
        """Record what became of a download."""

        def change(connection: Connection) -> DownloadRecord:
            is_it = DOWNLOADS.c.number == download.number
            connection.alchemy.execute(
                update(DOWNLOADS).where(is_it).values(state=state, outcome=outcome, changed=self._now())
            )
            (record,) = _select_downloads(connection, is_it)
            return record

        return await self._database.write(change)

    async def find_unfinished(self, target: str) -> DownloadRecord | None:
        """The latest unfinished download to this path."""
        found = await self._database.read(
            lambda connection: _select_downloads(
                connection, (DOWNLOADS.c.target == target) & (DOWNLOADS.c.state == DownloadState.OPEN)
            )
        )
        return found[0] if found else None

    async def job_of(self, download: DownloadRecord) -> JobRecord:
        """The job whose output is downloaded."""
        return await self._database.read(lambda connection: _get(connection, download.job))


def _subject(
    archive_id: ArchiveId | None, byte_range: ByteRange | None, inventory: InventoryParameters | None
) -> dict[str, object]:
    """What a job is about, by column."""
    return {
        "archive_id": archive_id,
        "range_start": byte_range.start if byte_range else None,
        "range_stop": byte_range.stop if byte_range else None,
        "inventory_format": inventory.format if inventory else None,
        "inventory_start": inventory.start_date if inventory else None,
        "inventory_end": inventory.end_date if inventory else None,
        "inventory_limit": inventory.limit if inventory else None,
        "inventory_marker": inventory.marker if inventory else None,
    }


def _get(connection: Connection, number: int) -> JobRecord:
    found = _select(connection, JOBS.c.number == number, limit=1)
    if not found:
        raise CatalogError(f"there is no job number {number} on record")
    return found[0]


def _select(
    connection: Connection, condition: ColumnElement[bool], *, limit: int, is_latest_first: bool = False
) -> list[JobRecord]:
    order = JOBS.c.number.desc() if is_latest_first else JOBS.c.number
    rows = connection.alchemy.execute(select(JOBS).where(condition).order_by(order).limit(limit)).all()
    places = all_places(connection) if rows else {}
    return [_record(row, places) for row in rows]


def _record(row: Row[Any], places: Mapping[int, Place]) -> JobRecord:
    inventory = None
    if row.inventory_format is not None:
        inventory = InventoryParameters(
            format=row.inventory_format,
            start_date=row.inventory_start,
            end_date=row.inventory_end,
            limit=row.inventory_limit,
            marker=row.inventory_marker,
        )
    return JobRecord(
        number=row.number,
        place=places[row.place],
        nonce=row.nonce,
        state=row.state,
        job_id=row.job_id,
        action=row.action,
        archive_id=row.archive_id,
        byte_range=None if row.range_start is None else ByteRange(row.range_start, row.range_stop),
        tier=row.tier,
        inventory=inventory,
        outcome=row.outcome,
        created=row.created,
        changed=row.changed,
    )


def _select_downloads(connection: Connection, condition: ColumnElement[bool]) -> list[DownloadRecord]:
    rows = connection.alchemy.execute(
        select(DOWNLOADS).where(condition).order_by(DOWNLOADS.c.number.desc()).limit(1)
    )
    return [
        DownloadRecord(row.number, row.job, row.target, row.state, row.outcome, row.created, row.changed)
        for row in rows
    ]
