"""Records of works that are done in shards: into how many, and on which terms."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.catalog.storage.columns import count_microseconds
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.vaults import find_vault, keep_vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection


class ShardedWork(NamedTuple):
    """The way in which a work was divided when it last began.

    Attributes:
        shards: Their number.
        terms: The settings that all of them must share.
    """

    shards: int
    terms: Mapping[str, Any]


class Shards(Records):
    """The works of a catalog that are done in shards, as ``Catalog.shards``."""

    async def find(self, key: VaultKey, work: str) -> ShardedWork | None:
        """Return how a work of a vault was divided, ``None`` if it never was."""

        def question(connection: Connection) -> list[tuple[Any, ...]]:
            values = (find_vault(connection, key), _digest(work))
            return connection.rows("SELECT count, terms FROM shards WHERE place = ? AND work = ?", values)

        found = await self._database.read(question)
        return ShardedWork(found[0][0], json.loads(found[0][1])) if found else None

    async def record(self, key: VaultKey, work: str, divided: ShardedWork) -> None:
        """Record how a work of a vault is divided from now on."""

        def change(connection: Connection) -> None:
            place, name = keep_vault(connection, key), _digest(work)
            connection.rows("DELETE FROM shards WHERE place = ? AND work = ?", (place, name))
            values = (place, name, divided.shards, json.dumps(divided.terms), count_microseconds(self._now()))
            connection.rows("INSERT INTO shards VALUES (?, ?, ?, ?, ?)", values)

        await self._database.write(change)


def _digest(work: str) -> str:
    """Return a name that fits into an index, whatever path is in the work's."""
    return hashlib.sha256(work.encode(errors="surrogateescape")).hexdigest()
