"""Records of uploads, and the order in which they are made.

An upload is recorded before the service hears of it, and again after each answer. So the record is behind the
service by one step at most, and never ahead::

    intent -> open <-> completing -> completed
       |        |          |
       +--------+----------+-------> aborted, failed
       +--------+------------------> expired

- ``intent``: the service may have the upload, under an id that did not arrive here. Look before initiating.
- ``completing``: the service may have the archive. It is settled by completing again, or by an inventory;
  never by a second upload, so an upload in this state cannot expire.
- A single request is ``completing`` from the first.
- ``aborted``, ``expired`` and ``failed`` are the last news. The service is the truth: an upload that it lists
  after all is ``open`` again.

The parts of a completed upload stay on record: they are the hashes of the archive. Those of a failed one are
removed.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog import archives
from aioglacier.catalog.expenses import add_each
from aioglacier.catalog.object_rows import keep_object_facts
from aioglacier.catalog.records import TOLD, ArchiveState, PartRecord, UploadNumber, UploadRecord, UploadState
from aioglacier.catalog.storage.columns import escape, escape_path, hash_of, hash_text
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import UPLOADS
from aioglacier.catalog.upload_rows import (
    ROWS,
    Decisive,
    find_decisive,
    find_owners,
    find_states,
    insert_uploads,
)
from aioglacier.catalog.vaults import find_vault
from aioglacier.core.errors import CatalogError, CatalogMismatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aioglacier.catalog.records import ArchiveRecord, VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import Archive, ObjectTarget, UploadId
    from aioglacier.core.spending import Expense
    from aioglacier.files.reading import FileIdentity

_MAY_BECOME: Final = {
    UploadState.INTENT: {
        UploadState.OPEN,
        UploadState.COMPLETING,
        UploadState.ABORTED,
        UploadState.EXPIRED,
        UploadState.FAILED,
    },
    UploadState.OPEN: {UploadState.COMPLETING, UploadState.ABORTED, UploadState.EXPIRED, UploadState.FAILED},
    UploadState.COMPLETING: {
        UploadState.OPEN,
        UploadState.COMPLETED,
        UploadState.ABORTED,
        UploadState.FAILED,
    },
    UploadState.COMPLETED: set[UploadState](),
    # The service is the truth: an upload that it lists after all is open.
    UploadState.ABORTED: {UploadState.OPEN},
    UploadState.EXPIRED: {UploadState.OPEN},
    UploadState.FAILED: {UploadState.OPEN},
}

UNFINISHED: Final = (UploadState.INTENT, UploadState.OPEN, UploadState.COMPLETING)
_FRUITLESS: Final = frozenset({UploadState.ABORTED, UploadState.EXPIRED, UploadState.FAILED})

#: Parts fetched at a time, each with its leaves.
_PARTS_PAGE: Final = 64

_IS_UNFINISHED: Final = "state IN ({})".format(", ".join(f"'{state}'" for state in UNFINISHED))
_LIST_PARTS: Final = (
    "SELECT part_index, size, tree_hash, leaves FROM parts WHERE upload = ? AND part_index >= ? "  # noqa: S608
    f"ORDER BY part_index LIMIT {_PARTS_PAGE}"
)
_KEEP_PART: Final = (
    "INSERT INTO parts (upload, part_index, size, tree_hash, leaves) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (upload, part_index) "
    "DO UPDATE SET size = excluded.size, tree_hash = excluded.tree_hash, leaves = excluded.leaves"
)


class Uploads(Records):
    """The uploads of a catalog, as ``Catalog.uploads``.

    Each recording method returns when the record is on disk. If it is cancelled, the record may be there or
    not; recording the same again does no harm.
    """

    # --- recording

    async def record_intent(
        self,
        key: VaultKey,
        *,
        part_size: int,
        description: str = "",
        size: int | None = None,
        source: str | None = None,
        identity: FileIdentity | None = None,
        tree_hash: bytes | None = None,
        target: ObjectTarget | None = None,
    ) -> UploadRecord:
        """Record that an upload is about to begin, and give it its nonce.

        Args:
            key: The vault.
            part_size: Bytes of a part; of a single request, those of the whole.
            description: The description of the archive.
            size: Bytes of the whole, where they are known.
            source: The absolute path; ``None`` for a stream, which is found again by its number alone.
            identity: The source now.
            tree_hash: Of the whole, for a single request, which is ``COMPLETING`` at once; give ``size`` too.
            target: What an upload to a bucket becomes.
        """
        now = self._now()
        record = UploadRecord(
            number=UploadNumber(0),  # until it is on record
            key=key,
            nonce=secrets.token_hex(8),
            # A single request is completed by being sent.
            state=UploadState.INTENT if tree_hash is None else UploadState.COMPLETING,
            upload_id=None,
            part_size=part_size,
            size=size,
            description=description,
            source=source,
            identity=identity,
            tree_hash=tree_hash,
            archive_id=None,
            outcome="",
            created=now,
            active=now,
            target=target,
        )
        return await self._database.write_each(insert_uploads, record)

    async def record_initiated(
        self, upload: UploadRecord, upload_id: UploadId, *, spent: Sequence[Expense] = ()
    ) -> UploadRecord:
        """Record the id that the service gave to an upload, or that was found there, and what was spent.

        Raises:
            CatalogMismatchError: Another id is on record, or this id with another upload.
        """
        return await self._database.write_each(self._keep_ids, (upload, upload_id, spent))

    def _keep_ids(
        self, connection: Connection, given: Sequence[tuple[UploadRecord, UploadId, Sequence[Expense]]]
    ) -> list[UploadRecord]:
        if len({upload.number for upload, _, _ in given}) < len(given):
            return [self._keep_ids(connection, [each])[0] for each in given]  # each after the one before it
        recorded = find_decisive(connection, [upload.number for upload, _, _ in given])
        owners = find_owners(connection, [upload_id for _, upload_id, _ in given])
        for upload, upload_id, _ in given:
            known = recorded[upload.number].upload_id
            if known is not None and known != upload_id:
                raise CatalogMismatchError(
                    "an upload has one id", recorded=f"upload {known}", found=f"upload {upload_id}"
                )
            number = owners.setdefault(upload_id, upload.number)
            if number != upload.number:  # two processes took one upload for theirs
                owner = ROWS.get(connection, number)
                raise CatalogMismatchError(
                    f"upload {upload_id} is on record already",
                    recorded=f"one of {_source(owner)} to {owner.key}",
                    found=f"one of {_source(upload)} to {upload.key}",
                )
        add_each(connection, [(upload.key, spent) for upload, _, spent in given], self._now())
        changes = [(upload, {"upload_id": upload_id}) for upload, upload_id, _ in given]
        return self._become_each(connection, recorded, UploadState.OPEN, changes)

    async def record_parts(
        self, upload: UploadRecord, parts: Sequence[PartRecord], *, spent: Sequence[Expense] = ()
    ) -> None:
        """Record parts that the service has acknowledged, and what was spent, all in one transaction.

        Recording a part again replaces it.
        """
        await self._database.write_each(self._keep_parts, (upload, parts, spent))

    def _keep_parts(
        self,
        connection: Connection,
        given: Sequence[tuple[UploadRecord, Sequence[PartRecord], Sequence[Expense]]],
    ) -> list[None]:
        now = self._now()
        uploads = {upload.number: upload for upload, _, _ in given}
        for number, state in find_states(connection, list(uploads)).items():
            if state not in UNFINISHED:
                raise CatalogError(f"upload {_name(uploads[number])} is {state} and takes no more parts")
        rows = [
            (upload.number, part.index, part.size, hash_text(part.tree_hash), part.leaves)
            for upload, parts, _ in given
            for part in parts
        ]
        connection.each(_KEEP_PART, rows)
        UPLOADS.update_each(connection, [(number, {"active": now}) for number in uploads])
        add_each(connection, [(upload.key, spent) for upload, _, spent in given], now)
        return [None] * len(given)

    async def record_completing(self, upload: UploadRecord, *, size: int, tree_hash: bytes) -> UploadRecord:
        """Record that the archive is about to be made, by completing or by a single request."""
        return await self._database.write_each(
            self._keep_completing, (upload, {"size": size, "tree_hash": tree_hash})
        )

    def _keep_completing(
        self, connection: Connection, given: Sequence[tuple[UploadRecord, dict[str, object]]]
    ) -> list[UploadRecord]:
        recorded = find_decisive(connection, [upload.number for upload, _ in given])
        return self._become_each(connection, recorded, UploadState.COMPLETING, given)

    async def record_reopened(self, upload: UploadRecord) -> UploadRecord:
        """Record that the service refused to complete, and has made no archive."""
        return await self._database.write_each(self._keep_ends, (upload, UploadState.OPEN, {}))

    async def record_completed(
        self,
        upload: UploadRecord,
        archive: Archive,
        *,
        source: str | None = None,
        is_suspect: bool = False,
        is_told: bool = True,
        spent: Sequence[Expense] = (),
    ) -> ArchiveRecord:
        """Record the archive that the upload has become, and what was spent, all in one transaction.

        Args:
            upload: An upload that is ``COMPLETING``.
            archive: As the service answered, or as an inventory lists it.
            source: The file that a stream was made from, by its absolute path.
            is_suspect: The service answered with another tree hash than ours.
            is_told: After a crash the archive need not be reported to the caller.
            spent: The expenses that are not on record yet.

        Raises:
            CatalogMismatchError: The archive has another size or tree hash than was recorded before. (Of a
                suspect one, give ours.) Nothing was recorded.
        """
        made = _Made(upload, archive, source, is_suspect, is_told, spent)
        return await self._database.write_each(self._keep_made, made)

    def _keep_made(self, connection: Connection, given: Sequence[_Made]) -> list[ArchiveRecord]:
        recorded = find_decisive(connection, [made.upload.number for made in given])
        keeping = []
        for upload, archive, source, is_suspect, _, _ in given:
            record = recorded[upload.number]
            if record.state is not UploadState.COMPLETED and (record.size, record.tree_hash) != (
                archive.size,
                archive.tree_hash,
            ):
                raise CatalogMismatchError(
                    f"archive {archive.id} is not what was uploaded from {_source(upload)}",
                    recorded=_what(record.size, record.tree_hash),
                    found=_what(archive.size, archive.tree_hash),
                )
            state = ArchiveState.SUSPECT if is_suspect else ArchiveState.STORED
            file = source or upload.source
            more = {"upload": upload.number, **({"source": file} if file is not None else {})}
            keeping.append((record.key, archive, state, more))
        # In the same transaction, so that a kill loses neither.
        add_each(connection, [(recorded[made.upload.number].key, made.spent) for made in given], self._now())
        changes = [
            (made.upload, {"archive_id": made.archive.id, "outcome": TOLD if made.is_told else ""})
            for made in given
        ]
        self._change_states(connection, recorded, UploadState.COMPLETED, changes)
        kept = archives.keep_archives(connection, keeping)
        facts = [(one.number, made.archive.object_facts) for one, made in zip(kept, given, strict=True)]
        keep_object_facts(connection, [(number, each) for number, each in facts if each is not None])
        return kept

    async def record_told(self, upload: UploadNumber) -> None:
        """Record that the archive was reported to the caller."""
        await self._database.write(
            lambda connection: connection.rows(
                "UPDATE uploads SET outcome = ? WHERE number = ? AND state = ?",
                (TOLD, upload, UploadState.COMPLETED.value),
            )
        )

    async def record_aborted(self, upload: UploadRecord, outcome: str = "") -> UploadRecord:
        """Record that the upload was aborted and is no longer at the service."""
        return await self._end(upload, UploadState.ABORTED, outcome)

    async def record_expired(self, upload: UploadRecord, outcome: str = "") -> UploadRecord:
        """Record that the service has removed the upload; not for one that is ``COMPLETING``."""
        return await self._end(upload, UploadState.EXPIRED, outcome)

    async def record_failed(self, upload: UploadRecord, outcome: str) -> UploadRecord:
        """Record an end that leaves nothing at the service, and why."""
        return await self._end(upload, UploadState.FAILED, outcome)

    async def _end(self, upload: UploadRecord, state: UploadState, outcome: str) -> UploadRecord:
        return await self._database.write_each(self._keep_ends, (upload, state, {"outcome": outcome}))

    def _keep_ends(
        self, connection: Connection, given: Sequence[tuple[UploadRecord, UploadState, Mapping[str, Any]]]
    ) -> list[UploadRecord]:
        made = []
        for state, alike in groupby(given, lambda each: each[1]):
            changes = [(upload, values) for upload, _, values in alike]
            recorded = find_decisive(connection, [upload.number for upload, _ in changes])
            made += self._become_each(connection, recorded, state, changes)
        return made

    def _become_each(
        self,
        connection: Connection,
        recorded: Mapping[UploadNumber, Decisive],
        state: UploadState,
        changes: Sequence[tuple[UploadRecord, Mapping[str, Any]]],
    ) -> list[UploadRecord]:
        """Change the states of uploads, with other values; ``recorded`` are their facts before."""
        rows = self._change_states(connection, recorded, state, changes)
        return [
            replace(upload, **{**recorded[upload.number]._asdict(), **values})
            for (upload, _), (_, values) in zip(changes, rows, strict=True)
        ]

    def _change_states(
        self,
        connection: Connection,
        recorded: Mapping[UploadNumber, Decisive],
        state: UploadState,
        changes: Sequence[tuple[UploadRecord, Mapping[str, Any]]],
    ) -> list[tuple[int, dict[str, Any]]]:
        """Change them; return the new values by the numbers of the uploads."""
        now = self._now()
        for upload, _ in changes:
            before = recorded[upload.number].state
            # Again the same state is no mistake: a step was repeated.
            if before is not state and state not in _MAY_BECOME[before]:
                raise CatalogError(f"upload {_name(upload)} is {before} and cannot become {state}")
            if state in _FRUITLESS:
                # They are hashes of no archive.
                connection.rows("DELETE FROM parts WHERE upload = ?", (upload.number,))
        rows: list[tuple[int, dict[str, Any]]] = [
            (upload.number, {"state": state, "active": now, **values}) for upload, values in changes
        ]
        UPLOADS.update_each(connection, rows)
        return rows

    # --- finding

    async def get(self, number: UploadNumber) -> UploadRecord:
        """Return the upload with this number, as it is now."""
        return await self._database.read(lambda connection: ROWS.get(connection, number))

    async def find(self, key: VaultKey, upload_id: UploadId) -> UploadRecord | None:
        """Return the upload with this id.

        Raises:
            CatalogMismatchError: It is on record, but in another vault, account or region.
        """
        return await self._database.read(lambda connection: ROWS.find(connection, key, upload_id))

    async def find_unfinished(
        self, key: VaultKey, source: str, object_key: str | None = None
    ) -> UploadRecord | None:
        """Return the latest unfinished upload of this source to this place, of a bucket to this key."""
        return await self._find_source(key, source, object_key, _IS_UNFINISHED)

    async def find_latest(
        self, key: VaultKey, source: str, object_key: str | None = None
    ) -> UploadRecord | None:
        """Return the latest upload of this file as it is that became an archive; not an encrypted one."""
        return await self._find_source(key, source, object_key, f"state = '{UploadState.COMPLETED}'")

    async def _find_source(
        self, key: VaultKey, source: str, object_key: str | None, condition: str
    ) -> UploadRecord | None:
        values = [escape_path(source)]
        is_it = f"place = ? AND source = ? AND {condition}"
        if object_key is not None:
            is_it += " AND object_key = ?"
            values.append(escape(object_key))
        return await self._first(f"{is_it} {_LATEST}", key, *values)

    async def find_described(self, key: VaultKey, description: str) -> UploadRecord | None:
        """Return the latest upload of a stream with this description."""
        is_it = f"place = ? AND source IS NULL AND description = ? {_LATEST}"
        return await self._first(is_it, key, escape(description))

    async def _first(self, condition: str, key: VaultKey, *values: str) -> UploadRecord | None:
        found = await self._database.read(
            lambda connection: ROWS.select(connection, condition, find_vault(connection, key), *values)
        )
        return found[0] if found else None

    async def is_known(self, upload_id: UploadId) -> bool:
        """Return whether an upload with this id is on record, in any vault."""
        is_it = "upload_id = ?"
        found = await self._database.read(lambda connection: ROWS.select(connection, is_it, upload_id))
        return bool(found)

    async def list_unfinished(self, key: VaultKey | None = None) -> AsyncIterator[UploadRecord]:
        """Yield every unfinished upload, to one vault or to all, oldest first, in constant memory."""

        def page(last: UploadRecord | None, connection: Connection) -> list[UploadRecord]:
            return ROWS.page(connection, _IS_UNFINISHED, key, last)

        async for record in self._database.each(page):
            yield record

    async def list_parts(self, upload: UploadNumber) -> AsyncIterator[PartRecord]:
        """Yield the parts on record of an upload, finished or not, in order, in constant memory."""

        def page(last: PartRecord | None, connection: Connection) -> list[PartRecord]:
            rows = connection.rows(_LIST_PARTS, (upload, last.index + 1 if last else 0))
            return [
                PartRecord(index, size, hash_of(tree_hash), leaves) for index, size, tree_hash, leaves in rows
            ]

        async for record in self._database.each(page):
            yield record


#: How the latest of several is found.
_LATEST: Final = "ORDER BY number DESC LIMIT 1"


class _Made(NamedTuple):
    """An archive that an upload has become; see ``record_completed``."""

    upload: UploadRecord
    archive: Archive
    source: str | None
    is_suspect: bool
    is_told: bool
    spent: Sequence[Expense]


def _name(upload: UploadRecord) -> str:
    return upload.upload_id or f"number {upload.number} of {_source(upload)}"


def _source(upload: UploadRecord) -> str:
    return repr(upload.source) if upload.source is not None else "a stream"


def _what(size: int | None, tree_hash: bytes | None) -> str:
    return f"{size} bytes with tree hash {tree_hash.hex() if tree_hash else 'unknown'}"
