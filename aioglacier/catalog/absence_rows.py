"""Rows about archives of vaults that are on no record, and that the service no longer has.

A kill can leave an archive whose id is lost until the service repeats it to another completion, or an
inventory lists it. Meanwhile the archive may be deleted by its id, or a request for it may fail. That waits
here, and decides the state of the archive in the transaction that records it.

The key of an object in a bucket is given again, so its absence says nothing about the next object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog.records import ArchiveState
from aioglacier.catalog.storage.tables import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.catalog.storage.backend import Connection


def note_absence(
    connection: Connection, place: int, archive_id: str, state: ArchiveState, noticed: int
) -> None:
    """Record the state of an archive that is on no record; a doubt says less than a deletion.

    Args:
        connection: The connection that writes.
        place: The number of the vault.
        archive_id: The archive.
        state: Suspect, deleting or deleted.
        noticed: The instant, as columns keep it.
    """
    connection.rows(
        "INSERT INTO absences (place, archive_id, state, noticed) VALUES (?, ?, ?, ?) "  # noqa: S608  # states of ours
        "ON CONFLICT (place, archive_id) DO UPDATE SET state = excluded.state, noticed = excluded.noticed "
        f"WHERE absences.state = '{ArchiveState.SUSPECT}' OR excluded.state <> '{ArchiveState.SUSPECT}'",
        (place, archive_id, state.value, noticed),
    )


def forget_absence(connection: Connection, place: int, archive_id: str) -> None:
    """Remove the row of an archive whose deletion the service has refused."""
    connection.rows("DELETE FROM absences WHERE place = ? AND archive_id = ?", (place, archive_id))


def apply_absences(connection: Connection, place: int, archive_ids: Sequence[str]) -> dict[str, ArchiveState]:
    """Give some archives that were just recorded the states that waited for them; return those states.

    A doubt that is older than an inventory that lists the archive is over.
    """
    if not archive_ids or not connection.rows("SELECT 1 FROM absences WHERE place = ? LIMIT 1", (place,)):
        return {}
    found = f"place = ? AND archive_id IN ({marks(len(archive_ids))})"
    waiting = connection.rows(
        f"DELETE FROM absences WHERE {found} RETURNING archive_id, state, noticed",  # noqa: S608
        (place, *archive_ids),
    )
    applied = {}
    for archive_id, state, noticed in waiting:
        is_doubt = state == ArchiveState.SUSPECT
        changed = connection.rows(
            "UPDATE archives SET state = ?, doubted = ? WHERE place = ? AND archive_id = ? "
            "AND (seen IS NULL OR seen < ?) RETURNING number",
            (state, noticed if is_doubt else None, place, archive_id, noticed if is_doubt else 2**62),
        )
        if changed:
            applied[archive_id] = ArchiveState(state)
    return applied
