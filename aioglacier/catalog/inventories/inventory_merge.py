"""Merge an inventory into the records of archives, a few thousand archives in each transaction."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.lowlevel

from aioglacier.catalog.absence_rows import apply_absences
from aioglacier.catalog.archive_rows import (
    PAGE,
    doubt_missing,
    find_known,
    insert_archives,
    is_sound,
    repair_row,
    see_archives,
    suspect_archives,
    trust_archives,
)
from aioglacier.catalog.records import MergeResult
from aioglacier.catalog.storage.columns import count_microseconds
from aioglacier.catalog.vaults import find_vault, keep_vault
from aioglacier.core.errors import CatalogMismatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.database import Database
    from aioglacier.core.models import Archive, ArchiveId

#: How long after it was made an archive may be missing in an inventory, which is a day old and made about
#: once a day (Guide, "Downloading a Vault Inventory").
INVENTORY_ALLOWANCE: Final = timedelta(days=3)

#: Archives merged in one transaction.
_TRANSACTION: Final = 5000


async def merge_inventory(
    database: Database,
    key: VaultKey,
    archives: Iterable[Archive] | AsyncIterable[Archive],
    *,
    inventoried: datetime,
    is_whole: bool,
    is_dry_run: bool,
) -> MergeResult:
    """See ``Archives.merge_inventory``."""
    total = MergeResult(0, 0, 0)
    counted = 0
    async for batch in _batches(archives):
        for archive in batch:
            if archive.vault not in {"", key.vault}:
                raise CatalogMismatchError(
                    "the inventory is of another vault", recorded=str(key), found=archive.vault
                )
        if is_dry_run:
            result = await database.read(partial(_foresee, key=key, archives=batch))
        else:
            result = await database.write(partial(_merge, key=key, archives=batch, inventoried=inventoried))
        total = _sum([total, result])
        # Each time that the vault has become several times as large.
        if total.added > 4 * counted and not is_dry_run:
            await database.write(_count_archives)
            counted = total.added
    if not is_whole or is_dry_run:  # a part of a list proves nothing of what it lacks
        return total
    missing = await database.write(lambda connection: _note_inventory(connection, key, inventoried))
    return total._replace(missing=missing)


async def _batches(archives: Iterable[Archive] | AsyncIterable[Archive]) -> AsyncIterator[list[Archive]]:
    batch: list[Archive] = []
    async for archive in archives if isinstance(archives, AsyncIterable) else _each(archives):
        batch.append(archive)
        if len(batch) % PAGE == 0:
            await anyio.lowlevel.checkpoint()  # the maker of the archives may never wait for anything
        if len(batch) == _TRANSACTION:
            yield batch
            batch = []
    if batch:
        yield batch


async def _each(archives: Iterable[Archive]) -> AsyncIterator[Archive]:
    for archive in archives:
        yield archive


def _merge(
    connection: Connection, key: VaultKey, archives: Sequence[Archive], inventoried: datetime
) -> MergeResult:
    number = keep_vault(connection, key)
    results = [MergeResult(0, 0, 0)]
    for at in range(0, len(archives), PAGE):
        sorted_ = _sort_out(connection, number, archives[at : at + PAGE])
        _write_sorted(connection, number, sorted_, inventoried)
        results.append(sorted_.result())
    return _sum(results)


def _count_archives(connection: Connection) -> None:
    """Let PostgreSQL count the rows; otherwise it reads a whole vault for each few archives."""
    if connection.dialect == "postgresql":
        connection.rows("ANALYZE archives")


def _foresee(connection: Connection, key: VaultKey, archives: Sequence[Archive]) -> MergeResult:
    number = find_vault(connection, key)
    return _sum(
        _sort_out(connection, number, archives[at : at + PAGE]).result()
        for at in range(0, len(archives), PAGE)
    )


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Archives of an inventory, sorted by how they differ from the catalog."""

    new: dict[str, Archive] = field(default_factory=dict)
    confirmed: list[int] = field(default_factory=list)
    conflicting: set[int] = field(default_factory=set)
    damaged: dict[int, Archive] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    contradictory: set[ArchiveId] = field(default_factory=set)

    def result(self) -> MergeResult:
        confirmed = len(self.confirmed) + len(self.damaged) + len(self.repeated)
        return MergeResult(len(self.new), confirmed, len(self.conflicting) + len(self.contradictory))


def _sum(results: Iterable[MergeResult]) -> MergeResult:
    return MergeResult(*(sum(counts) for counts in zip(*results, strict=True)))


def _sort_out(connection: Connection, key: int, archives: Sequence[Archive]) -> _Sorted:
    known = find_known(connection, key, [archive.id for archive in archives])
    found = _Sorted()
    for archive in archives:
        if (row := known.get(archive.id)) is not None:
            if not is_sound(row):  # the service has the right values
                found.damaged[row.number] = archive
            elif (row.size, row.tree_hash) == (archive.size, archive.tree_hash):
                found.confirmed.append(row.number)
            else:
                found.conflicting.add(row.number)
        # The first of this id in the list.
        elif (first := found.new.setdefault(archive.id, archive)) is archive:
            pass
        elif (first.size, first.tree_hash) == (archive.size, archive.tree_hash):
            found.repeated.append(archive.id)
        else:
            found.contradictory.add(archive.id)
    return found


def _write_sorted(connection: Connection, key: int, found: _Sorted, inventoried: datetime) -> None:
    if found.new:
        insert_archives(connection, key, found.new.values(), inventoried)
        apply_absences(connection, key, list(found.new))
    for number, archive in found.damaged.items():
        repair_row(connection, number, archive)
    if found.confirmed:
        # Before they are seen: a doubt of the same date ends by the date seen before.
        trust_archives(connection, found.confirmed, inventoried)
    seen = [*found.confirmed, *found.damaged, *found.conflicting]
    if seen:
        see_archives(connection, seen, inventoried)
    doubted = [*found.conflicting]
    if found.contradictory:
        doubted += [row.number for row in find_known(connection, key, [*found.contradictory]).values()]
    if doubted:
        suspect_archives(connection, doubted, inventoried)


def _note_inventory(connection: Connection, key: VaultKey, inventoried: datetime) -> int:
    """Record the date of a whole inventory, and doubt what it lacks; return how many archives that is."""
    number, instant = keep_vault(connection, key), count_microseconds(inventoried)
    connection.rows(
        "UPDATE places SET inventoried = ? WHERE number = ? AND (inventoried IS NULL OR inventoried < ?)",
        (instant, number, instant),
    )
    made_before = instant - INVENTORY_ALLOWANCE // timedelta(microseconds=1)  # no date lies before the year 1
    return doubt_missing(connection, number, inventoried, "created < ?", made_before)
