"""Hashing the files of a folder through other processes, in ranges that are nodes of the hash tree.

This process, which has the record, decides what the hashes mean. It reads a file again by itself if they
differ from the record, so a worker that sees other bytes causes no finding.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

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

    async def hash(
        self, files: AsyncIterator[tuple[bytes, int]], take: Callable[[bytes, bytes | None], Awaitable[None]]
    ) -> None:
        """Hash files, given by path and size; ``take`` gets the tree hash of each, ``None`` if it has none.

        Raises:
            NotSharedError: The folder is not the same one in every process.
            WorkerDiedError: The processes were lost.
        """
        folder = SharedFolder(self._root, 0)
        pieces: defaultdict[bytes, dict[int, bytes | None]] = defaultdict(dict)

        async def do(ranges: Sequence[FileRange]) -> float:
            nonlocal folder
            seconds = 0.0

            async def note(done: HashesDone) -> None:
                nonlocal seconds
                seconds = done.seconds
                for (path, start, _, total), found in zip(ranges, done.hashes, strict=True):
                    pieces[path][start] = found
                    if len(pieces[path]) == max(1, -(-total // _BYTES_AT_ONCE)):
                        known = [hash_ for _, hash_ in sorted(pieces.pop(path).items())]
                        whole = [hash_ for hash_ in known if hash_ is not None]
                        if len(whole) == len(known):
                            self.size += total
                        await take(path, combine(whole) if len(whole) == len(known) else None)

            await self.runner.run(HashRun(folder, tuple(ranges)), note)
            return seconds

        async def cut() -> AsyncIterator[FileRange]:
            nonlocal folder
            async for path, size in files:
                if not folder.inode:  # there is work
                    folder = await run_in_thread(partial(SharedFolder.of, self._root))
                    await self.runner.open()
                    await self.runner.check_shared(folder)
                    folder = folder._replace(sample=None)
                bounds = (*range(0, size, _BYTES_AT_ONCE), size) if size else (0, 0)
                for start, stop in pairwise(bounds):
                    yield FileRange(path, start, stop - start, size)

        await self.give_items(cut(), do)


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
