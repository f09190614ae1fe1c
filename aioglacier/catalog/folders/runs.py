"""The runs of ``sync``, ``restore`` and ``verify``: settings, times, ends and costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aioglacier.catalog.folders.entry_records import RunNumber, SyncRecord
from aioglacier.catalog.folders.entry_rows import end_paths
from aioglacier.catalog.storage.columns import count_microseconds
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import RUNS, TREES
from aioglacier.catalog.vaults import keep_vault
from aioglacier.core.errors import ConfigurationError
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aioglacier.catalog.folders.entry_records import TreeRecord
    from aioglacier.catalog.storage.backend import Connection

_LATEST: Final = "ORDER BY number DESC LIMIT 1"

#: Runs among which the latest one of a shard is looked for.
_RUNS: Final = 1000


class Runs(Records):
    """The runs of a catalog, as ``Catalog.runs``."""

    async def begin(
        self,
        tree: TreeRecord,
        kind: str,
        settings: Mapping[str, Any],
        *,
        target: str | None = None,
        started: datetime | None = None,
    ) -> RunNumber:
        """Record that a ``sync``, ``restore`` or ``verify`` begins, or began at an earlier time."""

        def change(connection: Connection) -> RunNumber:
            made = RUNS.insert(
                connection,
                place=keep_vault(connection, tree.key),
                tree=tree.number,
                kind=kind,
                state="open",
                target=target,
                settings=dict(settings),
                counters={},
                outcome="",
                started=started or self._now(),
            )
            return RunNumber(made["number"])

        return await self._database.write(change)

    async def end(
        self,
        tree: TreeRecord,
        run: RunNumber,
        *,
        counters: Mapping[str, Any],
        outcome: str = "",
        gone: Sequence[int] = (),
    ) -> None:
        """Record the end of a run, and the paths that it found gone, in one transaction.

        Args:
            tree: The folder.
            run: The run.
            counters: Its counters.
            outcome: Why it did not come to its end; "" for one that did.
            gone: The rows of paths that it did not find. Only a run that came to its end proves that.
        """
        now = self._now()

        def change(connection: Connection) -> None:
            state = "failed" if outcome else "completed"
            row = RUNS.update(
                connection, run, state=state, counters=dict(counters), outcome=outcome, ended=now
            )
            if not outcome:  # an interrupted run has not looked for every path
                end_paths(connection, tree.number, gone, run)
                if row["kind"] == "sync":  # the others change no version
                    TREES.update(connection, tree.number, last_run=run)

        await self._database.write(change)

    async def find(self, tree: TreeRecord, until: datetime) -> RunNumber | None:
        """Return the last ``sync`` of a folder that had begun at a time."""
        row = await self._first(tree, "sync", "AND started <= ?", count_microseconds(until))
        return None if row is None else RunNumber(row["number"])

    async def find_at(self, tree: TreeRecord, at: datetime | None) -> RunNumber | None:
        """Return the same, which must be there; ``None`` stands for now.

        Raises:
            ConfigurationError: No ``sync`` had begun.
        """
        found = await self.find(tree, at) if at is not None else None
        if at is not None and found is None:
            raise ConfigurationError(f"{tree.root!r} was not in {tree.key.vault!r} yet at {at}")
        return found

    async def list_syncs(self, tree: TreeRecord) -> list[SyncRecord]:
        """Return every ``sync`` of a folder, the oldest first."""
        is_it = "tree = ? AND kind = 'sync' ORDER BY number"
        rows = await self._database.read(lambda connection: RUNS.select(connection, is_it, tree.number))
        return [SyncRecord(*(row[name] for name in SyncRecord._fields)) for row in rows]

    async def last_state(self, tree: TreeRecord) -> str | None:
        """Return the state of the latest ``sync``."""
        row = await self._first(tree, "sync")
        return None if row is None else str(row["state"])

    async def last_settings(self, tree: TreeRecord) -> dict[str, Any]:
        """Return the settings of the latest ``sync``."""
        row = await self._first(tree, "sync")
        return {} if row is None else dict(row["settings"])

    async def stopped_settings(self, tree: TreeRecord, kind: str, shard: Shard = WHOLE) -> dict[str, Any]:
        """Return the settings of the latest run of a shard if it was interrupted, otherwise an empty dict."""

        def question(connection: Connection) -> list[dict[str, Any]]:
            latest = f"tree = ? AND kind = ? ORDER BY number DESC LIMIT {_RUNS}"
            return RUNS.select(connection, latest, tree.number, kind)

        for row in await self._database.read(question):
            if row["settings"].get("shard", str(WHOLE)) == str(shard):
                return {} if row["state"] == "completed" else dict(row["settings"])
        return {}

    async def _first(
        self, tree: TreeRecord, kind: str, condition: str = "", *values: object
    ) -> dict[str, Any] | None:
        def question(connection: Connection) -> list[dict[str, Any]]:
            is_it = f"tree = ? AND kind = ? {condition} {_LATEST}"
            return RUNS.select(connection, is_it, tree.number, kind, *values)

        found = await self._database.read(question)
        return found[0] if found else None

    async def recipients(self, tree: TreeRecord) -> list[str]:
        """Return the recipients of the files of a folder, of any ``sync``."""

        def question(connection: Connection) -> list[str]:
            names: dict[str, None] = {}
            for row in RUNS.select(
                connection, "tree = ? AND kind = 'sync' ORDER BY number DESC", tree.number
            ):
                names |= dict.fromkeys(row["settings"].get("recipients", ()))
            return list(names)

        return await self._database.read(question)

    async def recipients_of(self, upload: int) -> list[str]:
        """Return the recipients that the archive of an upload was encrypted to, as far as is on record."""
        rows = await self._database.read(
            lambda connection: connection.rows(
                "SELECT r.settings FROM runs AS r JOIN bundles AS b ON b.run = r.number WHERE b.upload = ?",
                (upload,),
            )
        )
        return list(json.loads(rows[0][0]).get("recipients", ())) if rows else []
