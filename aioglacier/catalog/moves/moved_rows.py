"""Rows of archives that are part of a move: how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aioglacier.catalog.archive_rows import is_sound, known_archive
from aioglacier.catalog.records import ArchiveState, MovedRecord, MoveState
from aioglacier.catalog.storage.columns import instant_of, optional, unescape
from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from aioglacier.catalog.records import MoveRecord
    from aioglacier.catalog.storage.backend import Connection

#: Rows read at a time.
PAGE: Final = 250

#: Removes the parts of an upload that is over.
FORGET_PARTS: Final = "DELETE FROM moved_parts WHERE moved = ?"

_COLUMNS: Final = (
    "m.number, m.name, m.state, m.job_id, m.requested, m.ready_until, m.token, m.upload_id, m.part_size, "
    "m.outcome, m.line_number, m.line, m.bundle, m.position, a.state, "
    "a.number, a.archive_id, a.size, a.tree_hash, a.description, a.created, a.checksum"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM moved AS m JOIN archives AS a ON a.number = m.archive"  # noqa: S608  # names of ours


def select_moved(
    connection: Connection, move: MoveRecord, condition: str, *values: object
) -> list[MovedRecord]:
    """Return the archives of a move that meet a condition; ``m`` are its rows, ``a`` the archives'."""
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
