"""``aioglacier list``: print the archives of a vault from the catalog, without asking the service."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command, gathering
from aioglacier.cli.program.parameters import AT_ONCE, LONG, PLACE_NAME, SIZE, TIME, Words, flag
from aioglacier.cli.render.listing import ListOptions, in_order, print_all
from aioglacier.cli.render.printed_records import archive_text, known_archive_record
from aioglacier.cli.render.sizes import show_count, show_short_size, show_size, show_time
from aioglacier.cli.render.table import DATE, SIZE as SIZE_COLUMN, Column, Table, show_date
from aioglacier.cli.shared.vault_lookup import require_key
from aioglacier.core.inventory.descriptions import decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from aioglacier.catalog import ArchiveRecord, Catalog
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session

#: The orders, and what they compare.
_ORDERS: Final[dict[str, Callable[[ArchiveRecord], Any]]] = {
    "date": lambda record: record.archive.created,
    "size": lambda record: record.archive.size,
    "name": lambda record: decode(record.archive.description).name,
}

_COLUMNS: Final = (DATE, SIZE_COLUMN, Column("STATE", 8, 0))


@make_command("list")
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@LONG
@click.option("--sort", type=Words(list(_ORDERS)), help="Default: the order of recording.")
@flag("--reverse", "Print the last archive first.")
@click.option("--match", metavar="PATTERN", help="Only archives whose name matches, as '*.tar'.")
@click.option("--after", type=TIME, metavar="TIME", help="Only archives made at TIME or later.")
@click.option("--before", type=TIME, metavar="TIME", help="Only archives made before TIME.")
@click.option("--larger", type=SIZE, help="Only archives of this size or more.")
@click.option("--limit", type=AT_ONCE, metavar="N", help="Print the first N archives.")
@gathering(ListOptions)
def command(session: Session, options: ListOptions) -> Ending:
    """List the archives of PLACE: those of a vault that the catalog knows, or the objects of a bucket.

    PLACE is a vault, or s3://BUCKET[/PREFIX], whose objects S3 lists now, with class and state of restore.
    The keys are those below the prefix.

    Of a vault, the catalog knows archives uploaded from here, and those of inventories.

    The service is not asked, so this is free, immediate, and needs no credentials. "inventory VAULT" fetches
    archives that other machines have uploaded. "download VAULT --name NAME" retrieves one of them.

    With --long, "seen" is the date of the last inventory that lists an archive; a new one is not seen for a
    day or more.
    """
    if options.vault.startswith("s3://"):
        from aioglacier.cli.commands.buckets.list_objects import list_objects  # noqa: PLC0415

        return list_objects(session, options)
    return session.run_with_catalog(lambda catalog: _list(session, catalog, options))


async def _list(session: Session, catalog: Catalog, options: ListOptions) -> None:
    key = await require_key(session, catalog, options.vault)
    listed = catalog.archives.list_vault(
        key, after=options.after, before=options.before, larger=options.larger
    )
    key_of = None if options.sort is None else _ORDERS[options.sort]
    chosen = in_order(_matching(listed, options.match), options, key_of)
    text = _long_text if options.is_long else _line_of(Table(session.output, *_COLUMNS, last="NAME"))
    count, size = await print_all(session.output, chosen, known_archive_record, text)
    totals = await catalog.archives.totals(key)
    seen = "no inventory was read"
    if totals.inventoried:
        seen = f"the last inventory read is of {show_time(totals.inventoried)}"
    elif not totals.archives:
        seen += f"; to fetch the list of the service: {session.command('inventory', options.vault)}"
    session.output.note(f"{show_count(count, 'archive')}, {show_size(size)}; {seen}")


async def _matching(
    listed: AsyncIterator[ArchiveRecord], pattern: str | None
) -> AsyncGenerator[ArchiveRecord, None]:
    async for record in listed:
        if pattern is None or fnmatchcase(decode(record.archive.description).name, pattern):
            yield record


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        state, name = record["state"], record["name"] or "(no description)"
        if table.is_narrow and state != "stored":  # the table has no room for the column
            name = f"{state}: {name}"
        return table.row(show_date(record["created"]), show_short_size(record["size"]), state, name)

    return line


def _long_text(record: Mapping[str, Any]) -> str:
    shown = {**record, "seen": record["seen"] or "not yet"}
    if shown["state"] == "stored":
        del shown["state"]
    return archive_text(shown)
