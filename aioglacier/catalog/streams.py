"""Records of streams of several archives: their pieces in order, and their manifest.

The description of an upload says which piece it is, so these records are never ahead of the uploads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.catalog.records import ArchiveKind, ArchiveState
from aioglacier.catalog.storage.columns import instant_of, unescape
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import STREAMS
from aioglacier.catalog.vaults import find_vault, keep_vault
from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection

_SELECT: Final = (
    "SELECT s.number, s.nonce, s.state, s.description, a.archive_id FROM streams AS s "
    "LEFT JOIN archives AS a ON a.number = s.manifest"
)
_PIECES: Final = (
    "SELECT s.size, a.stream_position, a.archive_id, a.size, a.tree_hash, a.description, a.created "
    "FROM archives AS a JOIN streams AS s ON s.number = a.stream "
    "JOIN archives AS tie ON tie.number = s.manifest "
    "WHERE tie.archive_id = ? AND tie.place = ? AND a.kind = ? AND a.state = ? "
    "ORDER BY a.stream_position, a.number"
)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stream of several archives."""

    number: int
    key: VaultKey
    nonce: str  # 16 random hex digits, its name
    state: str  # "open", or "completed" once there is a manifest
    description: str  # the description that its caller gave
    manifest: ArchiveId | None  # the archive that ties it together


class Streams(Records):
    """The streams of a catalog, as ``Catalog.streams``."""

    async def begin(self, key: VaultKey, description: str) -> StreamRecord:
        """Record that a stream begins."""
        nonce = secrets.token_hex(8)

        def change(connection: Connection) -> int:
            now = self._now()
            made = STREAMS.insert(
                connection,
                place=keep_vault(connection, key),
                nonce=nonce,
                state="open",
                description=description,
                created=now,
                changed=now,
            )
            return int(made["number"])

        number = await self._database.write(change)
        return StreamRecord(number, key, nonce, "open", description, None)

    async def find(self, key: VaultKey, nonce: str) -> StreamRecord | None:
        """Return the stream of this name."""
        found = await self._list(key, "s.nonce = ?", nonce)
        return found[0] if found else None

    async def list_open(self, key: VaultKey) -> list[StreamRecord]:
        """Return the streams of a vault that have no manifest yet, oldest first."""
        return await self._list(key, "s.state = ?", "open")

    async def _list(self, key: VaultKey, condition: str, value: str) -> list[StreamRecord]:
        def question(connection: Connection) -> list[StreamRecord]:
            rows = connection.rows(
                f"{_SELECT} WHERE s.place = ? AND {condition} ORDER BY s.number",
                (find_vault(connection, key), value),
            )
            return [
                StreamRecord(number, key, nonce, state, unescape(description), manifest)
                for number, nonce, state, description, manifest in rows
            ]

        return await self._database.read(question)

    async def record_piece(self, stream: StreamRecord, archive_id: ArchiveId, index: int) -> None:
        """Record that an archive is a piece of a stream; the first is number 0."""
        await self._database.write(
            lambda connection: connection.rows(
                "UPDATE archives SET kind = ?, stream = ?, stream_position = ? "
                "WHERE place = ? AND archive_id = ?",
                (
                    ArchiveKind.PIECE.value,
                    stream.number,
                    index,
                    find_vault(connection, stream.key),
                    archive_id,
                ),
            )
        )

    async def record_completed(self, stream: StreamRecord, manifest: ArchiveId, size: int) -> None:
        """Record that all pieces are stored, and the archive that ties them together."""

        def change(connection: Connection) -> None:
            key = find_vault(connection, stream.key)
            ((number,),) = connection.rows(
                "UPDATE archives SET kind = ?, stream = ? WHERE place = ? AND archive_id = ? "
                "RETURNING number",
                (ArchiveKind.MANIFEST.value, stream.number, key, manifest),
            )
            STREAMS.update(
                connection, stream.number, state="completed", size=size, manifest=number, changed=self._now()
            )

        await self._database.write(change)

    async def find_pieces(self, key: VaultKey, manifest: ArchiveId) -> list[Archive]:
        """Return the pieces of the stream that has this manifest, in order; none unless all are proven.

        A piece that was sent again is the newest of its position.
        """
        kind, state = ArchiveKind.PIECE.value, ArchiveState.STORED.value
        rows = await self._database.read(
            lambda connection: connection.rows(_PIECES, (manifest, find_vault(connection, key), kind, state))
        )
        pieces: dict[int, Archive] = {}
        for _, position, archive_id, size, tree_hash, description, created in rows:
            pieces[position] = Archive(
                ArchiveId(archive_id),
                key.vault,
                size,
                bytes.fromhex(tree_hash),
                unescape(description),
                instant_of(created),
            )
        is_whole = sum(piece.size for piece in pieces.values()) == (rows[0][0] if rows else 0)
        return list(pieces.values()) if is_whole else []
