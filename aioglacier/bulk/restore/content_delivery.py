"""The contents of a restore on their way from a job to their places."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.restore.placer import as_target_error
from aioglacier.bulk.restore.unseal_files import unseal_file
from aioglacier.core.errors import ConfigurationError, GlacierError, IntegrityError
from aioglacier.core.limits import MIB
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
    from aioglacier.client.job import Job
    from aioglacier.transfer.download.reader import ArchiveReader

#: Members put into their places together.
_MEMBERS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 16 * MIB


class ContentDelivery:
    """Decodes what jobs bring, and has it put into its place.

    Attributes:
        fetched: Bytes fetched.
    """

    def __init__(
        self,
        root: bytes,
        identities: Identities | None,
        paths_of: Callable[[Entry], list[bytes]],
        *,
        done: Callable[[int, int], None],
        fail: Callable[[bytes, GlacierError], None],
    ) -> None:
        self.fetched = 0
        self._root = root
        self._identities = identities
        self._paths_of = paths_of
        self._done = done
        self._fail = fail

    async def deliver_members(
        self, reader: ArchiveReader, position: int, members: list[StoredEntry], placer: Placer
    ) -> None:
        """Put members of a bundle into their places.

        Args:
            reader: Reads the bundle, from ``position`` on.
            position: Where in the bundle the reader is.
            members: In the order of their positions.
            placer: Of the calling task.
        """
        batch: list[tuple[Entry, bytes]] = []
        size = 0
        raw = b""
        for stored in members:
            entry = stored.entry
            gap = (entry.position or 0) - position
            if not raw or gap != -len(raw):  # two paths with the same content are one member
                await _skip(reader, gap)
                raw = await _read(reader, entry.stored or 0)
                position += gap + len(raw)
                self.fetched += gap + len(raw)
            batch.append((entry, raw))
            size += len(raw)
            if len(batch) >= _MEMBERS_AT_ONCE or size >= _BYTES_AT_ONCE:
                await self._place_batch(batch, placer)
                batch, size = [], 0
        if batch:
            await self._place_batch(batch, placer)

    async def _place_batch(self, batch: list[tuple[Entry, bytes]], placer: Placer) -> None:
        def place() -> None:
            contents: list[tuple[Entry, bytes, bytes]] = []
            for entry, raw in batch:
                path = self._paths_of(entry)[0]
                try:
                    contents.append((entry, path, member_content(entry, raw, self._identities)))
                except (IntegrityError, ConfigurationError) as error:
                    self._fail(path, error)
            for placed in placer.place_files(contents):
                if placed.error is not None:
                    self._fail(placed.path, placed.error)
                else:
                    self._done(1, placed.size)

        await run_in_thread(place)

    async def deliver_file(self, job: Job, stored: StoredEntry, placer: Placer) -> None:
        """Put a file that is an archive of its own into its place, in parallel and resumable."""
        entry = stored.entry
        path = self._paths_of(entry)[0]
        description = await job.describe()
        if description.tree_hash not in {None, stored.archive_hash}:
            raise IntegrityError(
                f"archive {stored.archive_id} is not what was archived",
                expected=stored.archive_hash or b"",
                actual=description.tree_hash or b"",
                archive_id=stored.archive_id,
            )
        try:
            await self._deliver_file(job, stored, path, placer)
        except OSError as error:
            self._fail(path, as_target_error(path, error))
            return
        self._done(1, entry.size)

    async def _deliver_file(self, job: Job, stored: StoredEntry, path: bytes, placer: Placer) -> None:
        entry = stored.entry
        folder, name = await run_in_thread(partial(placer.open_big, path))
        try:
            # By its descriptor, so that no link leads the threads that write it astray.
            is_linux = sys.platform == "linux"
            way = f"/proc/{os.getpid()}/fd/{folder}" if is_linux else _folder_of(self._root, path)
            fetched = name if entry.encryption is None else name + b".age"
            download = await job.prepare_download(f"{way}/{os.fsdecode(fetched)}", overwrite=True)
            await download.run()
            self.fetched += stored.archive_size
            if fetched != name:
                identities = self._identities
                await run_in_thread(partial(unseal_file, folder, fetched, name, entry, identities))
            await run_in_thread(partial(placer.place_big, entry, path, folder))
        finally:
            os.close(folder)


async def _skip(reader: ArchiveReader, size: int) -> None:
    while size > 0:
        block = await reader.read(min(size, 1 << 20))
        if not block:
            return
        size -= len(block)


async def _read(reader: ArchiveReader, size: int) -> bytes:
    block = await reader.read(size)
    if len(block) == size or not block:
        return block
    blocks = [block]
    left = size - len(block)
    while left and (block := await reader.read(left)):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


def _folder_of(root: bytes, path: bytes) -> str:
    return os.fsdecode(os.path.join(root, os.path.dirname(path)))  # noqa: PTH118, PTH120  # of any bytes
