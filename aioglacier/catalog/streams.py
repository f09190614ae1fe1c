"""What is recorded of streams that are more than one archive: their pieces in order, and their manifest.

Which upload is of which piece is told by its description, so what is here is never ahead of the uploads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from aioglacier.catalog.records import ArchiveKind
from aioglacier.catalog.storage.tables import ARCHIVES, STREAMS
from aioglacier.catalog.vaults import find_place, keep_place
from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aioglacier.catalog.records import Place
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.database import Database


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A stream of several archives.

    Attributes:
        nonce: 16 hex digits that nobody else uses: its name.
        state: "open", or "completed" once there is a manifest.
        description: As whoever began it gave it.
        manifest: The archive that ties it together.
    """

    number: int
    place: Place
    nonce: str
    state: str
    description: str
    manifest: ArchiveId | None


class Streams:
    """The streams of a catalog, as ``Catalog.streams``."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def begin(self, place: Place, description: str) -> StreamRecord:
        """Record that a stream begins."""
        nonce = secrets.token_hex(8)

        def change(connection: Connection) -> int:
            number: int
            now = self._now()
            made = connection.alchemy.execute(
                insert(STREAMS)
                .values(
                    place=keep_place(connection, place),
                    nonce=nonce,
                    state="open",
                    description=description,
                    created=now,
                    changed=now,
                )
                .returning(STREAMS.c.number)
            )
            number = made.scalar_one()
            return number

        number = await self._database.write(change)
        return StreamRecord(number, place, nonce, "open", description, None)

    async def find(self, place: Place, nonce: str) -> StreamRecord | None:
        """The stream of this name."""

        def question(connection: Connection) -> StreamRecord | None:
            row = connection.alchemy.execute(
                select(STREAMS.c.number, STREAMS.c.state, STREAMS.c.description, ARCHIVES.c.archive_id)
                .outerjoin(ARCHIVES, ARCHIVES.c.number == STREAMS.c.manifest)
                .where(STREAMS.c.place == find_place(connection, place), STREAMS.c.nonce == nonce)
            ).one_or_none()
            if row is None:
                return None
            return StreamRecord(row.number, place, nonce, row.state, row.description, row.archive_id)

        return await self._database.read(question)

    async def list_open(self, place: Place) -> list[StreamRecord]:
        """The streams of a vault that have no manifest yet, oldest first."""

        def question(connection: Connection) -> list[StreamRecord]:
            rows = connection.alchemy.execute(
                select(STREAMS.c.number, STREAMS.c.nonce, STREAMS.c.description)
                .where(STREAMS.c.place == find_place(connection, place), STREAMS.c.state == "open")
                .order_by(STREAMS.c.number)
            )
            return [StreamRecord(row.number, place, row.nonce, "open", row.description, None) for row in rows]

        return await self._database.read(question)

    async def record_piece(self, stream: StreamRecord, archive_id: ArchiveId, index: int) -> None:
        """Record that an archive is a piece of a stream; the first is number 0."""
        await self._database.write(
            lambda connection: connection.alchemy.execute(
                update(ARCHIVES)
                .where(
                    ARCHIVES.c.place == find_place(connection, stream.place),
                    ARCHIVES.c.archive_id == archive_id,
                )
                .values(kind=ArchiveKind.PIECE, stream=stream.number, stream_position=index)
            )
        )

    async def record_completed(self, stream: StreamRecord, manifest: ArchiveId, size: int) -> None:
        """Record that all pieces are there, and what ties them together."""

        def change(connection: Connection) -> None:
            is_it = (ARCHIVES.c.place == find_place(connection, stream.place)) & (
                ARCHIVES.c.archive_id == manifest
            )
            connection.alchemy.execute(
                update(ARCHIVES).where(is_it).values(kind=ArchiveKind.MANIFEST, stream=stream.number)
            )
            number = connection.alchemy.scalar(select(ARCHIVES.c.number).where(is_it))
            connection.alchemy.execute(
                update(STREAMS)
                .where(STREAMS.c.number == stream.number)
                .values(state="completed", size=size, manifest=number, changed=self._now())
            )

        await self._database.write(change)

    async def find_pieces(self, place: Place, manifest: ArchiveId) -> list[Archive]:
        """The pieces of the stream that has this manifest, in order; none if it is not on record."""

        def question(connection: Connection) -> list[Archive]:
            number = find_place(connection, place)
            tie = ARCHIVES.alias("tie")
            rows = connection.alchemy.execute(
                select(
                    ARCHIVES.c.archive_id,
                    ARCHIVES.c.size,
                    ARCHIVES.c.tree_hash,
                    ARCHIVES.c.description,
                    ARCHIVES.c.created,
                )
                .join(STREAMS, STREAMS.c.number == ARCHIVES.c.stream)
                .join(tie, tie.c.number == STREAMS.c.manifest)
                .where(
                    tie.c.archive_id == manifest,
                    tie.c.place == number,
                    ARCHIVES.c.kind == ArchiveKind.PIECE,
                )
                .order_by(ARCHIVES.c.stream_position)
            )
            return [
                Archive(
                    ArchiveId(row.archive_id),
                    place.vault,
                    row.size,
                    row.tree_hash,
                    row.description,
                    row.created,
                )
                for row in rows
            ]

        return await self._database.read(question)
