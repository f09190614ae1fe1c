"""Writing an inventory: the archives of a vault's last snapshot, as JSON or CSV, in constant memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.server.protocol import behaviour, wire_format as wire

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from aioglacier.server.state.files import Incoming
    from aioglacier.server.state.server_settings import Settings

_ROWS_AT_A_TIME: Final = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """An inventory on disk; ``marker`` leads to the next page and is ``None`` at the end."""

    file: str
    size: int
    marker: str | None


def write_inventory(
    db: sqlite3.Connection, job: sqlite3.Row, incoming: Incoming, settings: Settings
) -> Written:
    """Write the output of an inventory job into a file; blocks for a few seconds per million archives.

    Raises:
        LookupError: The vault was deleted.
        OSError: The file cannot be written.
    """
    db.execute("BEGIN")  # one view from the first row to the last
    try:
        vault = db.execute("SELECT * FROM vaults WHERE number = ?", (job["vault"],)).fetchone()
        if vault is None:
            raise LookupError("the vault was deleted")
        rows = _Rows(db, job, vault)
        form = _json_blocks if job["format"] == "JSON" else _csv_blocks
        for block in form(rows, settings.vault_arn(vault["name"]), vault["inventoried"]):
            incoming.feed([block.encode()])
        received = incoming.finish()
    finally:
        db.execute("ROLLBACK")  # nothing was written; it ends the view
    return Written(received.file, received.size, rows.next_marker)


class _Rows:
    """Reads the archives of an inventory, a thousand at a time, and the marker of the next page."""

    def __init__(self, db: sqlite3.Connection, job: sqlite3.Row, vault: sqlite3.Row) -> None:
        self._limit = wire.parse_number(job["entry_limit"] or "")
        self.next_marker: str | None = None
        self._cursor = db.execute(
            "SELECT id, description, created, size, tree_hash, number FROM archives "
            "WHERE vault = ? AND number > ? AND number <= ? "
            "AND (deleted_run IS NULL OR deleted_run >= ?) AND created >= ? AND created < ? "
            "ORDER BY number LIMIT ?",
            (
                vault["number"],
                wire.parse_marker(job["marker"]) or 0,
                vault["listed_number"],
                vault["run"],
                wire.parse_instant(job["start_date"]) if job["start_date"] else 0,
                wire.parse_instant(job["end_date"]) if job["end_date"] else 2**62,
                -1 if self._limit is None else self._limit + 1,  # one more tells whether a page follows
            ),
        )

    def __iter__(self) -> Iterator[list[sqlite3.Row]]:
        left = self._limit
        last: sqlite3.Row | None = None
        while rows := self._cursor.fetchmany(_ROWS_AT_A_TIME):
            if left is not None and len(rows) > left:
                rows, is_more = rows[:left], True
            else:
                is_more = False
            if rows:
                last = rows[-1]
                yield rows
            if is_more and last is not None:
                self.next_marker = wire.marker_for(last["number"])
                return
            if left is not None:
                left -= len(rows)


def _json_blocks(rows: _Rows, vault_arn: str, inventoried: int) -> Iterator[str]:
    yield (f'{{"VaultARN":"{vault_arn}","InventoryDate":"{wire.whole_second(inventoried)}","ArchiveList":[')
    comma = ""
    for some in rows:
        yield comma + ",".join(_json_entry(row) for row in some)
        comma = ","
    yield "]}"


def _json_entry(row: sqlite3.Row) -> str:
    archive_id, description, created, size, tree_hash, _ = row
    return (
        f'{{"ArchiveId":"{archive_id}","ArchiveDescription":{json.dumps(description or "")},'
        f'"CreationDate":"{wire.whole_second(created)}","Size":{size},"SHA256TreeHash":"{tree_hash.hex()}"}}'
    )


def _csv_blocks(rows: _Rows, vault_arn: str, inventoried: int) -> Iterator[str]:
    del vault_arn, inventoried  # CSV has no field for them
    yield f"ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash{behaviour.CSV_LINE_END}"
    for some in rows:
        yield "".join(_csv_line(row) for row in some)


def _csv_line(row: sqlite3.Row) -> str:
    archive_id, description, created, size, tree_hash, _ = row
    fields = (
        archive_id,
        _csv_field(description or ""),
        wire.whole_second(created),
        str(size),
        tree_hash.hex(),
    )
    return ",".join(fields) + behaviour.CSV_LINE_END


def _csv_field(text: str) -> str:
    # The service's own form, not RFC 4180: a quote becomes \", and a backslash stays as it is.
    if "," in text or '"' in text:
        return '"' + text.replace('"', '\\"') + '"'
    return text
