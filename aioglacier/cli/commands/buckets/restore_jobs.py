"""``aioglacier jobs ... s3://...``: the restores of a bucket's objects, by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aioglacier.cli.render.listing import print_all
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.progress import waiting
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.render.table import DATE, STATUS, Column, Table, show_date
from aioglacier.core.models import JobStatus
from aioglacier.core.place import parse_place
from aioglacier.core.s3.objects import RESTORE_TIERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aioglacier.catalog import JobRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.s3.objects import ObjectEntry, ObjectHead

_COLUMNS: Final = (DATE, STATUS, Column("EXPIRES", 10, 0))


async def list_restores(
    session: Session, glacier: Glacier, place: str, status: str | None, *, is_long: bool
) -> None:
    """Print every object whose restore goes on or has left a copy, and restores about to be asked for."""
    bucket = _bucket(glacier, place)
    asked = await _on_record(bucket)

    async def restores() -> AsyncIterator[Record]:
        async for entry in bucket.objects():
            record = asked.pop(entry.key, None)
            if entry.restore is not None:
                yield _record(bucket, entry, record)
            elif record is not None and record.job_id is None:
                yield _record(bucket, entry, record) | {"status": "Intent"}

    async def chosen() -> AsyncIterator[Record]:
        async for record in restores():
            if status in {None, record["status"]}:
                yield record

    text = _text if is_long else _line_of(Table(session.output, *_COLUMNS, last="KEY"))
    count, size = await print_all(session.output, chosen(), lambda record: record, text)
    if count:
        session.output.note(f"{show_count(count, 'restore')}, {show_size(size)}")
    else:
        session.output.note(f"no restores in {place}{f' are {status}' if status else ''}")


async def show_restore(session: Session, glacier: Glacier, place: str, key: str) -> None:
    """Print the state of one object's restore."""
    bucket = _bucket(glacier, place)
    head = await bucket.head(key)
    session.output.record(_record(bucket, head, (await _on_record(bucket)).get(key)), _text)


async def wait_for_restore(
    session: Session, glacier: Glacier, place: str, key: str, seconds: float | None
) -> None:
    """Wait until an object that is being restored can be read, and print its restore."""
    from aioglacier.client.buckets.restore import DEFAULT_WAIT_SECONDS  # noqa: PLC0415  # not for help

    bucket = _bucket(glacier, place)
    session.safe = lambda: f"the restore of {key} goes on at the service"
    async with waiting(session.output, f"waiting for the restore of {key}"):
        limit = DEFAULT_WAIT_SECONDS if seconds is None else seconds
        head = await bucket.restored(key).wait_until_done(timeout_seconds=limit)
    session.safe = lambda: ""
    session.output.record(_record(bucket, head, (await _on_record(bucket)).get(key)), _text)


def _bucket(glacier: Glacier, place: str) -> Bucket:
    found = parse_place(place).as_folder()
    return glacier.bucket(found.name, prefix=found.prefix or "")


async def _on_record(bucket: Bucket) -> dict[str, JobRecord]:
    """Return the latest useful restore on record of each key, whatever prefix it was asked for with."""
    found: dict[str, JobRecord] = {}
    for records in await bucket.context.places_on_record():
        prefix = parse_place(records.key.vault).prefix or ""
        async for job in records.catalog.jobs.list_useful(records.key):
            whole_key = prefix + (job.archive_id or "")
            if whole_key.startswith(bucket.prefix):
                found[whole_key[len(bucket.prefix) :]] = job
    return found


def _record(bucket: Bucket, found: ObjectEntry | ObjectHead, asked: JobRecord | None) -> Record:
    restore = found.restore
    status: str | None = None
    if restore is not None:
        status = (JobStatus.IN_PROGRESS if restore.is_ongoing else JobStatus.SUCCEEDED).value
    return {
        "key": found.key,
        "place": bucket.context.name,
        "status": status,
        "tier": plain(asked.tier) if asked is not None else None,
        "days": asked.days if asked is not None else None,
        "asked": plain(asked.created) if asked is not None else None,
        "expires": plain(restore.expires) if restore is not None else None,
        "size": found.size,
        "storage_class": found.storage_class,
    }


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        expires = show_date(record["expires"])[:10]
        return table.row(show_date(record["asked"]), record["status"], expires, record["key"])

    return line


def _text(record: Mapping[str, Any]) -> str:
    tier = f", {record['tier']}" if record["tier"] else ""
    if record["status"] is None:
        reads = "not restored" if record["storage_class"] in RESTORE_TIERS else "read at once"
        return as_text(f"{record['key']}: {reads}", record, without={"key"})
    return as_text(f"{record['key']}{tier}: {record['status']}", record, without={"key", "status", "tier"})
