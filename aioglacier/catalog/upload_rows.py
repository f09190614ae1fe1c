"""Rows of uploads: how they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.records import UploadNumber, UploadRecord, UploadState
from aioglacier.catalog.storage.columns import hash_of, optional, unescape
from aioglacier.catalog.storage.tables import UPLOADS
from aioglacier.catalog.vaults import VaultRows, all_vaults, keep_vault
from aioglacier.core.models import ObjectTarget, UploadId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import ArchiveId


def _record(row: dict[str, Any]) -> UploadRecord:
    key, facts = row.pop("object_key"), row.pop("object_facts")
    target = ObjectTarget(key, *facts) if key is not None else None
    return UploadRecord(identity=row.pop("source_identity"), target=target, **row)


ROWS: Final = VaultRows(UPLOADS, "upload", _record)


def insert_uploads(connection: Connection, given: Sequence[UploadRecord]) -> list[UploadRecord]:
    """Make records of new uploads; return them with their numbers."""
    rows = [
        {
            "place": keep_vault(connection, one.key),
            "nonce": one.nonce,
            "state": one.state,
            "part_size": one.part_size,
            "size": one.size,
            "tree_hash": one.tree_hash,
            "description": one.description,
            "source": one.source,
            "source_identity": one.identity,
            "object_key": one.target.key if one.target is not None else None,
            "object_facts": one.target[1:] if one.target is not None else None,
            "outcome": one.outcome,
            "created": one.created,
            "active": one.active,
        }
        for one in given
    ]
    numbers = UPLOADS.insert_each(connection, rows)
    return [replace(one, number=UploadNumber(number)) for one, number in zip(given, numbers, strict=True)]


class Decisive(NamedTuple):
    """The recorded facts of an upload that change, and its vault: half of those in a record."""

    key: VaultKey
    state: UploadState
    upload_id: UploadId | None
    size: int | None
    tree_hash: bytes | None
    archive_id: ArchiveId | None
    outcome: str


def find_decisive(connection: Connection, numbers: Sequence[UploadNumber]) -> dict[UploadNumber, Decisive]:
    """Return these facts of uploads; an unknown one is an error."""
    vaults = all_vaults(connection)
    names = "number, place, state, upload_id, size, tree_hash, archive_id, outcome"
    statement = f"SELECT {names} FROM uploads WHERE number = ?"  # noqa: S608  # names of ours
    found = {
        UploadNumber(number): Decisive(
            vaults[place],
            UploadState(state),
            upload_id,
            size,
            optional(hash_of, tree_hash),
            archive_id,
            unescape(outcome),
        )
        for number, place, state, upload_id, size, tree_hash, archive_id, outcome in connection.rows_of_each(
            statement, [(number,) for number in numbers]
        )
    }
    for number in numbers:
        if number not in found:
            ROWS.get(connection, number)  # which raises
    return found


def find_owners(connection: Connection, upload_ids: Sequence[UploadId]) -> dict[UploadId, UploadNumber]:
    """Return which uploads have these ids."""
    statement = "SELECT upload_id, number FROM uploads WHERE upload_id = ?"
    found = connection.rows_of_each(statement, [(upload_id,) for upload_id in upload_ids])
    return {UploadId(upload_id): number for upload_id, number in found}


def find_states(connection: Connection, numbers: Sequence[UploadNumber]) -> dict[UploadNumber, UploadState]:
    """Return the states of uploads; an unknown one is an error."""
    statement = "SELECT number, state FROM uploads WHERE number = ?"
    rows = connection.rows_of_each(statement, [(number,) for number in numbers])
    found = {number: UploadState(state) for number, state in rows}
    return found | {number: ROWS.get(connection, number).state for number in numbers if number not in found}
