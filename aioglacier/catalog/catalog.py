"""The local record of archives: opened, used, closed."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from aioglacier.catalog import vaults
from aioglacier.catalog.archives import Archives
from aioglacier.catalog.expenses import Expenses
from aioglacier.catalog.storage.database import open_database
from aioglacier.catalog.storage.sqlite_opening import open_file
from aioglacier.catalog.uploads import Uploads
from aioglacier.core.errors import CatalogError, UploadLockedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from aioglacier.catalog.folders.bundles import Bundles
    from aioglacier.catalog.folders.entries import Entries
    from aioglacier.catalog.folders.runs import Runs
    from aioglacier.catalog.folders.trees import Trees
    from aioglacier.catalog.jobs import Downloads, Jobs
    from aioglacier.catalog.moves.manifest_lines import ManifestLines
    from aioglacier.catalog.moves.moves import Moves
    from aioglacier.catalog.moves.shards import Shards
    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.reports import Reports
    from aioglacier.catalog.storage.backend import Store
    from aioglacier.catalog.storage.database import Database
    from aioglacier.catalog.streams import Streams

#: How long another process may keep the catalog to itself before that is an error.
BUSY_TIMEOUT_SECONDS: Final = 30.0

#: How often a lock that another holds is tried.
_LOOK_AGAIN_SECONDS: Final = 0.05

#: The modules of records that an upload needs none of; loading them all would take a tenth of its CPU.
_LATER: Final = {
    "jobs": "jobs.Jobs",
    "downloads": "jobs.Downloads",
    "streams": "streams.Streams",
    "trees": "folders.trees.Trees",
    "runs": "folders.runs.Runs",
    "bundles": "folders.bundles.Bundles",
    "entries": "folders.entries.Entries",
    "reports": "reports.Reports",
    "shards": "moves.shards.Shards",
    "moves": "moves.moves.Moves",
    "manifest_lines": "moves.manifest_lines.ManifestLines",
}

_scheme: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """An open catalog. Made by ``Catalog.open``; its methods may be called from any number of tasks.

    The service is the truth. The catalog says where to look first.

    Attributes:
        uploads: Uploads and their parts.
        archives: Archives.
        expenses: What was spent.
        jobs: Jobs.
        downloads: Downloads of the outputs of jobs.
        streams: Streams of more than one archive.
        trees: Folders that are kept in vaults.
        runs: The runs of ``sync``, ``restore`` and ``verify``.
        bundles: The archives that folders are kept in.
        entries: The versions of the paths of folders.
        moves: Archives on their way out of vaults.
        manifest_lines: The lines that prove where moved archives are.
        reports: Sums and checks over everything on record.
        shards: Works that several processes divide among themselves.
    """

    jobs: Jobs
    downloads: Downloads
    streams: Streams
    trees: Trees
    runs: Runs
    bundles: Bundles
    entries: Entries
    moves: Moves
    manifest_lines: ManifestLines
    reports: Reports
    shards: Shards

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.uploads = Uploads(database, now)
        self.archives = Archives(database, now)
        self.expenses = Expenses(database, now)
        self._database = database
        self._now = now

    if not TYPE_CHECKING:  # else every misspelt name would have a type

        def __getattr__(self, name: str) -> Any:
            """Load records of another kind at their first use."""
            if name not in _LATER:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            module, _, class_ = _LATER[name].rpartition(".")
            records = vars(importlib.import_module(f"aioglacier.catalog.{module}"))[class_]
            self.__dict__[name] = records(self._database, self._now)
            return self.__dict__[name]

    @property
    def location(self) -> str:
        """The path of the file, or the URL of the database without its password."""
        return self._database.store.location

    @property
    def is_shared(self) -> bool:
        """Whether processes on other machines can use it at the same time."""
        return self._database.store.is_shared

    def __repr__(self) -> str:
        return f"<Catalog {self.location!r}>"

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        begins_new: bool = False,
        now: Callable[[], datetime] = _utc_now,
    ) -> AsyncIterator[Catalog]:
        """Open the catalog; make it if it is missing, upgrade it if it is old.

        It stays open until the end of the block. Every record is on disk by then.

        Args:
            path: The file; by default ``$XDG_DATA_HOME/aioglacier/catalog.db``, or in ``~/.local/share``. Or
                ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, a database that exists.
            busy_timeout_seconds: How long another process may keep it to itself before that is an error.
            begins_new: Begin a new catalog although a damaged one is kept beside it. Otherwise every opening
                fails until a copy is back in its place, or the damaged one is moved away.
            now: The clock that records are dated with.

        Raises:
            CatalogDamagedError: The catalog is damaged, or was found damaged before; it was kept under
                another name.
            CatalogBusyError: Another process kept it to itself for too long.
            CatalogError: It cannot be opened, or belongs to a newer version or another program; it is
                untouched then.
        """
        async with (
            _open_store(path, busy_timeout_seconds, begins_new=begins_new) as store,
            open_database(store, busy_timeout_seconds=busy_timeout_seconds) as database,
        ):
            yield cls(database, now)

    def start_soon(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a call beside the caller. It handles its own errors; closing waits for it."""
        self._database.start_soon(call)

    async def confirm_account(self, key: VaultKey, account_id: str) -> None:
        """Record the account that a vault is in, as its ARN says, or compare it with the one on record.

        Raises:
            CatalogMismatchError: The records of this vault are of another account.
        """
        await self._database.write(lambda connection: vaults.confirm_account(connection, key, account_id))

    async def facts_of(self, key: VaultKey) -> tuple[str | None, datetime | None]:
        """Return the account that a vault is in, and when it was created, as far as is on record."""
        return await self._database.read(lambda connection: vaults.facts_of(connection, key))

    @asynccontextmanager
    async def lock_source(self, key: VaultKey, source: str, *, waits: bool = False) -> AsyncIterator[None]:
        """Keep every other process, and every other task, from uploading this source to this vault.

        The lock ends with the block, or with the process.

        Args:
            key: The vault.
            source: The absolute path of the source, or a name for other work that only one may do.
            waits: Wait for another that holds it.

        Raises:
            UploadLockedError: Another process or task holds it, and this does not wait.
        """
        store = self._database.store
        name = _name_of(key, source)
        is_taken = False

        def take() -> None:
            nonlocal is_taken
            is_taken = store.acquire(name)

        try:
            await self._database.see_through(take)
            while not is_taken and waits:
                await anyio.sleep(_LOOK_AGAIN_SECONDS)
                await self._database.see_through(take)
            if not is_taken:
                owner = await anyio.to_thread.run_sync(store.owner, name)
                raise UploadLockedError(
                    source=source,
                    pid=owner.pid if owner else None,
                    host=owner.host if owner else None,
                    path=self.location,
                )
            yield
        finally:
            if is_taken:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(store.release, name)


def _open_store(
    path: str | os.PathLike[str] | None, busy_timeout_seconds: float, *, begins_new: bool
) -> AbstractAsyncContextManager[Store]:
    if isinstance(path, str) and (scheme := _scheme.match(path)):
        if scheme[1] not in {"postgresql", "postgres"}:
            raise CatalogError(
                f"a catalog cannot be at a {scheme[1]!r} URL; it is a file, or "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            )
        from aioglacier.catalog.storage.postgresql import open_postgresql  # noqa: PLC0415  # few have a server

        return open_postgresql(path, busy_timeout_seconds=busy_timeout_seconds)
    return open_file(path, busy_timeout_seconds=busy_timeout_seconds, begins_new=begins_new)


def _name_of(key: VaultKey, source: str) -> str:
    parts = (key.account_id, key.region, key.endpoint, key.vault, source)
    return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()
