"""The local record of what was archived: opened, used, closed."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from aioglacier.catalog import files, migrations, places
from aioglacier.catalog.archives import Archives
from aioglacier.catalog.database import busy, open_database
from aioglacier.catalog.jobs import Downloads, Jobs
from aioglacier.catalog.uploads import Uploads
from aioglacier.core.errors import CatalogDamagedError, CatalogError, UploadLockedError
from aioglacier.files.folders import prepare_folder
from aioglacier.files.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioglacier.catalog.database import Database
    from aioglacier.catalog.records import Place

T = TypeVar("T")

#: How long another process may keep the catalog to itself before that is an error.
BUSY_TIMEOUT_SECONDS: Final = 30.0

_RETRY_SECONDS: Final = 0.05

_log: Final = logging.getLogger("aioglacier.catalog")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """An open catalog. Made by ``Catalog.open``; its methods may be called from any number of tasks.

    Nothing here is the truth: the service is. What the catalog says is where to look first.

    Attributes:
        path: The file.
        uploads: Uploads and their parts.
        archives: Archives.
        jobs: Jobs.
        downloads: Downloads of their outputs.
    """

    def __init__(self, database: Database, locks: Path, now: Callable[[], datetime]) -> None:
        self.path = database.path
        self.uploads = Uploads(database, now)
        self.archives = Archives(database)
        self.jobs = Jobs(database, now)
        self.downloads = Downloads(database, now)
        self._database = database
        self._locks = locks

    def __repr__(self) -> str:
        return f"<Catalog {str(self.path)!r}>"

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        now: Callable[[], datetime] = _utc_now,
    ) -> AsyncIterator[Catalog]:
        """Open the catalog, making it if there is none and upgrading one of an older version.

        It stays open until the block is left; what has been recorded by then is on disk.

        Args:
            path: The file; by default ``$XDG_DATA_HOME/aioglacier/catalog.db``, or in ``~/.local/share``.
            busy_timeout_seconds: How long another process may keep it to itself before that is an error.
            now: The clock that records are dated with.

        Raises:
            CatalogDamagedError: What is there is no sound catalog. It was kept under another name, and the
                next opening begins a new one.
            CatalogBusyError: Another process kept it to itself for too long.
            CatalogError: It cannot be opened, or belongs to a newer version or another program; it is
                untouched then.
        """
        opening = _Opening(_resolve(path), busy_timeout_seconds)
        await opening.run()
        async with open_database(opening.path, busy_timeout_seconds=busy_timeout_seconds) as database:
            yield cls(database, opening.locks, now)

    async def confirm_account(self, place: Place, account_id: str) -> None:
        """Record the account that a vault is in, as its ARN says, or compare it with the one on record.

        Raises:
            CatalogMismatchError: The records of this vault are of another account.
        """
        await self._database.write(lambda connection: places.confirm_account(connection, place, account_id))

    @asynccontextmanager
    async def lock_source(self, place: Place, source: str) -> AsyncIterator[None]:
        """Keep every other process, and every other task, from uploading this source to this vault.

        The lock goes with the block, or with the process.

        Args:
            place: The vault.
            source: The absolute path.

        Raises:
            UploadLockedError: Somebody has it. Nothing is waited for.
        """
        lock = FileLock(self._locks / f"{_name_of(place, source)}.lock")
        try:
            if not await self._database.see_through(lambda: anyio.to_thread.run_sync(lock.acquire)):
                owner = await anyio.to_thread.run_sync(lock.owner)
                raise UploadLockedError(
                    source=source,
                    pid=owner.pid if owner else None,
                    host=owner.host if owner else None,
                    path=str(self.path),
                )
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lock.release)


class _Opening:
    """What has to be done before a catalog can be used, by one process at a time.

    Whoever finds nothing to do needs no lock. Whoever finds something takes it and looks again.
    """

    def __init__(self, path: Path, busy_timeout_seconds: float) -> None:
        self.path = path
        self.locks = path.with_name(f"{path.name}.locks")
        self._busy_timeout_seconds = busy_timeout_seconds
        self._started = anyio.current_time()

    async def run(self) -> None:
        try:
            await self._run()
        except OSError as error:
            raise CatalogError(
                f"the catalog {str(self.path)!r} cannot be used: {error.strerror}", path=str(self.path)
            ) from error

    async def _run(self) -> None:
        was_used = await anyio.to_thread.run_sync(self.locks.is_dir)
        await anyio.to_thread.run_sync(prepare_folder, self.locks)
        is_network = await anyio.to_thread.run_sync(files.is_on_network, self.path)
        if is_network:
            _log.warning(
                "the catalog %r is on a network filesystem, where locks may fail; use it from one machine "
                "at a time",
                str(self.path),
            )
        try:
            if await self._inspect(was_used=was_used) is files.Condition.READY:
                await self._patiently(lambda: files.set_journal(self.path, is_network=is_network))
                return
        except files.DamagedError:
            pass
        lock = FileLock(self.locks / "opening.lock")
        try:
            while not await anyio.to_thread.run_sync(lock.acquire):
                await self._wait()
            await self._settle(was_used=was_used, is_network=is_network)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lock.release)

    async def _settle(self, *, was_used: bool, is_network: bool) -> None:
        """With the lock: look again, and do what is to be done."""
        try:
            condition = await self._inspect(was_used=was_used)
        except files.DamagedError as error:
            raise await self._set_aside(str(error)) from error
        if condition is files.Condition.READY:
            return
        if condition is files.Condition.OLD:
            await self._upgrade(self.path, is_durable=True)
            return
        new = self.path.with_name(f"{self.path.name}.new")
        await anyio.to_thread.run_sync(files.make_empty, new)
        await self._patiently(lambda: files.set_journal(new, is_network=is_network, is_durable=False))
        await self._upgrade(new, is_durable=False)
        await anyio.to_thread.run_sync(files.publish, new, self.path)

    async def _inspect(self, *, was_used: bool) -> files.Condition:
        return await self._patiently(lambda: files.inspect(self.path, was_used=was_used))

    async def _set_aside(self, reason: str) -> CatalogDamagedError:
        return await anyio.to_thread.run_sync(files.move_aside, self.path, reason)

    async def _upgrade(self, path: Path, *, is_durable: bool) -> None:
        async with open_database(
            path, busy_timeout_seconds=self._busy_timeout_seconds, is_durable=is_durable
        ) as database:
            while await database.write(migrations.upgrade_once):
                pass

    async def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return await anyio.to_thread.run_sync(call)
            except files.BusyError:
                await self._wait()

    async def _wait(self) -> None:
        waited = anyio.current_time() - self._started
        if waited >= self._busy_timeout_seconds:
            raise busy(self.path, waited)
        await anyio.sleep(_RETRY_SECONDS)


def _resolve(path: str | os.PathLike[str] | None) -> Path:
    given = files.default_path() if path is None else Path(os.fsdecode(path))
    try:
        # Journals lie beside the file itself, not beside a link to it.
        return Path(os.path.realpath(given))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the catalog cannot be at {str(given)!r}: {error}", path=str(given)) from error


def _name_of(place: Place, source: str) -> str:
    parts = (place.account_id, place.region, place.endpoint, place.vault, source)
    return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()
