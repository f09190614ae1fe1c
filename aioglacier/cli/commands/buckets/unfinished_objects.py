"""``aioglacier uploads ... s3://...``: uploads to a bucket that were neither completed nor aborted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from aioglacier.cli.render.listing import print_all, show_total
from aioglacier.cli.render.printed_records import as_text, object_record, object_text, plain
from aioglacier.cli.render.sizes import show_short_size, show_size
from aioglacier.cli.render.table import DATE, SENT, Column, Table, show_date
from aioglacier.cli.shared.consent import tell_plan
from aioglacier.cli.shared.id_arguments import change_each
from aioglacier.cli.shared.money import cost_record, cost_text
from aioglacier.cli.shared.uploading import STDIN, RunningUploads, note_told, open_stdin, size_of
from aioglacier.core.place import parse_place
from aioglacier.core.spending import Budget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier

#: The most requests that look for an upload, its parts, its key and the rules of the bucket.
_LISTS: Final = 3
_HEADS: Final = 3

_COLUMNS: Final = (DATE, SENT, Column("PARTS", 6, 0, is_number=True), Column("CLASS", 12, 0))


def _bucket(glacier: Glacier, place: str) -> Bucket:
    found = parse_place(place).as_folder()
    return glacier.bucket(found.name, prefix=found.prefix or "")


async def list_unfinished(session: Session, glacier: Glacier, place: str, *, is_long: bool) -> None:
    """Print the unfinished uploads of a bucket, with what S3 has of each."""
    found = _records(_bucket(glacier, place), place)
    text = _text if is_long else _line_of(Table(session.output, *_COLUMNS, last="KEY"))
    count, sent = await print_all(session.output, found, lambda each: each, text, size="sent")
    if count:
        session.output.note(show_total(count, "unfinished upload", sent, is_long=is_long))
    else:
        session.output.note(f"no unfinished uploads in {place}")


async def _records(bucket: Bucket, place: str) -> AsyncIterator[Record]:
    async for upload in bucket.uploads():
        parts = [part async for part in upload.parts()]
        yield {
            "upload_id": upload.id,
            "place": place,
            "key": upload.key,
            "storage_class": upload.storage_class,
            "started": plain(upload.started),
            "sent": sum(part.size for part in parts),
            "parts": len(parts),
        }


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        date, sent = show_date(record["started"]), show_short_size(record["sent"])
        return table.row(date, sent, str(record["parts"]), record["storage_class"] or "", record["key"])

    return line


def _text(record: Mapping[str, Any]) -> str:
    return as_text(record["key"], record, without={"key", "place"})


async def resume_object(
    session: Session,
    glacier: Glacier,
    place: str,
    upload_id: str,
    source: str,
    spending: Spending,
    *,
    dry_run: bool,
) -> None:
    """Finish an upload from its source, or say what is there already."""
    bucket, is_pipe = _bucket(glacier, place), source == STDIN
    begun = await bucket.context.find_begun(bucket.check_upload_id(upload_id))
    storage_class = begun.options.settings.storage_class
    prices = spending.prices_of(glacier.region, storage_class)
    if dry_run:
        size = None if is_pipe else size_of(source)
        sent, missing, cost = sum(part.size for part in begun.parts), None, math.nan
        if size is not None:  # a file that is too short fails with a better error
            missing = max(0, size - sent)
            cost = prices.uploads(-(-missing // begun.part_size(size, None)) + 1, 1)
            cost += prices.storing(missing) + prices.looking(lists=_LISTS, heads=_HEADS)
        facts = {"place": place, "upload_id": upload_id, "sent": sent, "source": source, "size": size}
        facts |= {"missing": missing, **cost_record(prices, cost)}
        text = (
            f"finish upload {upload_id} of {begun.upload.key} from {source!r}, of which {show_size(sent)} "
            f"are there; the rest costs {cost_text(facts)}"
        )
        tell_plan(session, "UploadPart", text, **facts)
        return
    budget = Budget(prices, spending.max_cost)
    async with bucket.context.spending(budget):
        upload = await bucket.prepare_resume(
            upload_id, open_stdin() if is_pipe else source, key=begun.upload.key, awaits_report=not is_pipe
        )
        label = "standard input" if is_pipe else source
        archive = await RunningUploads(session, 1, budget).run(label, upload, is_resume=True)
    session.output.record(object_record(archive, archive.object_facts), object_text)
    await note_told(bucket, archive)


async def abort_unfinished(session: Session, glacier: Glacier, place: str, ids: Sequence[str]) -> int:
    """Remove unfinished uploads and their parts."""
    bucket = _bucket(glacier, place)

    async def abort(upload_id: str) -> None:
        await bucket.context.abort_upload(bucket.check_upload_id(upload_id))

    return await change_each(session, "upload", place, ids, "aborted", abort)
