"""Paths on record beside what a scan found there, some hundred at a time, with the hashes of their files.

The paths of the next run are looked at while two threads hash the files of those before, many in one call.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.sync.scan import open_top
from aioglacier.core.limits import MIB
from aioglacier.files.reading import make_block
from aioglacier.files.small_files import hash_files
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.bulk.sync.scan import Found
    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.files.small_files import SizedFile

    Step: TypeAlias = tuple[StoredEntry, Found | None] | tuple[None, Found]
    """A path on record and what the scan found there, or a path that is only in the folder."""

#: Threads that read and hash; more do not help where two are not enough for the disk.
READERS: Final = 2

#: Bytes and files of one call. A larger file is a call of its own.
_BYTES_AT_ONCE: Final = 16 * MIB
_FILES_AT_ONCE: Final = 256

#: Memory of each thread that reads. The leaves in it are hashed together.
_ROOM: Final = 8 * MIB


class PathRun:
    """Some paths in their order.

    Attributes:
        steps: The paths.
        is_read_here: Files are read in this process.
    """

    def __init__(self, *, is_read_here: bool) -> None:
        self.steps: list[Step] = []
        self.is_read_here = is_read_here
        self._files: list[SizedFile] = []
        self._hashes: dict[bytes, bytes | None] = {}
        self._is_hashed = anyio.Event()
        self._calls_left = 0

    def add_file(self, path: bytes, size: int) -> None:
        """Have a file hashed."""
        self._files.append((path, size))

    def calls(self) -> list[HashCall]:
        """Return what is to be hashed; to be called once, when all files are there."""
        calls = [HashCall(self, files) for files in _batches(self._files)]
        self._calls_left = len(calls)
        if not calls:
            self._is_hashed.set()
        return calls

    def note(self, files: Sequence[SizedFile], hashes: Sequence[bytes | None]) -> None:
        """Take the answer to one of the calls."""
        self._hashes.update(zip((path for path, _ in files), hashes, strict=True))
        self._calls_left -= 1
        if not self._calls_left:
            self._is_hashed.set()

    async def wait_until_hashed(self) -> None:
        """Wait for the answers to all calls."""
        await self._is_hashed.wait()

    def hash_of(self, path: bytes) -> bytes | None:
        """Return the tree hash of a file; ``None`` if it was not made."""
        return self._hashes.get(path)


class HashCall:
    """Files of a run that one call hashes.

    Attributes:
        files: Their paths and sizes.
    """

    __slots__ = ("_run", "files")

    def __init__(self, run: PathRun, files: list[SizedFile]) -> None:
        self._run = run
        self.files = files

    async def perform(self, root: int, room: memoryview) -> None:
        """Hash the files below an open folder."""
        self._run.note(self.files, await run_in_thread(partial(hash_files, root, self.files, room)))


async def hash_all(root: str, calls: MemoryObjectReceiveStream[HashCall]) -> None:
    """Perform calls until there are no more; several tasks may take from the same stream.

    Raises:
        SourceUnreadableError: The folder cannot be opened.
    """
    async with calls:
        room = make_block(_ROOM)
        folder = await run_in_thread(partial(open_top, os.fsencode(root)))
        try:
            async for call in calls:
                await call.perform(folder, room)
        finally:
            os.close(folder)


def _batches(files: Sequence[SizedFile]) -> Iterator[list[SizedFile]]:
    batch: list[SizedFile] = []
    left = 0
    for file in files:
        if batch and (len(batch) >= _FILES_AT_ONCE or file[1] > left):
            yield batch
            batch = []
        if not batch:
            left = _BYTES_AT_ONCE
        batch.append(file)
        left -= file[1]
    if batch:
        yield batch
