"""Hashing the files of a folder through other processes, in ranges that are nodes of the hash tree.

This process, which has the record, decides what the hashes mean. It reads a file again by itself if they
differ from the record, so a worker that sees other bytes causes no finding.
"""

from __future__ import annotations

import os
import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from aioglacier.bulk.sync.folder_files import open_file
from aioglacier.core.errors import GlacierError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import TreeHash, combine
from aioglacier.files.shared import SharedFolder
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.resources import TASK_VERSION
from aioglacier.transfer.spreading import Spreader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.transfer.resources import Runner, Tools

#: Bytes that one thread reads before the task looks at whether it is still wanted.
_BYTES_AT_ONCE: Final = 64 * MIB


class FileRange(NamedTuple):
    """A range of a file below a folder; it begins at a multiple of ``_BYTES_AT_ONCE``."""

    path: bytes
    start: int
    size: int
    total: int  # bytes of the file


class HashRun(NamedTuple):
    """Hash ranges of files.

    Attributes:
        folder: The folder.
        ranges: The ranges.
        version: See ``TASK_VERSION``.
    """

    folder: SharedFolder
    ranges: tuple[FileRange, ...]
    version: int = TASK_VERSION

    @property
    def title(self) -> str:
        """See ``Task``."""
        return f"hash-files-{len(self.ranges)}-of-{self.folder.path.rpartition('/')[2]}"

    @property
    def shared(self) -> SharedFolder:
        """See ``Task``."""
        return self.folder

    async def perform(self, tools: Tools) -> HashesDone:
        """See ``Task``. It needs no connection."""
        del tools
        hashes: list[bytes | None] = []
        began = time.monotonic()
        for some in _batches(self.ranges):
            hashes += await run_in_thread(partial(_hash_some, self.folder.path, some))
        return HashesDone(tuple(hashes), time.monotonic() - began)


class HashesDone(NamedTuple):
    """The answer to a run of ranges.

    Attributes:
        hashes: The tree hash of each range; ``None`` for one that cannot be read, or has not its size.
        seconds: From the start of the task to its end.
    """

    hashes: tuple[bytes | None, ...]
    seconds: float


class FolderHashes(Spreader):
    """Gives out the files of one folder, and takes their hashes.

    Attributes:
        size: Bytes hashed.
    """

    def __init__(self, runner: Runner, root: str) -> None:
        super().__init__(runner)
        self.size = 0
        self._root = root
        self._folder = SharedFolder(root, 0)
        self._files: dict[bytes, _File] = {}
        self._taking = anyio.Lock()

    async def hash(
        self, files: AsyncIterator[StoredEntry], take: Callable[[StoredEntry, bytes | None], Awaitable[None]]
    ) -> None:
        """Hash files; ``take`` gets the tree hash of each, ``None`` if it has none, one file at a time.

        Raises:
            NotSharedError: The folder is not the same one in every process.
            WorkerDiedError: The processes were lost.
        """

        async def do(ranges: Sequence[FileRange]) -> float:
            seconds = 0.0

            async def note(done: HashesDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                for each, found in zip(ranges, done.hashes, strict=True):
                    await self._note(each, found, take)

            await self.runner.run(HashRun(self._folder, tuple(ranges)), note)
            return seconds

        await self.give_items(self._cut(files), do)

    async def _cut(self, files: AsyncIterator[StoredEntry]) -> AsyncIterator[FileRange]:
        async for stored in files:
            if not self._folder.inode:  # there is work
                self._folder = await self.check_folder(self._root)
            path, size = stored.entry.path, stored.entry.size
            bounds = (*range(0, size, _BYTES_AT_ONCE), size) if size else (0, 0)
            self._files[path] = _File(stored, len(bounds) - 1, {})
            for start, stop in pairwise(bounds):
                yield FileRange(path, start, stop - start, size)

    async def _note(
        self,
        part: FileRange,
        found: bytes | None,
        take: Callable[[StoredEntry, bytes | None], Awaitable[None]],
    ) -> None:
        """Note the hash of a range; the last one of a file makes the hash of the file."""
        file = self._files[part.path]
        file.hashes[part.start] = found
        if len(file.hashes) < file.ranges:
            return
        del self._files[part.path]
        known = [hash_ for _, hash_ in sorted(file.hashes.items()) if hash_ is not None]
        is_whole = len(known) == file.ranges
        self.size += part.total if is_whole else 0
        async with self._taking:
            await take(file.stored, combine(known) if is_whole else None)


class _File(NamedTuple):
    """A file that is hashed, with the hashes of its ranges by their starts."""

    stored: StoredEntry
    ranges: int
    hashes: dict[int, bytes | None]


def _batches(ranges: Sequence[FileRange]) -> list[list[FileRange]]:
    batches: list[list[FileRange]] = [[]]
    size = 0
    for each in ranges:
        if size + each.size > _BYTES_AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append(each)
        size += each.size
    return batches


def _hash_some(root: str, ranges: Sequence[FileRange]) -> list[bytes | None]:
    return [_hash(root, each) for each in ranges]


def _hash(root: str, part: FileRange) -> bytes | None:
    hasher, left = TreeHash(), part.size
    try:
        with open_file(root, part.path) as file:
            if os.fstat(file).st_size != part.total:
                return None
            os.lseek(file, part.start, os.SEEK_SET)
            while left and (block := os.read(file, min(MIB, left))):
                hasher.update(block)
                left -= len(block)
    except (GlacierError, OSError):
        return None
    return hasher.digest() if not left else None
