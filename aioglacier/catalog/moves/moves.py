"""Records of moves: which archives go where, how far each is, and the lines that prove it.

A plan is rows, so a million archives need no memory, and a name is taken once: the database refuses a second.
Each step of an archive is recorded before it is taken, so a kill leaves the state before it.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.archive_rows import is_sound, known_archive
from aioglacier.catalog.records import (
    ArchiveState,
    MovedBundle,
    MovedPart,
    MovedRecord,
    MoveRecord,
    MoveState,
)
from aioglacier.catalog.storage.columns import count_microseconds, escape, instant_of, optional, unescape
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import MOVED, MOVED_BUNDLES, MOVES, marks
from aioglacier.catalog.vaults import all_vaults, find_vault, keep_vault
from aioglacier.core.models import Archive, ArchiveId, Tier
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import ArchiveRecord, VaultKey
    from aioglacier.catalog.storage.backend import Connection

#: Names asked for by one statement, whose values databases limit.
_NAMES: Final = 500

#: Rows read at a time.
_PAGE: Final = 250

_COLUMNS: Final = (
    "m.number, m.name, m.state, m.job_id, m.requested, m.ready_until, m.token, m.upload_id, m.part_size, "
    "m.outcome, m.line_number, m.line, m.bundle, m.position, a.state, "
    "a.number, a.archive_id, a.size, a.tree_hash, a.description, a.created, a.checksum"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM moved AS m JOIN archives AS a ON a.number = m.archive"  # noqa: S608  # names of ours
_FORGET_PARTS: Final = "DELETE FROM moved_parts WHERE moved = ?"
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
        last: When the last that is not known to be done was asked for.
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
                row = MOVES.update(connection, found["number"], settings=dict(settings))
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
        """Plan the archives of a shard again that failed."""
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
            taken = _taken(connection, move, [name for named in new for name in named.names], has_folders)
            rows, given = [], []
            for archive, names in new:
                free = (name for name in names if taken.isdisjoint(_ways(name, has_folders)))
                given.append(next(free, names[-1]))
                taken.add(escape(given[-1]))
                rows.append(
                    {
                        "move": move.number,
                        "archive": archive.number,
                        "name": given[-1],
                        "state": MoveState.PLANNED,
                        "token": secrets.token_hex(8),
                        "outcome": "",
                        "changed": self._now(),
                    }
                )
            MOVED.insert_each(connection, rows)
            return given

        return await self._database.write(change)

    async def known(self, move: MoveRecord, archives: Sequence[ArchiveRecord]) -> Mapping[int, MoveState]:
        """Return the states of those of the archives that are part of the move."""
        return await self._database.read(lambda connection: _known(connection, move, archives))

    # --- archives on their way

    async def record(self, moved: MovedRecord, state: MoveState, **values: object) -> None:
        """Record the state of an archive, and whatever else has changed."""
        changes = {"state": state, "changed": self._now(), **values}
        await self._database.write_each(_update_moved, (moved.number, changes))

    async def get(self, move: MoveRecord, number: int) -> MovedRecord:
        """Return an archive of a move by its number."""
        question = "m.number = ?"
        (found,) = await self._database.read(lambda connection: _select(connection, move, question, number))
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
        condition = f"m.state IN ({marks(len(values))}) AND m.number > ? ORDER BY m.number LIMIT {_PAGE}"

        def page(last: MovedRecord | None, connection: Connection) -> list[MovedRecord]:
            first = last.number if last else after
            return _select(connection, move, condition, *values, first)

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
        rows = await self._sums(move, "m.state", "")
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
        for outcome, count, size in await self._sums(move, "m.outcome", "AND m.state = 'failed'"):
            cause = unescape(outcome).partition(":")[0]
            had = found.get(cause, MoveTotals(0, 0))
            found[cause] = MoveTotals(had.archives + count, had.size + size)
        return found

    async def _sums(self, move: MoveRecord, column: str, condition: str) -> list[tuple[str, int, int]]:
        statement = (
            f"SELECT {column}, count(*), coalesce(sum(a.size), 0) FROM moved AS m "  # noqa: S608
            f"JOIN archives AS a ON a.number = m.archive WHERE m.move = ? {condition} GROUP BY {column}"
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
        await self._database.write(lambda connection: connection.rows(_FORGET_PARTS, (moved.number,)))

    # --- objects that hold several archives

    async def add_bundle(
        self, move: MoveRecord, bundle: MovedBundle, members: Iterable[tuple[MovedRecord, int]]
    ) -> MovedBundle:
        """Record a bundle that is about to become an object, and where in it each member lies."""

        def change(connection: Connection) -> MovedBundle:
            facts = {name: value for name, value in bundle._asdict().items() if name != "number"}
            number = MOVED_BUNDLES.insert(connection, move=move.number, **facts)["number"]
            for moved, position in members:
                at = {"bundle": number, "position": position, "changed": self._now()}
                MOVED.update(connection, moved.number, state=MoveState.COMPLETING, **at)
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

    # --- the manifest

    async def prove(
        self, move: MoveRecord, moved: MovedRecord, write_line: Callable[[int, str | None], str]
    ) -> None:
        """Record that an archive is at the target, with the next line of the manifest.

        ``write_line`` gets the number of the line and the line before it.
        """
        await self._database.write_each(self._prove_each, (move, moved, write_line))

    async def prove_bundle(
        self, move: MoveRecord, bundle: MovedBundle, write_line: Callable[[MovedRecord, int, str | None], str]
    ) -> list[MovedRecord]:
        """Record that the members of a bundle are at the target; return those that have no line yet."""

        def change(connection: Connection) -> list[MovedRecord]:
            condition = "m.bundle = ? AND m.line_number IS NULL ORDER BY m.position"
            found = _select(connection, move, condition, bundle.number)
            self._prove_each(connection, [(move, moved, partial(write_line, moved)) for moved in found])
            return found

        return await self._database.write(change)

    def _prove_each(
        self,
        connection: Connection,
        given: Sequence[tuple[MoveRecord, MovedRecord, Callable[[int, str | None], str]]],
    ) -> list[None]:
        changes = []
        lasts: dict[int, tuple[int, str | None]] = {}  # the number and the text of each move's last line
        for move, moved, write_line in given:
            if move.number not in lasts:
                found = _select(
                    connection, move, "m.line_number IS NOT NULL ORDER BY m.line_number DESC LIMIT 1"
                )
                lasts[move.number] = (found[0].line_number or 0, found[0].line) if found else (0, None)
            number, before = lasts[move.number]
            number, line = number + 1, write_line(number + 1, before)
            lasts[move.number] = number, line
            values = {
                "state": MoveState.PROVEN,
                "upload_id": None,
                "outcome": "",
                "line_number": number,
                "line": line,
                "changed": self._now(),
            }
            changes.append((moved.number, values))
        MOVED.update_each(connection, changes)
        connection.each(_FORGET_PARTS, [(moved.number,) for _, moved, _ in given])
        return [None] * len(given)

    async def last_line_number(self, move: MoveRecord) -> int:
        """Return the number of the last line of the manifest, 0 without one."""
        rows = await self._database.read(
            lambda connection: connection.rows(
                "SELECT coalesce(max(line_number), 0) FROM moved WHERE move = ?", (move.number,)
            )
        )
        return int(rows[0][0])

    async def list_lines(self, move: MoveRecord, after: int = 0) -> AsyncIterator[MovedRecord]:
        """Yield the archives with lines in the manifest, in its order, in constant memory."""
        condition = f"m.line_number > ? ORDER BY m.line_number LIMIT {_PAGE}"

        def page(last: MovedRecord | None, connection: Connection) -> list[MovedRecord]:
            first = last.line_number if last else after
            return _select(connection, move, condition, first)

        async for record in self._database.each(page):
            yield record


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
    """Return which of these names, and of those of folders on their ways, other archives have."""
    asked = list(dict.fromkeys(way for name in names for way in _ways(name, has_folders)))
    taken: set[str] = set()
    for at in range(0, len(asked), _NAMES):
        some = asked[at : at + _NAMES]
        statement = f"SELECT name FROM moved WHERE move = ? AND name IN ({marks(len(some))})"  # noqa: S608
        taken.update(name for (name,) in connection.rows(statement, (move.number, *some)))
    return taken


def _ways(name: str, has_folders: bool) -> list[str]:
    """Return a name and those of the folders on its way, as they are kept."""
    ends = [at for at, character in enumerate(name) if character == "/"] if has_folders else []
    return [escape(name[:end]) for end in (*ends, len(name))]


def _select(connection: Connection, move: MoveRecord, condition: str, *values: object) -> list[MovedRecord]:
    rows = connection.rows(f"{_SELECT} WHERE m.move = ? AND {condition}", (move.number, *values))
    return [_moved(row, move.key.vault) for row in rows]


def _moved(row: tuple[Any, ...], vault: str) -> MovedRecord:
    (
        number, name, state, job_id, requested, ready_until, token, upload_id, part_size, outcome,
        line_number, line, bundle, position, archive_state, *facts,
    ) = row  # fmt: skip
    known = known_archive(*facts)
    archive = Archive(
        id=ArchiveId(known.archive_id),
        vault=vault,
        size=known.size,
        tree_hash=known.tree_hash,
        description=known.description,
        created=known.created,
    )
    return MovedRecord(
        number=number,
        archive=archive,
        archive_state=ArchiveState(archive_state) if is_sound(known) else ArchiveState.SUSPECT,
        name=unescape(name),
        state=MoveState(state),
        job_id=job_id,
        requested=optional(instant_of, requested),
        ready_until=optional(instant_of, ready_until),
        token=token,
        upload_id=upload_id,
        part_size=part_size,
        outcome=unescape(outcome),
        line_number=line_number,
        line=optional(unescape, line),
        bundle=bundle,
        position=position,
    )
