"""Records of the lines of a move's manifest, each of which proves that an archive is at the target.

A line is chained to the one before it, so lines get their numbers in one transaction with the states.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.catalog.moves.moved_rows import FORGET_PARTS, PAGE, select_moved
from aioglacier.catalog.records import MoveState
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import MOVED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aioglacier.catalog.records import MovedBundle, MovedRecord, MoveRecord
    from aioglacier.catalog.storage.backend import Connection


class ManifestLines(Records):
    """The lines of the manifests of a catalog's moves, as ``Catalog.manifest_lines``."""

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
            found = select_moved(connection, move, condition, bundle.number)
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
                found = select_moved(
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
        connection.each(FORGET_PARTS, [(moved.number,) for _, moved, _ in given])
        return [None] * len(given)

    async def last_number(self, move: MoveRecord) -> int:
        """Return the number of the last line of the manifest, 0 without one."""
        rows = await self._database.read(
            lambda connection: connection.rows(
                "SELECT coalesce(max(line_number), 0) FROM moved WHERE move = ?", (move.number,)
            )
        )
        return int(rows[0][0])

    async def list_all(self, move: MoveRecord, after: int = 0) -> AsyncIterator[MovedRecord]:
        """Yield the archives with lines in the manifest, in its order, in constant memory."""
        condition = f"m.line_number > ? ORDER BY m.line_number LIMIT {PAGE}"

        def page(last: MovedRecord | None, connection: Connection) -> list[MovedRecord]:
            first = last.line_number if last else after
            return select_moved(connection, move, condition, first)

        async for record in self._database.each(page):
            yield record
