"""Records of the paths of folders: each version, its archive, and its place in the archive.

Paths are bytes as the file system has them, below the folder; a folder's ends in "/", the top's is empty. So
databases, scans and Python sort them alike. ``entry_rows`` has the rule for which version counts.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from aioglacier.catalog.folders.entry_records import (
    Entry,
    RunNumber,
    Standing,
    StoredContent,
    StoredEntry,
    TreeRecord,
)
from aioglacier.catalog.folders.entry_rows import (
    COLUMNS,
    few_pages,
    find_standings,
    in_parts,
    insert_entries,
    proven,
    select_current,
    select_places,
    select_stored,
    select_unproven,
)
from aioglacier.catalog.records import ArchiveState, UploadNumber
from aioglacier.catalog.storage.columns import unescape_path
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import marks
from aioglacier.catalog.vaults import find_vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

    from aioglacier.catalog.folders.entry_records import ContentPlace
    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import ArchiveId

T = TypeVar("T")

#: The first path of a range, and a path after the last.
PathBounds: TypeAlias = "tuple[bytes, bytes]"

#: Members read at a time: whole records, of a KiB each, and two pages are there while one follows the other.
_MEMBERS_PAGE: Final = 1000

#: A position after all members.
_FARTHEST: Final = 2**62

#: Versions with this content, by hash: of members of bundles, and of encrypted or compressed files.
_CONTENT: Final = (
    "SELECT e.size, e.content_hash, e.upload, e.position, e.stored, e.compression, e.encryption, "  # noqa: S608
    "a.archive_id, r.settings FROM entries AS e JOIN uploads AS u ON u.number = e.upload "
    "JOIN archives AS a ON a.upload = e.upload JOIN runs AS r ON r.number = e.since "
    f"WHERE a.place = ? AND {proven('e', 'u', 'a')} AND e.content_hash IN ({{}})"
)

#: Archives that are exactly this content, from any command.
_ARCHIVES: Final = (
    "SELECT size, tree_hash, upload, archive_id FROM archives "  # noqa: S608
    f"WHERE place = ? AND state = '{ArchiveState.STORED}' AND upload IS NOT NULL AND tree_hash IN ({{}})"
)

_SIZES: Final = (
    "SELECT DISTINCT a.size, coalesce(e.size, a.size) FROM archives AS a "  # noqa: S608
    "LEFT JOIN entries AS e ON e.upload = a.upload WHERE a.place = ? "
    f"AND a.state = '{ArchiveState.STORED}' AND a.upload IS NOT NULL AND coalesce(e.size, a.size) >= ?"
)

#: Proven versions with content.
_ANY: Final = (
    "SELECT e.upload FROM entries AS e JOIN uploads AS u ON u.number = e.upload "  # noqa: S608
    f"JOIN archives AS a ON a.upload = e.upload AND {proven('e', 'u', 'a')}"
)

#: Paths whose only "/" behind a position is at their end.
_IS_CHILD: Final = {
    "sqlite": "instr(substr(e.path, ?), x'2f') IN (0, length(substr(e.path, ?)))",
    "postgresql": r"position('\x2f'::bytea IN substr(e.path, ?)) IN (0, length(substr(e.path, ?)))",
}


class Entries(Records):
    """The versions of paths in a catalog, as ``Catalog.entries``."""

    async def add(self, entries: Sequence[Entry]) -> None:
        """Record versions of paths, in one transaction.

        Older versions stay: a version counts while its archive is proven and no newer one does.
        """
        if entries:
            await self._database.write(lambda connection: insert_entries(connection, entries))

    # --- for a sync

    async def current_page(self, tree: TreeRecord, after: bytes | None) -> Sequence[Any]:
        """Return the next paths that are not gone, in order: their newest versions as plain rows.

        The columns are those that a comparison needs, and the ``Standing`` of the version.
        """
        return await self._database.read(lambda connection: select_current(connection, tree.number, after))

    async def get_all(self, numbers: Sequence[int]) -> dict[int, Entry]:
        """Return versions by their rows."""

        def question(connection: Connection) -> dict[int, Entry]:
            found: dict[int, Entry] = {}
            for some in in_parts(numbers):
                statement = (
                    f"SELECT e.number, {COLUMNS} FROM entries AS e WHERE e.number IN ({marks(len(some))})"  # noqa: S608
                )
                found.update({row[0]: Entry(*row[1:]) for row in connection.rows(statement, some)})
            return found

        return await self._database.read(question) if numbers else {}

    async def devices_outside(self, tree: TreeRecord, folder: bytes) -> set[int]:
        """Return the devices of the paths on record that do not lie in a folder, whose name ends in "/"."""
        outside = "tree = ? AND until IS NULL AND (path < ? OR path >= ?)"
        values = (tree.number, folder, folder[:-1] + b"0")  # "0" comes after "/"
        rows = await self._database.read(
            lambda connection: connection.rows(f"SELECT DISTINCT device FROM entries WHERE {outside}", values)  # noqa: S608
        )
        return {device for (device,) in rows}

    async def find_content(
        self,
        key: VaultKey,
        wanted: Iterable[tuple[int, bytes]],
        *,
        encryption: str | None = None,
        recipients: Sequence[str] = (),
    ) -> dict[tuple[int, bytes], StoredContent]:
        """Return where content lies in a vault, under any path and from any command.

        Args:
            key: The vault.
            wanted: Sizes and tree hashes of contents.
            encryption: How the content must be encrypted; ``None`` for not at all.
            recipients: The exact recipients that it must be encrypted to.

        Returns:
            The content found, by size and tree hash. Each archive is proven.
        """
        pairs = set(wanted)
        hashes = sorted({tree_hash for size, tree_hash in pairs if size})
        names = set(recipients)  # content encrypted to others cannot be shared with these

        def question(connection: Connection) -> dict[tuple[int, bytes], StoredContent]:
            number = find_vault(connection, key)
            found: dict[tuple[int, bytes], StoredContent] = {}
            for at in range(0, len(hashes), 500):  # databases limit the values of a statement
                some = hashes[at : at + 500]
                for row in connection.rows(_CONTENT.format(marks(len(some))), (number, *some)):
                    size, tree_hash, *where, settings = row
                    content = StoredContent(*where)
                    sent_to = set(json.loads(settings).get("recipients", ()))
                    if content.encryption == encryption and (encryption is None or sent_to == names):
                        found[size, tree_hash] = content
                if encryption is None:
                    hexes = [tree_hash.hex() for tree_hash in some]
                    for size, hex_, upload, id_ in connection.rows(
                        _ARCHIVES.format(marks(len(some))), (number, *hexes)
                    ):
                        content = StoredContent(upload, None, None, None, None, id_)
                        found.setdefault((size, bytes.fromhex(hex_)), content)
            return found

        found = await self._database.read(question) if hashes else {}
        return {pair: content for pair, content in found.items() if pair in pairs}

    async def sizes_on_record(self, key: VaultKey, least: int) -> set[int]:
        """Return the sizes, from ``least`` on, that content in a vault has: other files are new to it.

        It goes through everything on record, so ask once for many files.
        """
        rows = await self._database.read(
            lambda connection: connection.rows(_SIZES, (find_vault(connection, key), least))
        )
        return {size for row in rows for size in row}

    async def has_plain(self, tree: TreeRecord) -> bool:
        """Return whether the service has content of a folder that is not encrypted."""
        is_plain = "e.tree = ? AND e.upload IS NOT NULL AND e.encryption IS NULL"
        found = await self._database.read(
            lambda connection: connection.rows(f"{_ANY} WHERE {is_plain} LIMIT 1", (tree.number,))
        )
        return bool(found)

    async def resting_on(
        self, key: VaultKey, archive_ids: Collection[ArchiveId] | None
    ) -> AsyncIterator[list[tuple[str, bytes, bool]]]:
        """Yield the current versions that would be lost with archives, page by page.

        Args:
            key: The vault.
            archive_ids: The archives; ``None`` for all of the vault.

        Yields:
            The root of the folder, the path, and whether an older proven version lies in another archive.
        """
        uploads = await self._database.read(lambda connection: _uploads(connection, key, archive_ids))
        roots = dict(
            await self._database.read(
                lambda connection: connection.rows(
                    "SELECT number, root FROM trees WHERE place = ?", (find_vault(connection, key),)
                )
            )
        )

        def with_others(
            tree: int, upload: int, last: tuple[StoredEntry, bool] | None, connection: Connection
        ) -> list[tuple[StoredEntry, bool]]:
            after = (last[0].entry.position, last[0].entry.path) if last is not None else None
            found = _select_in(connection, select_stored, upload, after, "e.tree = ?", (tree,))
            return [(one, _has_other(connection, one.entry, uploads)) for one in found]

        for upload in sorted(uploads):
            for tree, root in roots.items():
                async for page in self._database.pages(partial(with_others, tree, upload)):
                    yield [(unescape_path(root), one.entry.path, other) for one, other in page]

    # --- of one archive

    async def members(self, upload: UploadNumber) -> AsyncIterator[list[Entry]]:
        """Yield the versions that lie in an upload's archive by position, page by page."""
        statement = (
            f"SELECT e.number, {COLUMNS} FROM entries AS e WHERE e.upload = ? "  # noqa: S608
            # An index finds the first comparison; with the second alone, each page would begin at the
            # bundle's first member.
            "AND e.position >= ? AND (e.position > ? OR e.number > ?) "
            f"ORDER BY e.position, e.number LIMIT {_MEMBERS_PAGE}"
        )

        def page(last: tuple[int, Entry] | None, connection: Connection) -> list[tuple[int, Entry]]:
            number, position = (last[0], last[1].position or 0) if last else (0, -1)
            with few_pages(connection):
                rows = connection.rows(statement, (upload, position, position, number))
            return [(row[0], Entry(*row[1:])) for row in rows]

        async for rows in self._database.pages(page):
            yield [entry for _, entry in rows]

    async def uploads_of(self, tree: TreeRecord) -> list[UploadNumber]:
        """Return the uploads whose archives have something of a folder, oldest first."""
        rows = await self._database.read(
            lambda connection: connection.rows(
                "SELECT DISTINCT upload FROM entries WHERE tree = ? AND upload IS NOT NULL ORDER BY upload",
                (tree.number,),
            )
        )
        return [UploadNumber(number) for (number,) in rows]

    # --- what is stored

    async def stored(
        self,
        tree: TreeRecord,
        run: RunNumber | None = None,
        *,
        between: PathBounds | None = None,
        is_outline: bool = False,
        is_descending: bool = False,
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield the contents of a folder, now or at the end of a run, in the order of paths, page by page.

        That is, of each path that is not gone, the newest version whose archive is proven.

        Args:
            tree: The folder.
            run: As of which run; ``None`` for now.
            between: Only paths from the first one on, and before the second.
            is_outline: Leave out files with content, but for those that have a newer version.
            is_descending: In the opposite order.

        Raises:
            CatalogError: A record is not as it was written.
        """
        sign, order = ("<", "e.path DESC") if is_descending else (">", "e.path")
        bounds, limits = _within(between)

        def page(last: StoredEntry | None, connection: Connection) -> list[StoredEntry]:
            is_it, values = f"e.tree = ?{bounds}", (tree.number, *limits)
            if last is not None:
                is_it, values = f"{is_it} AND e.path {sign} ?", (*values, last.entry.path)
            return select_stored(connection, is_it, values, run, order, is_outline=is_outline)

        async for stored in self._database.pages(page):
            yield stored

    async def children(
        self, tree: TreeRecord, folder: bytes, run: RunNumber | None = None
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield those of ``stored`` that lie directly in one of its folders, page by page.

        ``folder`` ends in "/"; b"" is the top.
        """
        bounds, limits = _within((folder, folder[:-1] + b"0") if folder else None)  # "0" comes after "/"
        start = len(folder) + 1

        def page(last: StoredEntry | None, connection: Connection) -> list[StoredEntry]:
            is_it = f"e.tree = ?{bounds} AND e.path > ? AND {_IS_CHILD[connection.dialect]}"
            path = last.entry.path if last is not None else folder
            return select_stored(connection, is_it, (tree.number, *limits, path, start, start), run, "e.path")

        async for stored in self._database.pages(page):
            yield stored

    async def unproven(
        self, tree: TreeRecord, run: RunNumber | None = None
    ) -> AsyncIterator[list[tuple[Entry, Standing]]]:
        """Yield the paths of a folder that are not gone and have no proven version, page by page.

        Each comes as its newest version, with the standing of that.

        Raises:
            CatalogError: A record is not as it was written.
        """

        def page(last: tuple[Entry, Standing] | None, connection: Connection) -> list[tuple[Entry, Standing]]:
            sign, path = (">", last[0].path) if last else (">=", b"")
            return select_unproven(connection, f"e.tree = ? AND e.path {sign} ?", (tree.number, path), run)

        # With every archive of the folder proven there are none, and no path need be looked at.
        uploads = await self.uploads_of(tree)
        standings = await self._database.read(lambda connection: find_standings(connection, uploads))
        if all(standing is Standing.PROVEN for standing in standings.values()):
            return
        async for unproven in self._database.pages(page):
            yield unproven

    async def stored_in(
        self,
        tree: TreeRecord,
        upload: UploadNumber,
        run: RunNumber | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
        between: PathBounds | None = None,
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield those of ``stored`` that lie in one archive, in the order of positions, page by page.

        Args:
            tree: The folder.
            upload: The upload of the archive.
            run: As of which run; ``None`` for now.
            start: Only members that begin here or later; of an archive that is one file, 0.
            stop: Only members that begin before this.
            between: Only paths from the first one on, and before the second.
        """
        bounds, limits = _within(between)
        is_it, values = f"e.tree = ?{bounds}", (tree.number, *limits)

        def page(last: StoredEntry | None, connection: Connection) -> list[StoredEntry]:
            after = (last.entry.position, last.entry.path) if last is not None else None
            return _select_in(connection, select_stored, upload, after, is_it, values, run, start, stop)

        async for stored in self._database.pages(page):
            yield stored

    async def places_in(
        self, tree: TreeRecord, upload: UploadNumber, run: RunNumber | None = None
    ) -> AsyncIterator[list[ContentPlace]]:
        """Yield the places of files with content of ``stored_in``, page by page, for a plan."""

        def page(last: ContentPlace | None, connection: Connection) -> list[ContentPlace]:
            after = (last.position, last.path) if last is not None else None
            return _select_in(connection, select_places, upload, after, "e.tree = ?", (tree.number,), run)

        async for places in self._database.pages(page):
            yield places

    async def stored_at(self, tree: TreeRecord, path: bytes, run: RunNumber | None) -> StoredEntry | None:
        """Return the stored version of a path, now or at the end of a run."""
        found = await self._database.read(
            lambda connection: select_stored(
                connection, "e.tree = ? AND e.path = ?", (tree.number, path), run, "e.since"
            )
        )
        return found[-1] if found else None


def _select_in(
    connection: Connection,
    select: Callable[[Connection, str, Sequence[object], int | None, str], list[T]],
    upload: int,
    after: tuple[int | None, bytes] | None,
    is_it: str,
    values: Sequence[object],
    run: int | None = None,
    start: int = 0,
    stop: int | None = None,
) -> list[T]:
    """Return one page of the versions of a folder in one archive, in the order of positions and paths.

    A statement for each of both kinds, each with a range that the index of uploads and positions finds: one
    for both would go through all members for each page.
    """
    position, path = after or (None, b"")
    if position is None and not start:  # an archive that is one file, of any number of paths
        plain = "coalesce(e.path, '')"  # or SQLite would go through all paths of the folder in their order
        of_file = f"{is_it} AND e.upload = ? AND e.position IS NULL AND {plain} > ?"
        if found := select(connection, of_file, (*values, upload, path), run, plain):
            return found
    at, path = (start, b"") if position is None else (position, path)
    of_bundle = (
        f"{is_it} AND e.upload = ? AND e.position >= ? AND e.position < ? AND (e.position > ? OR e.path > ?)"
    )
    given = (*values, upload, at, _FARTHEST if stop is None else stop, at, path)
    return select(connection, of_bundle, given, run, "e.position, e.path")


def _within(between: PathBounds | None) -> tuple[str, PathBounds | tuple[()]]:
    """Return the condition that a path lies between two, and its values."""
    return (" AND e.path >= ? AND e.path < ?", between) if between is not None else ("", ())


def _uploads(connection: Connection, key: VaultKey, archive_ids: Collection[ArchiveId] | None) -> set[int]:
    """Return the uploads of some archives of a vault, or of all, that folders have something in."""
    number = find_vault(connection, key)
    all_ = (
        "SELECT a.archive_id, b.upload FROM archives AS a JOIN bundles AS b ON b.upload = a.upload "
        "WHERE a.place = ? UNION SELECT a.archive_id, e.upload FROM archives AS a "
        "JOIN entries AS e ON e.upload = a.upload WHERE a.place = ?"
    )
    rows = connection.rows(all_, (number, number))
    return {upload for archive_id, upload in rows if archive_ids is None or archive_id in archive_ids}


def _has_other(connection: Connection, entry: Entry, uploads: set[int]) -> bool:
    """Return whether a path has a proven version elsewhere than in the archives of some uploads."""
    is_it = "e.tree = ? AND e.path = ? AND e.since <> ?"
    rows = connection.rows(f"{_ANY} WHERE {is_it}", (entry.tree, entry.path, entry.since))
    return any(upload not in uploads for (upload,) in rows)
