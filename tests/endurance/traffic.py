"""Random work on one vault, and a model of the archives that it must have afterwards.

Every action ends in one of three ways, and the model follows: it was done and proven, it failed and left
nothing but what its error names, or its outcome is unknown and either of both is right. ``settle`` compares
the model with the service when all is quiet.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from aioglacier.core.errors import GlacierError, OutcomeUnknownError, UploadExpiredError, UploadNotFoundError
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive, ArchiveId

MIB = 1024 * 1024

#: Everything archived is a slice of this, so that its content is known by two numbers.
_POOL = random.Random(11).randbytes(24 * MIB)  # noqa: S311  # repeatable, not secret

#: How often each action is chosen, relative to the others.
WEIGHTS: Mapping[str, int] = {
    "upload_bytes": 4,
    "upload_file": 4,
    "write_stream": 4,
    "fail_a_source": 2,
    "cancel_an_upload": 3,
    "resume": 4,
    "download": 3,
    "read": 2,
    "delete": 2,
    "list_inventory": 1,
}


class SourceFailedError(Exception):
    """The error of a source that fails half-way."""


@dataclass(frozen=True)
class Slice:
    """Bytes of the pool."""

    start: int
    size: int

    @property
    def data(self) -> memoryview:
        """Return the bytes."""
        return memoryview(_POOL)[self.start : self.start + self.size]


@dataclass
class Tally:
    """The number of actions by their ends.

    Attributes:
        done: By action.
        failed: By action and the error's class.
        cancelled: Uploads that were cancelled in time.
        moved: Bytes of archives that were proven, up and down.
    """

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    moved: int = 0


class Traffic:
    """A seeded sequence of actions on one vault that no other test uses.

    Attributes:
        tally: How they ended.
        archives: The archives that must exist, by id.
    """

    def __init__(
        self,
        vault: Vault,
        folder: Path,
        seed: int,
        *,
        sizes: tuple[int, int] = (1, 6 * MIB),
        part_size: int = MIB,
    ) -> None:
        self.tally = Tally()
        self.archives: dict[ArchiveId, Slice] = {}
        self._vault = vault
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._sizes = sizes
        self._part_size = part_size
        self._unclear: dict[ArchiveId, Slice] = {}
        self._unclear_hashes: Counter[bytes] = Counter()
        self._kept: dict[str, Slice] = {}
        self._actions: dict[str, Callable[[], Awaitable[None]]] = {
            "upload_bytes": self._upload_bytes,
            "upload_file": self._upload_file,
            "write_stream": self._write_stream,
            "fail_a_source": self._fail_a_source,
            "cancel_an_upload": self._cancel_an_upload,
            "resume": self._resume,
            "download": self._download,
            "read": self._read,
            "delete": self._delete,
            "list_inventory": self._list_inventory,
        }

    async def step(self, weights: Mapping[str, int] = WEIGHTS) -> None:
        """Do one action, chosen by its weight."""
        (name,) = self._random.choices(list(weights), list(weights.values()))
        try:
            await self._actions[name]()
        except (GlacierError, SourceFailedError) as error:
            self.tally.failed[f"{name}: {type(error).__name__}"] += 1
        else:
            self.tally.done[name] += 1

    async def settle(self) -> None:
        """Compare the vault with the model; nothing may go wrong any more, and inventories take no time.

        Raises:
            AssertionError: Something is lost, doubled, changed or left behind.
        """
        listed = {entry.id: entry async for entry in await self._inventory()}
        for archive_id, slice_ in self.archives.items():
            entry = listed.pop(archive_id, None)
            assert entry is not None, f"lost: {archive_id}, {slice_}"
            assert (entry.size, entry.tree_hash) == (slice_.size, tree_hash(slice_.data)), f"{entry} {slice_}"
        for archive_id in self._unclear:
            listed.pop(archive_id, None)
        allowed = Counter(self._unclear_hashes)
        for entry in listed.values():
            assert allowed[entry.tree_hash] > 0, f"no action has stored {entry}"
            allowed[entry.tree_hash] -= 1
        left = {upload.id async for upload in self._vault.uploads()}
        assert left <= set(self._kept), f"uploads that no error named: {left - set(self._kept)}"

    # --- up

    def _slice(self) -> Slice:
        size = self._random.randint(*self._sizes)
        return Slice(self._random.randrange(len(_POOL) - size), size)

    async def _upload_bytes(self) -> None:
        slice_ = self._slice()
        with self._accounting(slice_):
            self._proven(slice_, await self._vault.upload(slice_.data, part_size=self._part_size))

    async def _upload_file(self) -> None:
        slice_ = self._slice()
        async with self._file(slice_) as path:
            with self._accounting(slice_):
                archive = await self._vault.upload(path, part_size=self._part_size, keep_unfinished=True)
                self._proven(slice_, archive)

    async def _write_stream(self) -> None:
        slice_ = self._slice()
        with self._accounting(slice_):
            async with self._vault.open_writer(description="a stream", part_size=self._part_size) as writer:
                for piece in self._pieces(slice_):
                    await writer.write(piece)
            assert writer.archive is not None
            self._proven(slice_, writer.archive)

    async def _fail_a_source(self) -> None:
        slice_ = self._slice()

        def failing() -> Iterator[memoryview]:
            yield from self._pieces(slice_)
            raise SourceFailedError

        with self._accounting(slice_):
            await self._vault.upload(failing(), part_size=self._part_size)

    async def _cancel_an_upload(self) -> None:
        slice_ = self._slice()
        upload = await self._vault.prepare_upload(slice_.data, part_size=self._part_size)
        turns = self._random.randrange(400)
        scope = anyio.CancelScope()
        failure: GlacierError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_after, turns, scope)
            with scope:
                try:
                    await upload.run()
                except GlacierError as error:
                    failure = error
            tasks.cancel_scope.cancel()
        with self._accounting(slice_):
            if failure is not None:
                raise failure
        if upload.archive is not None:
            self._proven(slice_, upload.archive)
            return
        self.tally.cancelled += 1
        if upload.snapshot().moved >= slice_.size:
            # All was on its way: the answer may be lost with the cancellation.
            self._unclear_hashes[tree_hash(slice_.data)] += 1

    async def _resume(self) -> None:
        if not self._kept:
            return
        upload_id, slice_ = self._kept.popitem()
        try:
            with self._accounting(slice_):
                self._proven(slice_, await self._vault.resume(upload_id, slice_.data))
        except (UploadNotFoundError, UploadExpiredError):
            raise
        except GlacierError:
            self._kept[upload_id] = slice_
            raise

    # --- down

    async def _download(self) -> None:
        if (archive_id := self._any_archive()) is None:
            return
        slice_ = self.archives[archive_id]
        job = await self._vault.retrieve(archive_id, tier="Bulk")
        await job.wait_until_done()
        target = self._folder / f"download-{self._random.randrange(1 << 40):x}"
        try:
            await job.download(target)
            content = await anyio.Path(target).read_bytes()
        finally:
            await anyio.Path(target).unlink(missing_ok=True)
            for rest in self._folder.glob(f".{target.name}*"):
                rest.unlink()
        assert content == slice_.data, f"{archive_id} came back as something else"
        self.tally.moved += slice_.size

    async def _read(self) -> None:
        if (archive_id := self._any_archive()) is None:
            return
        slice_ = self.archives[archive_id]
        job = await self._vault.retrieve(archive_id)
        await job.wait_until_done()
        came = 0
        async with job.open_reader() as reader:
            async for block in reader:
                assert block == slice_.data[came : came + len(block)]
                came += len(block)
        assert came == slice_.size
        self.tally.moved += came

    async def _delete(self) -> None:
        if (archive_id := self._any_archive()) is None:
            return
        self._unclear[archive_id] = self.archives.pop(archive_id)
        await self._vault.delete_archive(archive_id)

    async def _list_inventory(self) -> None:
        listed = {entry.id async for entry in await self._inventory()}
        assert listed >= set(self.archives), f"lost: {set(self.archives) - listed}"

    # --- what they share

    async def _inventory(self) -> AsyncIterator[Archive]:
        job = await self._vault.retrieve_inventory()
        await job.wait_until_done()
        return job.inventory()

    def _any_archive(self) -> ArchiveId | None:
        return self._random.choice(list(self.archives)) if self.archives else None

    def _pieces(self, slice_: Slice) -> Iterator[memoryview]:
        data = slice_.data
        while data:
            count = self._random.randint(1, MIB)
            yield data[:count]
            data = data[count:]

    def _proven(self, slice_: Slice, archive: Archive) -> None:
        assert (archive.size, archive.tree_hash) == (slice_.size, tree_hash(slice_.data))
        assert archive.id not in self.archives, f"{archive.id} was given twice"
        self.archives[archive.id] = slice_
        self.tally.moved += slice_.size

    @contextmanager
    def _accounting(self, slice_: Slice) -> Iterator[None]:
        """Put the leftovers of a failed upload into the model."""
        try:
            yield
        except GlacierError as error:
            if isinstance(error, OutcomeUnknownError):
                self._unclear_hashes[tree_hash(slice_.data)] += 1
            if error.upload_id is not None:
                self._kept[error.upload_id] = slice_
            raise

    @asynccontextmanager
    async def _file(self, slice_: Slice) -> AsyncIterator[Path]:
        """Yield a file with a slice in it, and delete it at the end."""
        path = self._folder / f"source-{self._random.randrange(1 << 40):x}"
        await anyio.Path(path).write_bytes(slice_.data)
        try:
            yield path
        finally:
            path.unlink()


async def _cancel_after(turns: int, scope: anyio.CancelScope) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    scope.cancel()
