"""Archives: uploading one in a single request, and deleting one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.core.limits import VAULT
from aioglacier.server.operations.vaults import policies, snapshots
from aioglacier.server.operations.vaults.vaults import find_vault
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError, invalid, not_found
from aioglacier.server.requests import intake
from aioglacier.server.requests.call import Answer, VaultCall, accepted
from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.state.files import Received


async def upload_archive(call: VaultCall) -> Answer:
    """UploadArchive; each success is a new archive."""
    description = wire.check_description(call.header("x-amz-archive-description"))
    size = intake.announced_size(call)
    if not 1 <= size <= VAULT.max_single_upload_size:
        raise invalid(f"Invalid Content-Length: {size}")
    await call.read(partial(find_vault, call=call))  # before a body of 4 GiB is received
    received, archive_id = await intake.keep(
        call, size, partial(_add_single, call=call, description=description)
    )
    return stored(call, archive_id, received.tree_hash)


def stored(call: VaultCall, archive_id: str, tree_hash: bytes) -> Answer:
    """Return the answer that names a new archive."""
    return accepted(
        {
            "x-amz-sha256-tree-hash": tree_hash.hex(),
            "Location": call.location("archives", archive_id),
            "x-amz-archive-id": archive_id,
        }
    )


def _add_single(db: sqlite3.Connection, received: Received, call: VaultCall, description: str | None) -> str:
    body = bodies.new_body(db)
    bodies.put_piece(db, body, 0, received)
    return add_archive(
        db, call, body=body, description=description, size=received.size, tree_hash=received.tree_hash
    )


def add_archive(
    db: sqlite3.Connection,
    call: VaultCall,
    *,
    body: int,
    description: str | None,
    size: int,
    tree_hash: bytes,
) -> str:
    """Record an archive in the call's vault; return its new id."""
    vault = find_vault(db, call)["number"]
    note_change(db, call, vault, archives=1, size=size)
    archive_id = wire.new_id(wire.ARCHIVE_ID_LENGTH)
    db.execute(
        "INSERT INTO archives (id, vault, body, description, created, size, tree_hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (archive_id, vault, body, description, call.now, size, tree_hash),
    )
    return archive_id


def note_change(db: sqlite3.Connection, call: VaultCall, vault: int, *, archives: int, size: int) -> None:
    """Count a change of the vault's content that is about to be made."""
    lag = call.site.settings.inventory_lag_ms
    snapshots.note_change(db, vault, now=call.now, lag=lag, archives=archives, size=size)


async def delete_archive(call: VaultCall) -> Answer:
    """DeleteArchive; deleting a deleted archive succeeds."""
    return await call.remove(partial(_delete, call=call))


def _delete(db: sqlite3.Connection, call: VaultCall) -> None:
    vault = find_vault(db, call)
    archive = find_archive(db, call.item)
    if archive is None:
        return  # also of an id that never existed (our choice; the guide speaks of deleted ones only)
    if archive["vault"] != vault["number"]:
        raise invalid(f"Invalid vault name: {call.arn}")
    policies.check_delete(call, vault, archive)
    note_change(db, call, vault["number"], archives=-1, size=-archive["size"])
    db.execute(
        "UPDATE archives SET deleted_run = (SELECT run FROM vaults WHERE number = ?) WHERE number = ?",
        (vault["number"], archive["number"]),
    )
    bodies.release(db, archive["body"])


def find_archive(db: sqlite3.Connection, archive_id: str) -> sqlite3.Row | None:
    """Return the record of an archive that is not deleted, in any vault."""
    found: sqlite3.Row | None = db.execute(
        "SELECT * FROM archives WHERE id = ? AND deleted_run IS NULL", (archive_id,)
    ).fetchone()
    return found


def archive_not_found(archive_id: str) -> RefusalError:
    """Return the refusal for an archive that does not exist."""
    return not_found(behaviour.ARCHIVE_NOT_FOUND.format(id=archive_id))
