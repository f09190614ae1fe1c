"""The contents of a restore on their way from a job to their places."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.restore.placer import as_target_error
from aioglacier.bulk.restore.unseal_files import unseal_file
from aioglacier.core.errors import ConfigurationError, IntegrityError
from aioglacier.core.limits import MIB
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.bulk.formats.age import Identities
    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_progress import RestoreProgress
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
    from aioglacier.client.job import Job
    from aioglacier.transfer.download.reader import ArchiveReader

#: Members put into their places together.
_MEMBERS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 16 * MIB


class ContentDelivery:
    """Decodes what jobs bring, and has it put into its place."""

    def __init__(
        self, identities: Identities | None, version: FolderVersion, progress: RestoreProgress
    ) -> None:
        self._identities = identities
        self._version = version
        self._progress = progress

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
                self._progress.fetched += gap + len(raw)
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
                path = self._version.paths_of(entry)[0]
                try:
                    contents.append((entry, path, member_content(entry, raw, self._identities)))
                except (IntegrityError, ConfigurationError) as error:
                    self._progress.failures.add(path, error)
            for placed in placer.place_files(contents):
                if placed.error is not None:
                    self._progress.failures.add(placed.path, placed.error)
                else:
                    self._progress.done(placed.size)

        await run_in_thread(place)

    async def deliver_file(self, job: Job, stored: StoredEntry, placer: Placer) -> None:
        """Put a file that is an archive of its own into its place, in parallel and resumable."""
        path = self._version.paths_of(stored.entry)[0]
        try:
            await self._deliver_file(job, stored, path, placer)
        except OSError as error:
            self._progress.failures.add(path, as_target_error(path, error))
            return
        self._progress.done(stored.entry.size)

    async def _deliver_file(self, job: Job, stored: StoredEntry, path: bytes, placer: Placer) -> None:
        entry = stored.entry
        folder, way, name = await run_in_thread(partial(placer.open_big, path))
        try:
            fetched = name if entry.encryption is None else name + b".age"
            download = await job.prepare_download(f"{way}/{os.fsdecode(fetched)}", overwrite=True)
            await download.run()
            self._progress.fetched += stored.archive_size
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
