"""What is recorded of folders: their paths, version by version, and in which archive each lies where.

A row is one version of one path. It is current as long as no later run has ended it, and it counts as soon
as the upload that it names is completed, if it names one: the members of a bundle are recorded while it is
on its way, and become valid all at once, by the one record of the upload.

So what a kill leaves are rows of an upload that is not completed. Whoever settles that upload removes them,
before anything else looks at the folder.

Paths are bytes as the file system has them, below the folder; a folder's ends in "/", the top's is empty.
Then databases, scans and Python sort them alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from aioglacier.catalog.folders.entry_records import (
    BundleRecord,
    Entry,
    Expense,
    RunNumber,
    StoredEntry,
    TreeNumber,
    TreeRecord,
)
from aioglacier.catalog.folders.entry_rows import (
    COLUMNS,
    COUNTING,
    end_entries,
    few_pages,
    insert_entries,
    select_current,
    select_stored,
)
from aioglacier.catalog.records import ArchiveKind, UploadNumber, UploadState
from aioglacier.catalog.storage.tables import ARCHIVES, BUNDLES, ENTRIES, RUNS, SPENT, TREES, UPLOADS
from aioglacier.catalog.vaults import find_place, keep_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.sql import ColumnElement

    from aioglacier.catalog.records import Place
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.database import Database

#: Members read at a time: whole records, of a KiB each, and two pages are there while one follows the other.
_MEMBERS_PAGE: Final = 1000


class Entries:
    """The folders of a catalog, as ``Catalog.entries``."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    # --- folders and runs

    async def open_tree(self, place: Place, root: str) -> TreeRecord:
        """The record of a folder in a vault, made if there is none."""

        def change(connection: Connection) -> TreeRecord:
            number = keep_place(connection, place)
            is_it = (TREES.c.place == number) & (TREES.c.root == root)
            if not connection.alchemy.scalar(select(TREES.c.number).where(is_it)):
                connection.alchemy.execute(
                    insert(TREES).values(place=number, root=root, settings="{}", created=self._now())
                )
            return _trees(connection, place, is_it)[0]

        return await self._database.write(change)

    async def list_trees(self, place: Place) -> list[TreeRecord]:
        """The folders that are kept in a vault."""
        return await self._database.read(
            lambda connection: _trees(connection, place, TREES.c.place == find_place(connection, place))
        )

    async def forget(self, tree: TreeRecord) -> None:
        """Remove the record of a folder of which nothing has been archived, or may have been."""

        def change(connection: Connection) -> None:
            is_of_it = BUNDLES.c.tree == tree.number
            has_begun = (
                select(UPLOADS.c.number)
                .join(BUNDLES, BUNDLES.c.upload == UPLOADS.c.number)
                .where(is_of_it, UPLOADS.c.state.in_((UploadState.OPEN, *COUNTING)))
                .exists()
            )
            has_some = select(ENTRIES.c.number).where(ENTRIES.c.tree == tree.number).exists()
            if connection.alchemy.scalar(select(has_begun | has_some)):
                return
            connection.alchemy.execute(delete(BUNDLES).where(is_of_it))
            connection.alchemy.execute(delete(RUNS).where(RUNS.c.tree == tree.number))
            connection.alchemy.execute(delete(TREES).where(TREES.c.number == tree.number))

        await self._database.write(change)

    async def begin_run(
        self,
        tree: TreeRecord,
        kind: str,
        settings: Mapping[str, Any],
        *,
        target: str | None = None,
        started: datetime | None = None,
    ) -> RunNumber:
        """Record that a ``sync``, ``restore`` or ``verify`` begins, or began at a time of long ago."""

        def change(connection: Connection) -> RunNumber:
            made = connection.alchemy.execute(
                insert(RUNS)
                .values(
                    place=keep_place(connection, tree.place),
                    tree=tree.number,
                    kind=kind,
                    state="open",
                    target=target,
                    settings=json.dumps(dict(settings)),
                    counters="{}",
                    outcome="",
                    started=started or self._now(),
                )
                .returning(RUNS.c.number)
            )
            return RunNumber(made.scalar_one())

        return await self._database.write(change)

    async def end_run(
        self,
        tree: TreeRecord,
        run: RunNumber,
        *,
        counters: Mapping[str, Any],
        outcome: str = "",
        spent: Expense | None = None,
    ) -> None:
        """Record how a run ended, and what it cost; one without an ``outcome`` came to its end."""
        now = self._now()

        def change(connection: Connection) -> None:
            connection.alchemy.execute(
                update(RUNS)
                .where(RUNS.c.number == run)
                .values(
                    state="failed" if outcome else "completed",
                    counters=json.dumps(dict(counters)),
                    outcome=outcome,
                    ended=now,
                )
            )
            if spent is not None and spent.requests:
                connection.alchemy.execute(
                    insert(SPENT).values(
                        place=keep_place(connection, tree.place),
                        run=run,
                        operation=spent.operation,
                        day=now.replace(hour=0, minute=0, second=0, microsecond=0),
                        requests=spent.requests,
                        sent=spent.sent,
                        received=spent.received,
                        price=None if spent.price is None else round(spent.price * 1_000_000),
                        currency=spent.currency,
                    )
                )
            is_sync = select(RUNS.c.number).where(RUNS.c.number == run, RUNS.c.kind == "sync").exists()
            if not outcome:
                connection.alchemy.execute(
                    update(TREES).where(TREES.c.number == tree.number, is_sync).values(last_run=run)
                )

        await self._database.write(change)

    async def find_run(self, tree: TreeRecord, until: datetime) -> RunNumber | None:
        """The last ``sync`` of a folder that had begun at a time."""

        def question(connection: Connection) -> RunNumber | None:
            return connection.alchemy.scalar(
                select(RUNS.c.number)
                .where(RUNS.c.tree == tree.number, RUNS.c.kind == "sync", RUNS.c.started <= until)
                .order_by(RUNS.c.number.desc())
                .limit(1)
            )

        return await self._database.read(question)

    async def stopped_settings(self, tree: TreeRecord, kind: str) -> dict[str, Any]:
        """The settings of the latest run of a kind, if it did not come to its end; else none."""

        def question(connection: Connection) -> dict[str, Any]:
            row = connection.alchemy.execute(
                select(RUNS.c.state, RUNS.c.settings)
                .where(RUNS.c.tree == tree.number, RUNS.c.kind == kind)
                .order_by(RUNS.c.number.desc())
                .limit(1)
            ).first()
            return {} if row is None or row.state == "completed" else json.loads(row.settings)

        return await self._database.read(question)

    async def recipients(self, tree: TreeRecord, *, is_last: bool = False) -> list[str]:
        """To whom files of a folder were encrypted, by any ``sync`` or by the last one."""

        def question(connection: Connection) -> list[str]:
            runs = (
                select(RUNS.c.settings)
                .where(RUNS.c.tree == tree.number, RUNS.c.kind == "sync")
                .order_by(RUNS.c.number.desc())
            )
            names: dict[str, None] = {}
            for settings in connection.alchemy.scalars(runs.limit(1) if is_last else runs):
                names |= dict.fromkeys(json.loads(settings).get("recipients", ()))
            return list(names)

        return await self._database.read(question)

    # --- recording

    async def add(self, entries: Sequence[Entry]) -> None:
        """Record versions of paths, in one transaction."""
        if entries:
            await self._database.write(lambda connection: insert_entries(connection, entries))

    async def replace(self, numbers: Sequence[int], entries: Sequence[Entry], run: RunNumber) -> None:
        """End versions with a run, and record others in their place, in one transaction."""

        def change(connection: Connection) -> None:
            end_entries(connection, numbers, run)
            if entries:
                insert_entries(connection, entries)

        if numbers or entries:
            await self._database.write(change)

    async def record_bundle(self, tree: TreeRecord, run: RunNumber, bundle: BundleRecord) -> None:
        """Record that an upload takes files of a folder, or what is known of it in the end."""

        def change(connection: Connection) -> None:
            values = {
                "members": bundle.members,
                "content_size": bundle.content_size,
                "index_position": bundle.index_position,
                "index_size": bundle.index_size,
                "format": bundle.format,
                "compression": bundle.compression,
                "encryption": bundle.encryption,
                "tree": tree.number,
                "run": run,
            }
            is_it = BUNDLES.c.upload == bundle.upload
            if not connection.alchemy.execute(update(BUNDLES).where(is_it).values(values)).rowcount:
                connection.alchemy.execute(insert(BUNDLES).values(upload=bundle.upload, **values))

        await self._database.write(change)

    async def finish_bundle(self, upload: UploadNumber, ended: Sequence[int], run: RunNumber) -> None:
        """Once an upload is completed: end the versions that its members take the place of."""

        def change(connection: Connection) -> None:
            end_entries(connection, ended, run)
            connection.alchemy.execute(
                update(ARCHIVES).where(ARCHIVES.c.upload == upload).values(kind=ArchiveKind.BUNDLE)
            )

        await self._database.write(change)

    # --- after a stop

    async def unfinished(self, tree: TreeRecord) -> list[BundleRecord]:
        """The archives of a folder whose uploads have not come to an end."""

        def question(connection: Connection) -> list[BundleRecord]:
            rows = connection.alchemy.execute(
                select(BUNDLES.c.upload, BUNDLES.c.format, BUNDLES.c.compression, BUNDLES.c.encryption)
                .join(UPLOADS, UPLOADS.c.number == BUNDLES.c.upload)
                .where(
                    BUNDLES.c.tree == tree.number,
                    UPLOADS.c.state.in_((UploadState.INTENT, UploadState.OPEN, UploadState.COMPLETING)),
                )
                .order_by(BUNDLES.c.upload)
            )
            return [BundleRecord(*row) for row in rows]

        return await self._database.read(question)

    async def drop(self, upload: UploadNumber) -> None:
        """Remove what was recorded of an upload that has come to nothing, or begins anew."""

        def change(connection: Connection) -> None:
            connection.alchemy.execute(delete(ENTRIES).where(ENTRIES.c.upload == upload))
            connection.alchemy.execute(delete(BUNDLES).where(BUNDLES.c.upload == upload))

        await self._database.write(change)

    async def mend(self, tree: TreeRecord) -> int:
        """Remove versions without an archive to come, and end those that a later one has taken the place of.

        For a folder whose last run was stopped, before anything else looks at it. Returns how many.
        """
        later = ENTRIES.alias("later")

        def change(connection: Connection) -> int:
            dead = select(UPLOADS.c.number).where(
                UPLOADS.c.number == ENTRIES.c.upload, UPLOADS.c.state.not_in(COUNTING)
            )
            count = connection.alchemy.execute(
                delete(ENTRIES).where(ENTRIES.c.tree == tree.number, dead.exists())
            ).rowcount
            following = (
                select(later.c.since)
                .where(
                    later.c.tree == ENTRIES.c.tree,
                    later.c.path == ENTRIES.c.path,
                    later.c.since > ENTRIES.c.since,
                )
                .order_by(later.c.since)
                .limit(1)
                .scalar_subquery()
            )
            ended = connection.alchemy.execute(
                update(ENTRIES)
                .where(ENTRIES.c.tree == tree.number, ENTRIES.c.until.is_(None), following.is_not(None))
                .values(until=following)
            ).rowcount
            return count + ended

        return await self._database.write(change)

    async def last_run_state(self, tree: TreeRecord) -> str | None:
        """The state of the latest ``sync``."""
        return await self._database.read(
            lambda connection: connection.alchemy.scalar(
                select(RUNS.c.state)
                .where(RUNS.c.tree == tree.number, RUNS.c.kind == "sync")
                .order_by(RUNS.c.number.desc())
                .limit(1)
            )
        )

    # --- reading

    async def current_page(self, tree: TreeRecord, after: bytes | None) -> Sequence[Any]:
        """The next current versions in the order of paths, as plain rows of what a comparison needs."""
        return await self._database.read(lambda connection: select_current(connection, tree.number, after))

    async def get_all(self, numbers: Sequence[int]) -> dict[int, Entry]:
        """Versions by their rows."""

        def question(connection: Connection) -> dict[int, Entry]:
            found: dict[int, Entry] = {}
            for at in range(0, len(numbers), 500):
                some = numbers[at : at + 500]
                rows = connection.alchemy.execute(
                    select(ENTRIES.c.number, *COLUMNS).where(ENTRIES.c.number.in_(some))
                )
                found.update({row[0]: Entry(*row[1:]) for row in rows})
            return found

        return await self._database.read(question) if numbers else {}

    async def members(self, upload: UploadNumber) -> AsyncIterator[list[Entry]]:
        """The members of an upload's archive in the order of their positions, page by page."""
        last = -1

        def question(connection: Connection) -> list[Entry]:
            with few_pages(connection):
                rows = connection.alchemy.execute(
                    select(*COLUMNS)
                    .where(ENTRIES.c.upload == upload, ENTRIES.c.position > last)
                    .order_by(ENTRIES.c.position)
                    .limit(_MEMBERS_PAGE)
                )
                return [Entry(*row) for row in rows]

        while page := await self._database.read(question):
            yield page
            last = page[-1].position or 0

    async def uploads_of(self, tree: TreeRecord) -> list[UploadNumber]:
        """The uploads whose archives have something of a folder, oldest first."""
        return await self._database.read(
            lambda connection: [
                UploadNumber(number)
                for number in connection.alchemy.scalars(
                    select(ENTRIES.c.upload)
                    .where(ENTRIES.c.tree == tree.number, ENTRIES.c.upload.is_not(None))
                    .distinct()
                    .order_by(ENTRIES.c.upload)
                )
            ]
        )

    async def stored(
        self, tree: TreeRecord, run: RunNumber | None = None, *, is_descending: bool = False
    ) -> AsyncIterator[list[StoredEntry]]:
        """What a folder holds, or held at the end of a run, in the order of paths, page by page.

        Raises:
            CatalogError: A record is not as it was written.
        """
        last: bytes | None = None

        def question(connection: Connection) -> list[StoredEntry]:
            is_it = ENTRIES.c.tree == tree.number
            if last is not None:
                is_it &= ENTRIES.c.path < last if is_descending else ENTRIES.c.path > last
            order = ENTRIES.c.path.desc() if is_descending else ENTRIES.c.path
            return select_stored(connection, is_it, run, order)

        while page := await self._database.read(question):
            yield page
            last = page[-1].entry.path

    async def stored_in(
        self,
        tree: TreeRecord,
        upload: UploadNumber,
        run: RunNumber | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> AsyncIterator[list[StoredEntry]]:
        """What of that lies in one archive, in the order of positions, page by page.

        Args:
            tree: The folder.
            upload: The upload of the archive.
            run: As of which run; ``None`` for now.
            start: Only members that begin here or later; of an archive that is one file, 0.
            stop: Only members that begin before this.
        """
        last = start - 1

        def question(connection: Connection) -> list[StoredEntry]:
            position = func.coalesce(ENTRIES.c.position, 0)
            is_it = (ENTRIES.c.tree == tree.number) & (ENTRIES.c.upload == upload) & (position > last)
            if stop is not None:
                is_it &= position < stop
            return select_stored(connection, is_it, run, position)

        while page := await self._database.read(question):
            yield page
            last = page[-1].entry.position or 0

    async def stored_at(self, tree: TreeRecord, path: bytes, run: RunNumber | None) -> StoredEntry | None:
        """What there is, or was at the end of a run, at a path."""
        found = await self._database.read(
            lambda connection: select_stored(
                connection,
                (ENTRIES.c.tree == tree.number) & (ENTRIES.c.path == path),
                run,
                ENTRIES.c.since,
            )
        )
        return found[-1] if found else None


def _trees(connection: Connection, place: Place, condition: ColumnElement[bool]) -> list[TreeRecord]:
    rows = connection.alchemy.execute(
        select(TREES.c.number, TREES.c.root, TREES.c.last_run).where(condition).order_by(TREES.c.root)
    )
    return [TreeRecord(TreeNumber(row.number), place, row.root, row.last_run) for row in rows]


__all__ = [
    "BundleRecord",
    "Entries",
    "Entry",
    "Expense",
    "RunNumber",
    "StoredEntry",
    "TreeNumber",
    "TreeRecord",
]
