"""Open the catalog in a file: make it if it is missing, upgrade it if it is old, check it if in doubt.

Checking a file of a million archives takes a second, so it needs a reason: the file differs from what the
last program left, or the last check was long ago. All processes that have the catalog open share ``in-use``
in the folder of locks; the last one notes the state of the file there. After a kill, a crash or a change by
another program the note and the file differ.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from aioglacier.catalog.storage import migrations, sqlite_file as files
from aioglacier.catalog.storage.backend import BusyError, DamagedError
from aioglacier.catalog.storage.database import busy
from aioglacier.catalog.storage.sqlite import SqliteStore
from aioglacier.core.errors import CatalogError
from aioglacier.files.host import prepare_folder
from aioglacier.files.locks import FileLock
from aioglacier.files.open_flags import NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


if sys.platform != "win32":
    import fcntl

T = TypeVar("T")

_RETRY_SECONDS: Final = 0.05

#: Every file is checked again after this long, because disks rot.
_CHECK_EVERY_SECONDS: Final = 14 * 24 * 3600

_log: Final = logging.getLogger("aioglacier.catalog")


@asynccontextmanager
async def open_file(
    path: str | os.PathLike[str] | None, *, busy_timeout_seconds: float, begins_new: bool
) -> AsyncIterator[SqliteStore]:
    """Open the catalog in a file; see ``Catalog.open`` for the errors."""
    opening = _Opening(_resolve(path), busy_timeout_seconds, begins_new=begins_new)
    try:
        await opening.run()
        store = SqliteStore(opening.path)
        try:
            yield store
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(store.close)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(opening.use.end)


class _Opening:
    """The steps before a catalog can be used, taken by one process at a time."""

    def __init__(self, path: Path, busy_timeout_seconds: float, *, begins_new: bool) -> None:
        self.path = path
        self._begins_new = begins_new
        self.locks = files.locks_folder(path)
        self.use = _Use(path, self.locks / "in-use")
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
        if not was_used:
            await self._refuse_other_file()  # before a folder is made beside it
        await anyio.to_thread.run_sync(prepare_folder, self.locks)
        is_network = await anyio.to_thread.run_sync(files.is_on_network, self.path)
        if is_network:
            _log.warning(
                "the catalog %r is on a network filesystem, where locks may fail; use it from one machine "
                "at a time",
                str(self.path),
            )
        await self._patiently(self.use.begin)
        is_trusted = await anyio.to_thread.run_sync(self.use.is_trusted)
        try:
            if await self._inspect(was_used=was_used, is_trusted=is_trusted) is files.Condition.READY:
                await self._patiently(lambda: files.set_journal(self.path, is_network=is_network))
                await anyio.to_thread.run_sync(self.use.share)
                return  # most often there is nothing to do, and that needs no lock
        except DamagedError:
            pass  # perhaps another process is at it: look again with the lock
        lock = FileLock(self.locks / "opening.lock")
        try:
            while not await anyio.to_thread.run_sync(lock.acquire):
                await self._wait()
            await self._settle(was_used=was_used, is_network=is_network)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lock.release)
        await anyio.to_thread.run_sync(self.use.share)

    async def _refuse_other_file(self) -> None:
        """Refuse a file that is not a sound catalog, unless a catalog of ours was opened there before."""
        try:
            await self._inspect(was_used=False, is_trusted=False)
        except DamagedError as error:
            raise CatalogError(
                f"{str(self.path)!r} is not a catalog of aioglacier ({error}); it was left as it is. Name "
                "another file with --catalog PATH",
                path=str(self.path),
            ) from error

    async def _settle(self, *, was_used: bool, is_network: bool) -> None:
        """Look again with the lock, and take the steps that are needed."""
        try:
            condition = await self._inspect(was_used=was_used, is_trusted=False)
        except DamagedError as error:
            raise await anyio.to_thread.run_sync(files.move_aside, self.path, str(error)) from error
        if condition is files.Condition.READY:
            return
        if condition is files.Condition.OLD:
            await self._upgrade(self.path, is_durable=True)
            return
        if not self._begins_new:
            await anyio.to_thread.run_sync(files.refuse_to_forget, self.path)
        new = self.path.with_name(f"{self.path.name}.new")
        await anyio.to_thread.run_sync(files.make_empty, new)
        await self._patiently(lambda: files.set_journal(new, is_network=is_network, is_durable=False))
        await self._upgrade(new, is_durable=False)
        is_empty = condition is files.Condition.EMPTY
        await anyio.to_thread.run_sync(partial(files.publish, new, self.path, overwrite=is_empty))

    async def _inspect(self, *, was_used: bool, is_trusted: bool) -> files.Condition:
        return await self._patiently(
            lambda: files.inspect(self.path, was_used=was_used, is_trusted=is_trusted)
        )

    async def _upgrade(self, path: Path, *, is_durable: bool) -> None:
        def upgrade() -> None:
            with closing(SqliteStore(path, is_durable=is_durable)) as store:
                while store.run(migrations.upgrade_once, is_write=True):
                    pass

        await self._patiently(upgrade)

    async def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return await anyio.to_thread.run_sync(call)
            except BusyError:
                await self._wait()

    async def _wait(self) -> None:
        waited = anyio.current_time() - self._started
        if waited >= self._busy_timeout_seconds:
            raise busy(str(self.path), waited)
        await anyio.sleep(_RETRY_SECONDS)


class _Use:
    """The note that processes have the catalog open, and of the state in which the last one left it."""

    def __init__(self, path: Path, note: Path) -> None:
        self._path = path
        self._note = note
        self._fd: int | None = None
        self._is_alone = False
        self._checked = 0.0

    def begin(self) -> None:
        """Join the processes that have it open; the first one stays alone until it has checked the file.

        Raises:
            BusyError: The first one is looking.
        """
        if sys.platform == "win32":
            return
        if self._fd is None:
            self._fd = os.open(self._note, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o600)
            os.fchmod(self._fd, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._is_alone = True
        except BlockingIOError:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(str(error)) from error

    def is_trusted(self) -> bool:
        """Return whether the file is as it was left, or others use it already."""
        if sys.platform == "win32" or self._fd is None:
            return False
        left, self._checked = _read(self._fd)
        if not self._is_alone:
            return True
        age = time.time() - self._checked
        if left == _state_of(self._path) and 0 <= age < _CHECK_EVERY_SECONDS:
            return True
        self._checked = time.time()
        return False

    def share(self) -> None:
        """Let others in."""
        if sys.platform != "win32" and self._fd is not None and self._is_alone:
            fcntl.flock(self._fd, fcntl.LOCK_SH)
            self._is_alone = False

    def end(self) -> None:
        """Leave; the last process notes the state of the file."""
        if sys.platform == "win32" or self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            note = json.dumps({"left": _state_of(self._path), "checked": self._checked}).encode()
            os.ftruncate(fd, 0)
            os.pwrite(fd, note, 0)
        except OSError:
            pass  # others have it open, or the disk is full: then the next process checks the file
        finally:
            os.close(fd)


def _read(note: int) -> tuple[list[int] | None, float]:
    try:
        found = json.loads(os.pread(note, 1000, 0))
        return found["left"], float(found["checked"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0.0


def _state_of(path: Path) -> list[int] | None:
    """Return the facts that change with the file; ``None`` if it is missing, or a journal lies beside it."""
    try:
        if any(one.exists() and one.stat().st_size for one in files.journals(path)):
            return None
        status = path.stat()
    except OSError:
        return None
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _resolve(path: str | os.PathLike[str] | None) -> Path:
    given = files.default_path() if path is None else Path(os.fsdecode(path))
    try:
        # Journals lie beside the file itself, not beside a link to it.
        return Path(os.path.realpath(given))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the catalog cannot be at {str(given)!r}: {error}", path=str(given)) from error
