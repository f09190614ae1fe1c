"""Records of moves: which archives go where, and how far each is.

A plan is rows, so a million archives need no memory, and a name is taken once: the database refuses a second.
Each step of an archive is recorded before it is taken, so a kill leaves the state before it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.moves.moved_rows import FORGET_PARTS, PAGE, select_moved
from aioglacier.catalog.records import MovedBundle, MovedPart, MovedRecord, MoveRecord, MoveState
from aioglacier.catalog.storage.columns import count_microseconds, escape, instant_of, optional, unescape
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import MOVED, MOVED_BUNDLES, MOVES, marks
from aioglacier.catalog.vaults import all_vaults, find_vault, keep_vault
from aioglacier.core.models import Tier
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import ArchiveRecord, VaultKey
    from aioglacier.catalog.storage.backend import Connection

#: Names asked for by one statement, whose values databases limit.
_NAMES: Final = 500

#: The pages of plans that a connection has made.
_PLANNED: Final = "aioglacier.planned"

_LAST_JOB: Final = (
    "SELECT m.requested, j.tier FROM moved AS m LEFT JOIN jobs AS j ON j.job_id = m.job_id "
    "WHERE m.move = ? AND m.state = 'requested' ORDER BY m.requested DESC LIMIT 1"
)
_HOUR: Final = 3600 * 1_000_000


class Named(NamedTuple):
    """An archive of a plan, with the names to try for it, the best first; the last must be its own."""

    archive: ArchiveRecord
    names: Sequence[str]


class MoveTotals(NamedTuple):
    """The archives of a move in one state, or that failed for one cause."""

    archives: int
    size: int


class MoveWaiting(NamedTuple):
    """The jobs of a move that are under way.

    Attributes:
        since: When the first of them was asked for.
        last: When the last one that is not known to be done was asked for.
        tier: The tier of that one, if it is on record.
        ready_until: When the first output may expire.
    """

    since: datetime | None
    last: datetime | None
    tier: Tier | None
    ready_until: datetime | None


class Moves(Records):
    """The moves of a catalog, as ``Catalog.moves``."""

    async def open(self, key: VaultKey, target: str, settings: Mapping[str, Any]) -> MoveRecord:
        """Record a move, or the settings of one on record."""

        def change(connection: Connection) -> MoveRecord:
            found = _find(connection, key, target)
            if found is None:
                place, now = keep_vault(connection, key), self._now()
                row = MOVES.insert(
                    connection, place=place, target=target, settings=dict(settings), started=now
                )
            else:
                row = MOVES.update(connection, found["number"], settings=dict(settings))  # its plan stays
            return _move(row, key)

        return await self._database.write(change)

    async def find(self, key: VaultKey, target: str) -> MoveRecord | None:
        """Return the move of a vault to a target."""
        found = await self._database.read(lambda connection: _find(connection, key, target))
        return None if found is None else _move(found, key)

    async def list_all(self) -> list[MoveRecord]:
        """Return every move, oldest first."""

        def question(connection: Connection) -> list[MoveRecord]:
            keys = all_vaults(connection)
            return [
                _move(row, keys[row["place"]]) for row in MOVES.select(connection, "1 = 1 ORDER BY number")
            ]

        return await self._database.read(question)

    # --- the plan

    async def plan_failed(self, move: MoveRecord, shard: Shard = WHOLE) -> None:
        """Plan again the archives of a shard that failed."""
        failed = "SELECT m.number, a.archive_id FROM moved AS m JOIN archives AS a ON a.number = m.archive "
        planned = "UPDATE moved SET state = 'planned', outcome = '' WHERE number = ?"

        def change(connection: Connection) -> None:
            rows = connection.rows(f"{failed} WHERE m.move = ? AND m.state = 'failed'", (move.number,))
            connection.each(planned, [(number,) for number, archive_id in rows if shard.has(archive_id)])

        await self._database.write(change)

    async def forget_planned(self, move: MoveRecord) -> None:
        """Remove the archives that were only planned, before others are chosen.

        One that failed in the middle of an upload stays: its upload goes on.
        """
        is_it = "move = ? AND state = 'planned' AND upload_id IS NULL"

        def change(connection: Connection) -> None:
            parts = f"DELETE FROM moved_parts WHERE moved IN (SELECT number FROM moved WHERE {is_it})"  # noqa: S608
            connection.rows(parts, (move.number,))
            connection.rows(f"DELETE FROM moved WHERE {is_it}", (move.number,))  # noqa: S608

        await self._database.write(change)

    async def plan(
        self, move: MoveRecord, archives: Sequence[Named], *, has_folders: bool = True
    ) -> list[str]:
        """Add archives that are not part of the move; return the names that they got, in order.

        With ``has_folders``, no name is that of a folder of another one.
        """

        def change(connection: Connection) -> list[str]:
            known = _known(connection, move, [named.archive for named in archives])
            new = [named for named in archives if named.archive.number not in known]
            asked = [name for named in new for name in named.names]
            taken = _taken(connection, move, asked, has_folders)
            folders = _folders(connection, move, asked) if has_folders else set()
            rows, given = [], []
            for archive, names in new:
                free = (
                    name
                    for name in names
                    if taken.isdisjoint(_ways(name, has_folders)) and escape(name) not in folders
                )
                given.append(next(free, names[-1]))  # the last one is its id
                *above, own = _ways(given[-1], has_folders)
                taken.add(own)  # names of one call must differ, too
                folders.update(above)
                rows.append(
                    {
                        "move": move.number,
                        "archive": archive.number,
                        "size": archive.archive.size,
                        "name": given[-1],
                        "state": MoveState.PLANNED,
                        "token": secrets.token_hex(8),  # before any request, so that a kill cannot lose it
                        "outcome": "",
                        "changed": self._now(),
                    }
                )
            MOVED.insert_each(connection, rows)
            if rows and connection.dialect == "postgresql":
                _count_sometimes(connection)
            return given

        return await self._database.write(change)

    async def known(self, move: MoveRecord, archives: Sequence[ArchiveRecord]) -> Mapping[int, MoveState]:
        """Return the state of each of the archives that is part of the move."""
        return await self._database.read(lambda connection: _known(connection, move, archives))

    # --- archives on their way

    async def record(self, moved: MovedRecord, state: MoveState, **values: object) -> None:
        """Record the state of an archive, and whatever else has changed."""
        changes = {"state": state, "changed": self._now(), **values}
        await self._database.write_each(_update_moved, (moved.number, changes))

    async def get(self, move: MoveRecord, number: int) -> MovedRecord:
        """Return an archive of a move by its number."""
        question = "m.number = ?"
        (found,) = await self._database.read(
            lambda connection: select_moved(connection, move, question, number)
        )
        return found

    async def list_moved(
        self,
        move: MoveRecord,
        states: Iterable[MoveState] = tuple(MoveState),
        *,
        after: int = 0,
        shard: Shard = WHOLE,
    ) -> AsyncIterator[MovedRecord]:
        """Yield the archives of a shard in these states in the order of the plan, in constant memory."""
        values = [state.value for state in states]
        condition = f"m.state IN ({marks(len(values))}) AND m.number > ? ORDER BY m.number LIMIT {PAGE}"

        def page(last: MovedRecord | None, connection: Connection) -> list[MovedRecord]:
            first = last.number if last else after
            return select_moved(connection, move, condition, *values, first)

        async for record in self._database.each(page):
            if shard.has(record.archive.id):
                yield record

    async def asked_by_hour(
        self, move: MoveRecord, since: datetime, shard: Shard = WHOLE
    ) -> list[tuple[datetime, int]]:
        """Return how many bytes a shard asked for in each hour since a time, with the hour's beginning."""
        one_by_one = ", a.archive_id" if shard.count > 1 else ""  # a sum cannot be divided

        def question(connection: Connection) -> list[tuple[datetime, int]]:
            rows = connection.rows(
                f"SELECT m.requested / {_HOUR} AS hour, sum(a.size), min(a.archive_id) "  # noqa: S608
                "FROM moved AS m JOIN archives AS a ON a.number = m.archive "
                f"WHERE m.move = ? AND m.requested >= ? GROUP BY hour{one_by_one} ORDER BY hour",
                (move.number, count_microseconds(since)),
            )
            sizes: dict[int, int] = {}
            for hour, size, archive_id in rows:
                if shard.has(archive_id):
                    sizes[int(hour)] = sizes.get(int(hour), 0) + int(size)
            return [(instant_of(hour * _HOUR), size) for hour, size in sizes.items()]

        return await self._database.read(question)

    async def totals(self, move: MoveRecord) -> dict[MoveState, MoveTotals]:
        """Count the archives of each state, and their bytes."""
        rows = await self._sums(move, "state", "")
        return {MoveState(state): MoveTotals(count, size) for state, count, size in rows}

    async def waiting(self, move: MoveRecord) -> MoveWaiting:
        """Return what is known of the jobs under way."""

        def question(connection: Connection) -> MoveWaiting:
            ((since, until),) = connection.rows(
                "SELECT min(requested), min(ready_until) FROM moved "
                "WHERE move = ? AND state IN ('requested', 'ready', 'open', 'completing')",
                (move.number,),
            )
            last = connection.rows(_LAST_JOB, (move.number,)) or [(None, None)]
            return MoveWaiting(
                optional(instant_of, since),
                optional(instant_of, last[0][0]),
                optional(Tier, last[0][1]),
                optional(instant_of, until),
            )

        return await self._database.read(question)

    async def failures(self, move: MoveRecord) -> dict[str, MoveTotals]:
        """Count the archives that failed, by cause: the part of the outcome before the first colon."""
        found: dict[str, MoveTotals] = {}
        for outcome, count, size in await self._sums(move, "outcome", "AND state = 'failed'"):
            cause = unescape(outcome).partition(":")[0]
            had = found.get(cause, MoveTotals(0, 0))
            found[cause] = MoveTotals(had.archives + count, had.size + size)
        return found

    async def _sums(self, move: MoveRecord, column: str, condition: str) -> list[tuple[str, int, int]]:
        statement = (
            f"SELECT {column}, count(*), coalesce(sum(size), 0) FROM moved "  # noqa: S608
            f"WHERE move = ? {condition} GROUP BY {column}"
        )

        def question(connection: Connection) -> list[tuple[str, int, int]]:
            rows = connection.rows(statement, (move.number,))
            return [(value, int(count), int(size)) for value, count, size in rows]

        return await self._database.read(question)

    # --- parts of an object to be

    async def record_part(self, moved: MovedRecord, part: MovedPart) -> None:
        """Record a part that the bucket has acknowledged."""
        hashes = part.tree_hash.hex(), part.checksum.hex()
        await self._database.write_each(_keep_parts, (moved.number, part.number, *hashes, escape(part.etag)))

    async def list_parts(self, moved: MovedRecord) -> dict[int, MovedPart]:
        """Return the recorded parts by their indexes."""

        def question(connection: Connection) -> dict[int, MovedPart]:
            rows = connection.rows(
                "SELECT part_index, tree_hash, checksum, etag FROM moved_parts WHERE moved = ?",
                (moved.number,),
            )
            return {
                index: MovedPart(index, bytes.fromhex(tree_hash), bytes.fromhex(checksum), unescape(etag))
                for index, tree_hash, checksum, etag in rows
            }

        return await self._database.read(question)

    async def forget_parts(self, moved: MovedRecord) -> None:
        """Remove the parts of an upload that is over."""
        await self._database.write(lambda connection: connection.rows(FORGET_PARTS, (moved.number,)))

    # --- objects that hold several archives

    async def add_bundle(
        self, move: MoveRecord, bundle: MovedBundle, members: Iterable[tuple[MovedRecord, int]]
    ) -> MovedBundle:
        """Record a bundle that is about to become an object, and where in it each member lies."""

        def change(connection: Connection) -> MovedBundle:
            # One transaction: after a kill the bundle has all its members, or there is no bundle.
            facts = {name: value for name, value in bundle._asdict().items() if name != "number"}
            number = MOVED_BUNDLES.insert(connection, move=move.number, **facts)["number"]
            same = {"state": MoveState.COMPLETING, "bundle": number, "changed": self._now()}
            changes = [(moved.number, {**same, "position": position}) for moved, position in members]
            MOVED.update_each(connection, changes)
            return bundle._replace(number=number)

        return await self._database.write(change)

    async def find_bundle(self, number: int) -> MovedBundle | None:
        """Return a bundle by its number, ``None`` if it was removed."""
        rows = await self._database.read(
            lambda connection: MOVED_BUNDLES.select(connection, "number = ?", number)
        )
        return MovedBundle(*(rows[0][name] for name in MovedBundle._fields)) if rows else None

    async def drop_bundle(self, bundle: MovedBundle) -> None:
        """Remove a bundle that did not become an object; its members are fetched again."""

        def change(connection: Connection) -> None:
            connection.rows(
                "UPDATE moved SET state = 'ready', bundle = NULL, position = NULL WHERE bundle = ?",
                (bundle.number,),
            )
            connection.rows("DELETE FROM moved_bundles WHERE number = ?", (bundle.number,))

        await self._database.write(change)


def _update_moved(connection: Connection, changes: Sequence[tuple[int, Mapping[str, object]]]) -> list[None]:
    MOVED.update_each(connection, changes)
    return [None] * len(changes)


def _keep_parts(connection: Connection, rows: Sequence[tuple[int, int, str, str, str]]) -> list[None]:
    connection.each("DELETE FROM moved_parts WHERE moved = ? AND part_index = ?", [row[:2] for row in rows])
    connection.each("INSERT INTO moved_parts VALUES (?, ?, ?, ?, ?)", rows)
    return [None] * len(rows)


def _move(row: dict[str, Any], key: VaultKey) -> MoveRecord:
    return MoveRecord(row["number"], key, row["target"], row["settings"], row["started"])


def _find(connection: Connection, key: VaultKey, target: str) -> dict[str, Any] | None:
    found = MOVES.select(connection, "place = ?", find_vault(connection, key))
    return next((row for row in found if row["target"] == target), None)


def _known(
    connection: Connection, move: MoveRecord, archives: Sequence[ArchiveRecord]
) -> Mapping[int, MoveState]:
    if not archives:
        return {}
    statement = f"SELECT archive, state FROM moved WHERE move = ? AND archive IN ({marks(len(archives))})"  # noqa: S608
    rows = connection.rows(statement, (move.number, *(archive.number for archive in archives)))
    return {number: MoveState(state) for number, state in rows}


def _taken(connection: Connection, move: MoveRecord, names: Sequence[str], has_folders: bool) -> set[str]:
    """Return which of these names, and of the folders in them, other archives have."""
    asked = list(dict.fromkeys(way for name in names for way in _ways(name, has_folders)))
    taken: set[str] = set()
    for at in range(0, len(asked), _NAMES):
        some = asked[at : at + _NAMES]
        statement = f"SELECT name FROM moved WHERE move = ? AND name IN ({marks(len(some))})"  # noqa: S608
        taken.update(name for (name,) in connection.rows(statement, (move.number, *some)))
    return taken


def _folders(connection: Connection, move: MoveRecord, names: Sequence[str]) -> set[str]:
    """Return the folders in names of other archives, at least those that are one of these names."""
    asked = dict.fromkeys(map(escape, names))
    # "0" comes after "/", so between the two is what lies below the folder.
    statement = "SELECT min(name) FROM moved WHERE move = ? AND name >= ? AND name < ?"
    below = connection.rows_of_each(statement, [(move.number, f"{name}/", f"{name}0") for name in asked])
    return {way for (name,) in below if name is not None for way in _ways(unescape(name), True)[:-1]}


def _count_sometimes(connection: Connection) -> None:
    """Let PostgreSQL count the rows at pages 1, 2, 4, 8; otherwise it reads the whole move for each page."""
    pages = connection.notes[_PLANNED] = connection.notes.get(_PLANNED, 0) + 1
    if pages & (pages - 1) == 0:
        connection.rows("ANALYZE moved")


def _ways(name: str, has_folders: bool) -> list[str]:
    """Return a name and the folders in it, as they are kept."""
    ends = [at for at, character in enumerate(name) if character == "/"] if has_folders else []
    return [escape(name[:end]) for end in (*ends, len(name))]
