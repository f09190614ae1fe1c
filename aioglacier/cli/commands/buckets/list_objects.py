"""``aioglacier list s3://...``: the objects of a bucket, as S3 lists them now."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from aioglacier.cli.render.listing import in_order, print_all
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count, show_short_size, show_size
from aioglacier.cli.render.table import DATE, SIZE, Column, Table, show_date
from aioglacier.core.place import parse_place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.render.listing import ListOptions
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.s3.objects import ObjectEntry

#: The orders besides that by name, in which S3 lists them.
_ORDERS: Final[dict[str, Callable[[ObjectEntry], Any]]] = {
    "date": lambda entry: entry.modified,
    "size": lambda entry: entry.size,
}
_COLUMNS: Final = (DATE, SIZE, Column("CLASS", 12, 12), Column("RESTORED", 10, 10))


def list_objects(session: Session, options: ListOptions) -> Ending:
    """Print the objects that are selected, with class and state of restore."""
    place = parse_place(options.vault).as_folder()

    def record_of(entry: ObjectEntry) -> Record:
        restore = entry.restore
        return {
            "key": entry.key,
            "place": str(place),
            "size": entry.size,
            "storage_class": entry.storage_class,
            "created": plain(entry.modified),
            "etag": entry.etag,
            "restore": None if restore is None else "ongoing" if restore.is_ongoing else "done",
            "restore_expires": plain(restore.expires) if restore is not None else None,
        }

    async def work(glacier: Glacier) -> None:
        listed = glacier.bucket(place.name, prefix=place.prefix or "").objects()
        text = _long_text if options.is_long else _line_of(Table(session.output, *_COLUMNS, last="KEY"))
        key_of = None if options.sort is None else _ORDERS.get(options.sort)
        chosen = in_order(_matching(listed, options), options, key_of)
        count, size = await print_all(session.output, chosen, record_of, text)
        session.output.note(f"{show_count(count, 'object')}, {show_size(size)}")

    return work


async def _matching(
    listed: AsyncIterator[ObjectEntry], options: ListOptions
) -> AsyncGenerator[ObjectEntry, None]:
    async for entry in listed:
        if (
            (options.match is None or fnmatchcase(entry.key, options.match))
            and (options.after is None or entry.modified >= options.after)
            and (options.before is None or entry.modified < options.before)
            and (options.larger is None or entry.size >= options.larger)
        ):
            yield entry


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        restored = "going on" if record["restore"] == "ongoing" else show_date(record["restore_expires"])[:10]
        size, date = show_short_size(record["size"]), show_date(record["created"])
        return table.row(date, size, record["storage_class"], restored, record["key"])

    return line


def _long_text(record: Mapping[str, Any]) -> str:
    return as_text(record["key"], record, without={"key", "place"})
