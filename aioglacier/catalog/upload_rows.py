"""Rows of uploads: how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aioglacier.catalog.records import UploadNumber, UploadRecord, UploadState
from aioglacier.catalog.storage.columns import hash_of, optional, unescape_path
from aioglacier.catalog.storage.tables import UPLOADS, marks
from aioglacier.catalog.vaults import VaultRows, all_vaults, padded
from aioglacier.core.models import ObjectTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection


def _record(row: dict[str, Any]) -> UploadRecord:
    key, facts = row.pop("object_key"), row.pop("object_facts")
    target = ObjectTarget(key, *facts) if key is not None else None
    return UploadRecord(identity=row.pop("source_identity"), target=target, **row)


ROWS: Final = VaultRows(UPLOADS, "upload", _record)


class Decisive(NamedTuple):
    """The recorded facts that decide which archive an upload may become: a third of those in a record."""

    key: VaultKey
    state: UploadState
    size: int | None
    tree_hash: bytes | None
    source: str | None


def find_decisive(connection: Connection, numbers: Sequence[UploadNumber]) -> dict[UploadNumber, Decisive]:
    """Return these facts of uploads; an unknown one is an error."""
    asked, vaults = padded(numbers), all_vaults(connection)
    names = "number, place, state, size, tree_hash, source"
    statement = f"SELECT {names} FROM uploads WHERE number IN ({marks(len(asked))})"  # noqa: S608  # names of ours
    found = {
        UploadNumber(number): Decisive(
            vaults[place],
            UploadState(state),
            size,
            optional(hash_of, tree_hash),
            optional(unescape_path, source),
        )
        for number, place, state, size, tree_hash, source in connection.rows(statement, asked)
    }
    for number in numbers:
        if number not in found:
            ROWS.get(connection, number)  # which raises
    return found


def find_states(connection: Connection, numbers: Sequence[UploadNumber]) -> dict[UploadNumber, UploadState]:
    """Return the states of uploads; an unknown one is an error."""
    asked = padded(numbers)
    statement = f"SELECT number, state FROM uploads WHERE number IN ({marks(len(asked))})"  # noqa: S608
    found = {number: UploadState(state) for number, state in connection.rows(statement, asked)}
    return found | {number: ROWS.get(connection, number).state for number in numbers if number not in found}
