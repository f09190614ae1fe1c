"""Uploads of this user on this machine keep out of each other's way.

Two kinds of locks, each free at once when its process dies:

- One for a source, or an unfinished upload, going to a vault: whoever comes second is refused.
- One for each running upload, named after its vault and description: unfinished uploads are recognised by
  their descriptions, so none is adopted while another process works under the same one. Everybody makes a
  lock first and looks for others' afterwards: of two that begin together at least one sees the other.

Where no lock can be made the work goes on without, and a warning says so.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import CatalogError, UploadLockedError
from aioglacier.files.folders import data_folder, prepare_folder
from aioglacier.files.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aioglacier.cli.session import Session
    from aioglacier.client import Glacier

#: Somebody who looks whether a new lock is taken holds it for as long as that takes, some microseconds.
_TRIES: Final = 100


class UploadLocks:
    """The locks of uploads to one vault."""

    def __init__(self, session: Session, glacier: Glacier, vault: str) -> None:
        local = session.settings.local
        # The port of a local Glacier is another one each time.
        origin = glacier.origin if local is None else f"local:{os.path.realpath(local)}"
        self._place = (origin, session.settings.account_id, vault)
        self._session = session
        self._folder: Path | None = None
        self._is_open = False

    @asynccontextmanager
    async def source(self, path: str) -> AsyncIterator[None]:
        """Keep every other process from uploading this file to this vault while the block runs.

        Raises:
            UploadLockedError: Another one does. Nothing is waited for.
        """
        async with self._only("source", _absolute(path), path):
            yield

    @asynccontextmanager
    async def upload(self, upload_id: str) -> AsyncIterator[None]:
        """Keep every other process from going on with this unfinished upload while the block runs.

        Raises:
            UploadLockedError: Another one does. Nothing is waited for.
        """
        async with self._only("upload", upload_id, f"upload {upload_id}"):
            yield

    @asynccontextmanager
    async def running(self, description: str | None) -> AsyncIterator[Callable[[], bool]]:
        """Show that an upload with this description runs; gives what tells whether another one does."""
        prefix = f"{self._name('running', description or '')}-"
        lock = None
        if (folder := await self._open()) is not None:
            for number in range(_TRIES):
                lock = FileLock(folder / f"{prefix}{os.getpid()}-{number}.lock")
                if await self._acquire(lock):
                    break
        own = lock

        def is_another_running() -> bool:
            if folder is None or own is None:
                return False
            others = [path for path in folder.glob(f"{prefix}*.lock") if path != own.path]
            return any(_is_taken(path) for path in others)

        with _released(own):
            yield is_another_running

    @asynccontextmanager
    async def _only(self, kind: str, key: str, shown: str) -> AsyncIterator[None]:
        folder = await self._open()
        if folder is None:
            yield
            return
        lock = FileLock(folder / f"{self._name(kind, key)}.lock")
        with _released(lock):
            if not await self._acquire(lock):
                owner = lock.owner()
                raise UploadLockedError(
                    source=shown,
                    pid=owner.pid if owner else None,
                    host=owner.host if owner else None,
                    path=str(lock.path),
                )
            yield

    async def _acquire(self, lock: FileLock) -> bool:
        """Take a lock; one that cannot be made counts as taken by us."""
        import anyio.to_thread  # noqa: PLC0415  # not needed for help

        try:
            return await anyio.to_thread.run_sync(lock.acquire)
        except CatalogError as error:
            self._do_without(error)
            return True

    async def _open(self) -> Path | None:
        """The folder, ``None`` where there can be none."""
        import anyio.to_thread  # noqa: PLC0415  # not needed for help

        if not self._is_open:
            self._is_open = True
            try:
                folder = data_folder() / "locks"
                await anyio.to_thread.run_sync(prepare_folder, folder)
                self._folder = folder
            except (OSError, RuntimeError) as error:
                self._do_without(error)
        return self._folder

    def _do_without(self, error: Exception) -> None:
        self._folder = None
        self._session.output.warn(
            f"no lock keeps another process from uploading the same file meanwhile: {error}"
        )

    def _name(self, kind: str, key: str) -> str:
        parts = (kind, *self._place, key)
        return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # a name of any bytes


@contextmanager
def _released(lock: FileLock | None) -> Iterator[None]:
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _is_taken(path: Path) -> bool:
    lock = FileLock(path)
    try:
        return not lock.acquire()
    except CatalogError:
        return False
    finally:
        lock.release()  # what a dead process left goes with it
