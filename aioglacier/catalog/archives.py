"""Records of archives: those that were uploaded from here, and those that inventories list.

An inventory adds, confirms and doubts; it never deletes. One that was made before an upload does not list it,
one that was made before a deletion still does, and a part of one lists a part. An archive that is in doubt is
no proof that anything is stored, so what lies in it is archived again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aioglacier.catalog.absence_rows import apply_absences, forget_absence, note_absence
from aioglacier.catalog.archive_rows import (
    PAGE,
    Keeping,
    KnownArchive,
    doubt_missing,
    find_known,
    is_sound,
    keep_rows,
    known_archive,
)
from aioglacier.catalog.inventories.inventory_merge import merge_inventory
from aioglacier.catalog.object_rows import LIST_OBJECTS, find_object_facts
from aioglacier.catalog.records import ArchiveNumber, ArchiveRecord, ArchiveState, VaultTotals
from aioglacier.catalog.storage.columns import count_microseconds, instant_of, optional, unescape_path
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import marks
from aioglacier.catalog.vaults import (
    all_vaults,
    confirm_account,
    facts_of,
    find_vault,
    keep_created,
    keep_vault,
    list_vaults,
)
from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import MergeResult, VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import ObjectFacts

_log: Final = logging.getLogger("aioglacier.catalog")

_IS_THERE: Final = f"state <> '{ArchiveState.DELETED}'"
_SELECT: Final = f"SELECT place, state, source, upload, seen, {', '.join(KnownArchive._fields)} FROM archives"  # noqa: S608  # names of ours
_TOTALS: Final = f"SELECT count(*), coalesce(sum(size), 0) FROM archives WHERE place = ? AND {_IS_THERE}"  # noqa: S608


class Archives(Records):
    """The archives of a catalog, as ``Catalog.archives``.

    Every method that records returns when the record is on disk. If cancelled, it has been made or not.
    """

    async def record(
        self,
        key: VaultKey,
        archive: Archive,
        *,
        state: ArchiveState = ArchiveState.STORED,
        source: str | None = None,
    ) -> ArchiveRecord:
        """Record an archive whose upload is not on record, or change its record."""
        more = {} if source is None else {"source": source}
        return await self._database.write_each(keep_archives, (key, archive, state, more))

    async def record_state(self, key: VaultKey, archive_id: ArchiveId, state: ArchiveState) -> None:
        """Record the state of an archive; ``STORED`` for one that is on no record says nothing.

        The deletion of an archive of a vault counts from the moment in which it is on record.
        """
        await self._database.write_each(self._keep_states, (key, archive_id, state))

    def _keep_states(
        self, connection: Connection, given: Sequence[tuple[VaultKey, ArchiveId, ArchiveState]]
    ) -> list[None]:
        noticed = count_microseconds(self._now())
        asked = {(key, archive_id): state for key, archive_id, state in given}
        if len(asked) < len(given):
            return [
                self._keep_states(connection, [each])[0] for each in given
            ]  # each after the one before it
        for key in dict.fromkeys(key for key, _, _ in given):
            place = find_vault(connection, key)
            states = {archive_id: state for its, archive_id, state in given if its == key}
            asking = "SELECT number, archive_id FROM archives WHERE place = ? AND archive_id = ?"
            known = connection.rows_of_each(asking, [(place, archive_id) for archive_id in states])
            changes = [(states[ArchiveId(archive_id)].value, number) for number, archive_id in known]
            connection.each("UPDATE archives SET state = ? WHERE number = ?", changes)
            for archive_id in states.keys() - {archive_id for _, archive_id in known}:
                if not key.is_bucket:
                    _keep_absence(connection, key, archive_id, states[archive_id], noticed)
        return [None] * len(given)

    async def doubt(
        self, key: VaultKey, archive_id: str | None = None, *, missed: datetime | None = None
    ) -> int:
        """Record that the service does not know an archive, or the vault; return how many are in doubt.

        Whatever rests on such an archive counts no more. Doubt ends when a later inventory lists the archive.

        Args:
            key: The vault.
            archive_id: The archive; ``None`` for all of the vault.
            missed: The date of the service's answer, which inventories are compared with; ``None`` for now.
        """
        is_it, values = ("1 = 1", ()) if archive_id is None else ("archive_id = ?", (archive_id,))
        instant = missed or self._now()

        def change(connection: Connection) -> int:
            number = find_vault(connection, key)
            if archive_id is not None and not key.is_bucket:
                number = keep_vault(connection, key)
                if not find_known(connection, number, [ArchiveId(archive_id)]):
                    suspect = ArchiveState.SUSPECT
                    note_absence(connection, number, archive_id, suspect, count_microseconds(instant))
            return doubt_missing(connection, number, instant, is_it, *values)

        return await self._database.write(change)

    async def note_vault(self, key: VaultKey, account_id: str, created: datetime) -> int:
        """Record when a vault was created, and doubt the archives that are older; return how many.

        Args:
            key: The vault.
            account_id: The account in its ARN; "" if there is none.
            created: The date of its creation.

        Raises:
            CatalogMismatchError: The records are of another account, or of a vault that was created later.
        """
        # An archive has the date of an answer, which has no fractions of a second.
        second = created.replace(microsecond=0)

        def change(connection: Connection) -> int:
            number = keep_created(connection, key, created)
            if account_id:
                confirm_account(connection, key, account_id)
            return doubt_missing(connection, number, second, "created < ?", count_microseconds(second))

        account, known = await self._database.read(lambda connection: facts_of(connection, key))
        if known == created and account_id in {"", account}:  # most often, and then nothing is written
            return 0
        return await self._database.write(change)

    async def merge_inventory(
        self,
        key: VaultKey,
        archives: Iterable[Archive] | AsyncIterable[Archive],
        *,
        inventoried: datetime,
        is_whole: bool = True,
        is_dry_run: bool = False,
    ) -> MergeResult:
        """Add new archives, confirm known ones, and mark as suspect those that differ or are not listed.

        A whole inventory should list every archive that is ``INVENTORY_ALLOWANCE`` older than itself. Doubt
        ends when a later inventory lists the archive with our size and tree hash. An archive that one
        inventory lists twice, with different sizes or tree hashes, is suspect too.

        Each few thousand are a transaction, so if this is cancelled or fails, some are merged. Merging the
        same again is right at any time. An archive listed twice counts twice.

        Args:
            key: The vault whose inventory it is.
            archives: What it lists, read once, in constant memory.
            inventoried: The date of the inventory.
            is_whole: It lists the whole vault, not a range of dates.
            is_dry_run: Change nothing; only count.

        Raises:
            CatalogMismatchError: It is the inventory of a vault with another name.
        """
        return await merge_inventory(
            self._database, key, archives, inventoried=inventoried, is_whole=is_whole, is_dry_run=is_dry_run
        )

    async def get(self, key: VaultKey, archive_id: ArchiveId) -> ArchiveRecord | None:
        """Return the archive with this id."""

        def question(connection: Connection) -> list[ArchiveRecord]:
            values = find_vault(connection, key), archive_id
            return _select(connection, "place = ? AND archive_id = ?", values)

        found = await self._database.read(question)
        return found[0] if found else None

    async def sources(
        self, key: VaultKey, archive_ids: Sequence[ArchiveId]
    ) -> Mapping[ArchiveId, str | None]:
        """Return the sources of those of the archives that are on record, and not deleted."""
        records = await self._find(key, archive_ids, f" AND {_IS_THERE}")
        return {record.archive.id: record.source for record in records}

    async def descriptions(self, key: VaultKey, archive_ids: Sequence[ArchiveId]) -> Mapping[ArchiveId, str]:
        """Return the descriptions of those of the archives that are on record, in any state."""
        return {each.archive.id: each.archive.description for each in await self._find(key, archive_ids)}

    async def _find(
        self, key: VaultKey, archive_ids: Sequence[ArchiveId], more: str = ""
    ) -> list[ArchiveRecord]:
        found = f"place = ? AND archive_id IN ({marks(len(archive_ids))}){more}"

        def question(connection: Connection) -> list[ArchiveRecord]:
            return _select(connection, found, (find_vault(connection, key), *archive_ids))

        return await self._database.read(question) if archive_ids else []

    async def list_objects(self, key: VaultKey) -> list[tuple[ArchiveId, int, str | None]]:
        """Return the key, size and etag of every object on record as stored; ``None`` for an unknown etag."""
        rows = await self._database.read(
            lambda connection: connection.rows(LIST_OBJECTS, (find_vault(connection, key),))
        )
        return [(ArchiveId(id_), size, etag) for id_, size, etag in rows]

    async def object_facts(self, key: VaultKey, archive_id: ArchiveId) -> ObjectFacts | None:
        """Return the facts of an object in a bucket; ``None`` if they are not on record."""
        return await self._database.read(
            lambda connection: find_object_facts(connection, find_vault(connection, key), archive_id)
        )

    async def list_vault(
        self,
        key: VaultKey,
        *,
        states: Sequence[ArchiveState] = (ArchiveState.STORED, ArchiveState.SUSPECT, ArchiveState.DELETING),
        is_unknown: bool | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        larger: int | None = None,
    ) -> AsyncIterator[ArchiveRecord]:
        """Yield the archives of a vault in the order of recording, in constant memory.

        A few hundred are read at a time, when they are needed, so the caller may stop at any point. Archives
        that are recorded meanwhile may be in the list or not.

        Args:
            key: The vault.
            states: Those that are wanted.
            is_unknown: Only archives known from inventories alone, or only the others.
            after: Only archives made at this time or later.
            before: Only archives made before this time.
            larger: Only archives of this size or more.
        """
        if not states:
            return
        condition = f"state IN ({marks(len(states))})"
        if is_unknown is not None:
            condition += f" AND {'' if is_unknown else 'NOT '}(source IS NULL AND upload IS NULL)"
        limits = {
            "created >= ?": optional(count_microseconds, after),
            "created < ?": optional(count_microseconds, before),
            "size >= ?": larger,
        }
        given = {text: value for text, value in limits.items() if value is not None}
        condition = " AND ".join([condition, *given])
        async for record in self._list(key, condition, *(state.value for state in states), *given.values()):
            yield record

    async def list_alike(self, key: VaultKey, *, size: int, tree_hash: bytes) -> AsyncIterator[ArchiveRecord]:
        """Yield the archives of a vault with this content, in any state."""
        async for record in self._list(key, "size = ? AND tree_hash = ?", size, tree_hash.hex()):
            yield record

    async def _list(self, key: VaultKey, condition: str, *values: object) -> AsyncIterator[ArchiveRecord]:
        condition = f"place = ? AND number > ? AND {condition} ORDER BY number LIMIT {PAGE}"

        def page(last: ArchiveRecord | None, connection: Connection) -> list[ArchiveRecord]:
            after = last.number if last else 0
            return _select(connection, condition, (find_vault(connection, key), after, *values))

        async for record in self._database.each(page):
            yield record

    async def vault_keys(self, vault: str | None = None) -> list[VaultKey]:
        """Return the vaults on record in any account, region and endpoint: those of a name, or all."""
        found = await self._database.read(list_vaults)
        return [key for key in found if vault is None or key.vault == vault]

    async def bucket_keys(self, bucket: str) -> list[VaultKey]:
        """Return the places on record in a bucket of this name, one for each prefix."""
        found, url = await self._database.read(list_vaults), f"s3://{bucket}"
        return [key for key in found if key.vault == url or key.vault.startswith(f"{url}/")]

    async def totals(self, key: VaultKey) -> VaultTotals:
        """Count the archives of a vault that are not deleted."""

        def question(connection: Connection) -> VaultTotals:
            number = find_vault(connection, key)
            ((count, size),) = connection.rows(_TOTALS, (number,))
            found = connection.rows("SELECT inventoried FROM places WHERE number = ?", (number,))
            inventoried = found[0][0] if found else None
            return VaultTotals(count, int(size), optional(instant_of, inventoried))

        return await self._database.read(question)


def keep_archives(
    connection: Connection, given: Sequence[tuple[VaultKey, Archive, ArchiveState, Mapping[str, Any]]]
) -> list[ArchiveRecord]:
    """Record archives inside the caller's transaction, or change their records.

    An archive of a vault that is gone, or in doubt, stays so.
    """
    keeping = [
        Keeping(keep_vault(connection, key), archive, state, more, is_once=not key.is_bucket)
        for key, archive, state, more in given
    ]
    rows = keep_rows(connection, keeping)
    absent: dict[tuple[int, str], ArchiveState] = {}
    for place in {each.key for each in keeping if each.is_once}:
        ids = [each.archive.id for each in keeping if each.key == place]
        applied = apply_absences(connection, place, ids)
        absent |= {(place, archive_id): state for archive_id, state in applied.items()}
    made = []
    for (key, archive, _, _), keep, kept in zip(given, keeping, rows, strict=True):
        named = archive if archive.vault == key.vault else replace(archive, vault=key.vault)
        state = absent.get((keep.key, archive.id), kept.state)
        made.append(ArchiveRecord(kept.number, key, named, state, kept.source, kept.upload, kept.seen))
    return made


def _keep_absence(
    connection: Connection, key: VaultKey, archive_id: ArchiveId, state: ArchiveState, noticed: int
) -> None:
    if state is ArchiveState.STORED:
        forget_absence(connection, find_vault(connection, key), archive_id)
    else:
        note_absence(connection, keep_vault(connection, key), archive_id, state, noticed)


def _select(connection: Connection, condition: str, values: Sequence[object]) -> list[ArchiveRecord]:
    rows = connection.rows(f"{_SELECT} WHERE {condition}", values)
    keys = all_vaults(connection) if rows else {}
    return [_record(row, keys) for row in rows]


def _record(row: tuple[Any, ...], keys: Mapping[int, VaultKey]) -> ArchiveRecord:
    place_number, state, source, upload, seen, *facts = row
    key, state, known = keys[place_number], ArchiveState(state), known_archive(*facts)
    if not is_sound(known):
        _log.warning(
            "the record of archive %s in %s is damaged; 'aioglacier inventory %s' repairs it",
            ascii(known.archive_id),
            key,
            key.vault,
        )
        state = ArchiveState.SUSPECT
    archive = Archive(
        id=ArchiveId(known.archive_id),
        vault=key.vault,
        size=known.size,
        tree_hash=known.tree_hash,
        description=known.description,
        created=known.created,
    )
    return ArchiveRecord(
        ArchiveNumber(known.number),
        key,
        archive,
        state,
        optional(unescape_path, source),
        upload,
        optional(instant_of, seen),
    )
