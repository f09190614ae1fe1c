"""``aioglacier catalog``: reports of the local record; only ``recover`` asks the service."""

from __future__ import annotations

from contextlib import closing as closing_now
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.commands.records.catalog_recover import recover
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import ANY_VAULT, TIME, VAULT, Words, flag
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.listing import closing, print_all
from aioglacier.cli.render.printed_records import (
    archive_record,
    archive_text,
    as_text,
    known_archive_record,
    plain,
)
from aioglacier.cli.render.sizes import show_count, show_exact_size, show_size
from aioglacier.cli.shared.vault_lookup import find_vault, make_key, require_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aioglacier.catalog import Catalog, VaultKey
    from aioglacier.catalog.inventories.inventory_document import InventoryDocument
    from aioglacier.catalog.reports import Share, VaultReport
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.core.models import Archive

#: Ids printed for one set of duplicates.
_IDS: Final = 100

_COLUMNS: Final = (
    "archive_id",
    "vault",
    "size",
    "tree_hash",
    "description",
    "created",
    "state",
    "source",
    "seen",
)


@click.group("catalog", cls=CommandGroup)
def command() -> None:
    """The local record: check, report, find duplicates, compare inventories, export, rebuild, recover.

    Only 'recover' asks the service. Each command takes --catalog, a file or a PostgreSQL database.
    """


command.add_command(recover)


@command.command("check", short_help="Check every page and every archive's checksum.")
async def _check(session: Session, catalog: Catalog) -> int:
    """Check every page of the catalog, and compare every archive with its checksum.

    A damaged file is kept under another name, and the exit code is 8. If single archives are
    damaged, the exit code is 4: they are listed as suspect, and 'aioglacier inventory VAULT' repairs them.
    """
    damaged = await catalog.reports.check()
    record = {"catalog": catalog.location, "is_sound": not damaged, "damaged_archives": damaged}
    session.output.record(record, _check_text)
    return Exit.INTEGRITY if damaged else Exit.DONE


def _check_text(record: Mapping[str, Any]) -> str:
    damaged = record["damaged_archives"]
    verdict = f"{show_count(damaged, 'damaged archive')}" if damaged else "sound"
    return f"{record['catalog']}: {verdict}"


@command.command("report", short_help="Show the size, age and cost of each vault.")
@ANY_VAULT
async def _report(session: Session, catalog: Catalog, vault: str | None) -> None:
    """Show how much is in VAULT, or in each vault on record, by age and size, and what it has cost.

    Without VAULT, purchases of the account, such as Expedited capacity, are shown as a vault without a name.
    "unknown" are archives that only inventories name; "unseen" are those that no inventory lists yet.
    Deleting an archive younger than 90 days costs as much as keeping it for 90.
    """
    if vault is not None:
        keys = [await require_key(session, catalog, vault)]
    else:
        keys = await catalog.reports.list_vaults()
    for key in keys:
        session.output.record(_report_record(await catalog.reports.vault(key)), _report_text)
    if not keys:
        session.output.note("nothing is on record yet")


def _report_record(report: VaultReport) -> Record:
    return {
        "vault": report.key.vault,
        "region": report.key.region,
        "account_id": report.key.account_id,
        "endpoint": report.key.endpoint,
        **_share(report.archives),
        "suspect": _share(report.suspect),
        "unknown": _share(report.unknown),
        "unseen": _share(report.unseen),
        "ages": [_share(share, of="days") for share in report.ages],
        "sizes": [_share(share, of="size") for share in report.sizes],
        "spent": [
            {**asdict(spent), "price": None if spent.price is None else spent.price / 1e6}
            for spent in report.spent
        ],
    }


def _share(share: Share, *, of: str = "") -> Record:
    ends = {f"least_{of}": share.least, f"below_{of}": share.below} if of else {}
    return {**ends, "archives": share.archives, "size": share.size}


def _report_text(record: Mapping[str, Any]) -> str:
    from aioglacier.core.prices import show_amount  # noqa: PLC0415  # not needed for help

    shown = {key: record[key] for key in ("region", "account_id", "endpoint") if record[key] not in {"", "-"}}
    shown |= {key: _shown(record[key]) for key in ("suspect", "unknown", "unseen") if record[key]["archives"]}
    for age in filter(itemgetter("archives"), record["ages"]):
        least, below = age["least_days"], age["below_days"]
        shown[f"{least} or more days old" if below is None else f"{least} to {below} days old"] = _shown(age)
    for size in filter(itemgetter("archives"), record["sizes"]):
        least, below = size["least_size"], size["below_size"]
        shown[f"of {show_size(least)} or more" if below is None else f"below {show_size(below)}"] = _shown(
            size
        )
    for spent in record["spent"]:
        price = "" if spent["price"] is None else f", {show_amount(spent['price'], spent['currency'])}"
        shown[spent["operation"]] = f"{show_count(spent['requests'], 'request')}{price}"
    return as_text(f"{record['vault']}: {_shown(record)}" if record["vault"] else "the account", shown)


def _shown(share: Mapping[str, Any]) -> str:
    return f"{show_count(share['archives'], 'archive')}, {show_size(share['size'])}"


@command.command("duplicates", short_help="List archives that a vault has more than once.")
@VAULT
async def _duplicates(session: Session, catalog: Catalog, vault: str) -> None:
    """List archives of VAULT that have the same size and tree hash."""
    key = await require_key(session, catalog, vault)
    count, wasted = await print_all(session.output, _sets(catalog, key), dict, _duplicate_text, size="wasted")
    session.output.note(f"{show_count(count, 'duplicate')}, {show_size(wasted)} more than needed")


async def _sets(catalog: Catalog, key: VaultKey) -> AsyncIterator[Record]:
    async with closing(catalog.reports.list_duplicates(key)) as found:
        async for one in found:
            yield {
                "vault": key.vault,
                "size": one.size,
                "tree_hash": one.tree_hash.hex(),
                "archives": one.archives,
                "wasted": one.wasted,
                "archive_ids": await _ids_of(catalog, key, one.size, one.tree_hash),
            }


async def _ids_of(catalog: Catalog, key: VaultKey, size: int, tree_hash: bytes) -> list[str]:
    ids: list[str] = []
    async with closing(catalog.archives.list_alike(key, size=size, tree_hash=tree_hash)) as archives:
        async for record in archives:
            if record.state != "deleted":
                ids.append(record.archive.id)
            if len(ids) == _IDS:  # a set may have a million
                break
    return ids


def _duplicate_text(record: Mapping[str, Any]) -> str:
    more = record["archives"] - len(record["archive_ids"])
    lines = [f"{show_count(record['archives'], 'archive')} of {show_exact_size(record['size'])}"]
    lines += [f"  {id_}" for id_ in record["archive_ids"]]
    return "\n".join([*lines, *([f"  and {more:,} more"] if more else [])])


@command.command("unknown", short_help="List archives that only inventories name.")
@VAULT
async def _unknown(session: Session, catalog: Catalog, vault: str) -> None:
    """List archives of VAULT that only inventories name: their source is not on record."""
    await _list(session, catalog, vault, is_unknown=True)


@command.command("export", short_help="Print everything on record of a vault, as CSV or JSON.")
@VAULT
@click.option(
    "--format",
    "format_",
    type=Words(["csv", "json"]),
    default="csv",
    help="csv: RFC 4180, with an apostrophe before text that a spreadsheet would take for a formula. "
    "json: one object a line.",
)
async def _export(session: Session, catalog: Catalog, vault: str, format_: str) -> None:
    """Print everything on record of the archives of VAULT, for other programs."""
    session.output.is_json = session.output.is_json or format_ == "json"
    await _list(session, catalog, vault, columns=() if session.output.is_json else _COLUMNS)


async def _list(
    session: Session,
    catalog: Catalog,
    vault: str,
    *,
    columns: Sequence[str] = (),
    is_unknown: bool | None = None,
) -> None:
    archives = catalog.archives.list_vault(await require_key(session, catalog, vault), is_unknown=is_unknown)
    count, size = await print_all(
        session.output, archives, known_archive_record, archive_text, columns=columns
    )
    session.output.note(f"{show_count(count, 'archive')}, {show_size(size)}")


@command.command("diff", short_help="Compare two inventories in files.")
@click.argument("older", type=click.Path(exists=True, dir_okay=False))
@click.argument("newer", type=click.Path(exists=True, dir_okay=False))
def _diff(session: Session, older: str, newer: str) -> None:
    """List the differences between two inventories in files: archives added, removed or changed.

    OLDER and NEWER are as the service wrote them, or as this program exported them, in JSON or CSV
    ('inventory VAULT --output FILE'), and may be of any size: a temporary file keeps the older one.
    """
    from aioglacier.catalog.inventories import inventory_diff as comparing  # noqa: PLC0415  # loads sqlite3
    from aioglacier.catalog.inventories.inventory_document import InventoryDocument  # noqa: PLC0415  # loads sqlite3

    counts = dict.fromkeys(comparing.Change, 0)
    old, new = InventoryDocument(Path(older)), InventoryDocument(Path(newer))
    with closing_now(comparing.compare(old, new)) as differences:
        for some in differences:
            for change, archive in some:
                counts[change] += 1
                record = {"change": change.value, **archive_record(archive)}
                session.output.record(record, _difference_text, is_last=False)
            if session.output.is_closed:  # the reader has what it wanted
                return
    if old.vault and new.vault and old.vault != new.vault:
        session.output.warn(f"these are inventories of two vaults, {old.vault} and {new.vault}")
    session.output.flush()
    session.output.note(", ".join(f"{count:,} {change}" for change, count in counts.items()))


def _difference_text(record: Mapping[str, Any]) -> str:
    sign = {"added": "+", "removed": "-", "changed": "!"}[record["change"]]
    name = record["name"] or "(no description)"
    return as_text(
        f"{sign} {name}", record, without={"change", "name", "description", "vault", "tree_hash", "modified"}
    )


@command.command("rebuild", short_help="Fill the catalog from an inventory in a file.")
@VAULT
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--inventoried",
    type=TIME,
    metavar="TIME",
    help="The date of the inventory, where the file does not say it: CSV never does.",
)
@flag("--dry-run", "Say what would be recorded, and change nothing.")
def _rebuild(
    session: Session, vault: str, inventory: str, inventoried: datetime | None, dry_run: bool
) -> int:
    """Fill the catalog from an inventory of VAULT in a file; 'inventory VAULT' does it from the service.

    Archives are added, confirmed or repaired, and none is deleted. An archive that the inventory contradicts,
    or does not list although it is three days older, is suspect from then on. So is one that it
    lists twice with different sizes or tree hashes. You can run this again without harm.
    """
    from aioglacier.catalog.inventories.inventory_document import InventoryDocument  # noqa: PLC0415  # loads sqlite3
    from aioglacier.cli.shared.job_waiting import warn_of_doubts  # noqa: PLC0415  # not needed for help

    session.begins_catalog = not dry_run
    document = InventoryDocument(Path(inventory))
    # Read all of it before recording any of it: it may be cut short, or be of another vault.
    date = _read_through(document, vault, inventoried)

    async def rebuild(catalog: Catalog) -> int:
        key = await find_vault(session, catalog, vault)
        if key is None:
            key = make_key(session.settings, vault, region=document.region)
        if document.region not in {None, key.region}:
            raise CommandError(
                f"{inventory!r} is of a vault in {document.region}, not in {key.region}; name its "
                "region with --region",
                Exit.USAGE,
            )
        result = await catalog.archives.merge_inventory(
            key, _archives(document), inventoried=date, is_dry_run=dry_run
        )
        record = {
            "vault": vault,
            "catalog": catalog.location,
            "inventoried": plain(date),
            "dry_run": dry_run,
            **{name: getattr(result, name) for name in ("added", "confirmed", "conflicting", "missing")},
        }
        session.output.record(record, _rebuild_text)
        if not dry_run:
            warn_of_doubts(session, result.conflicting, result.missing)
        return Exit.INTEGRITY if result.conflicting or result.missing else Exit.DONE

    return session.run_with_catalog(rebuild)


def _read_through(document: InventoryDocument, vault: str, given: datetime | None) -> datetime:
    for _ in document.read():
        pass
    if document.vault and document.vault != vault:
        raise CommandError(f"{str(document.path)!r} is an inventory of vault {document.vault}", Exit.USAGE)
    if document.inventoried is not None:
        return document.inventoried
    if given is None:
        raise CommandError(
            f"{str(document.path)!r} does not say when it was made; give --inventoried DATE", Exit.USAGE
        )
    if given > datetime.now(UTC):  # a mistyped year would make every later inventory the older one
        raise CommandError(f"--inventoried {plain(given)} has not come yet", Exit.USAGE)
    return given


async def _archives(document: InventoryDocument) -> AsyncIterator[Archive]:
    import anyio.to_thread  # noqa: PLC0415  # not needed for help

    with closing_now(document.read()) as blocks:
        while (some := await anyio.to_thread.run_sync(partial(next, blocks, None))) is not None:
            for archive in some:
                yield archive


def _rebuild_text(record: Mapping[str, Any]) -> str:
    verb = "would be " if record["dry_run"] else ""
    return (
        f"{show_count(record['added'], 'archive')} of {record['vault']} {verb}added, "
        f"{record['confirmed']:,} confirmed, {record['conflicting'] + record['missing']:,} put in doubt"
    )
