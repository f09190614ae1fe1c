"""The bundle writer: members become one archive, with an index at its end.

The upload is on record, and begun at the service, before the first member is written; it is always one in
parts, because only that can be found and completed again after a kill. Members are recorded while they go
out, some thousands at a time, and count once the upload is completed.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.age import AGE, sealed_member
from aioglacier.bulk.formats.bundle_format import INDEX_NAME, PART_SIZE, BundleTrailer, encode_trailer
from aioglacier.bulk.formats.bundle_index import index_line
from aioglacier.bulk.formats.folder_descriptions import describe_bundle
from aioglacier.bulk.formats.zstd import ZstdCoder
from aioglacier.bulk.sync.in_parts import open_in_parts
from aioglacier.bulk.sync.pacing import Patience
from aioglacier.catalog.folders.entries import BundleRecord, Entry
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.sync.packing import Packed
    from aioglacier.catalog import UploadRecord
    from aioglacier.catalog.folders.entries import RunNumber, TreeRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.snapshot import TransferSnapshot
    from aioglacier.transfer.upload.writer import ArchiveWriter

_RECORDED_AT_ONCE: Final = 4000
_INDEX_LINES: Final = 8192

#: How often to look whether a part is gone.
_LOOK_SECONDS: Final = 0.02


class BundleWriter:
    """One bundle on its way.

    Attributes:
        archive: What it has become in the end.
        requests: How many were asked of the service.
    """

    def __init__(
        self,
        context: RecordedVault,
        tree: TreeRecord,
        run: RunNumber,
        upload: UploadRecord,
        writer: ArchiveWriter,
        record: BundleRecord,
        recipients: Recipients | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.archive: Archive | None = None
        self._context = context
        self._entries, self._bundles = context.catalog.entries, context.catalog.bundles
        self._tree = tree
        self._run = run
        self._upload = upload
        self._writer = writer
        self._record = record
        self._recipients = recipients
        self._waiting: list[Entry] = []
        self._members = 0
        self._index_hash = hashlib.sha256()
        self._content_size = 0
        self._patience = patience or Patience()
        self._filling_since = anyio.current_time()

    @property
    def position(self) -> int:
        """Bytes written."""
        return self._writer.position

    @property
    def requests(self) -> int:
        """Initiate, parts so far, complete."""
        return 2 + -(-self._writer.position // self._writer.part_size)

    @property
    def members(self) -> int:
        """Paths written."""
        return self._members

    def snapshot(self) -> TransferSnapshot:
        """The counters now."""
        return self._writer.snapshot()

    async def add(self, packed: Packed) -> None:
        """Write members, and record them."""
        base = self._writer.position
        number = self._upload.number
        self._waiting += [
            entry._replace(upload=number, position=base + (entry.position or 0)) for entry in packed.entries
        ]
        self._members += len(packed.entries)
        self._content_size += packed.size
        await self._write(packed.blob)
        if len(self._waiting) >= _RECORDED_AT_ONCE:
            await self._flush()

    async def finish(self) -> Archive:
        """Write the index, and make the archive; from then on its members count."""
        await self._flush()
        index_position = self._writer.position
        await self._write_index()
        self._record = replace(
            self._record,
            members=self._members,
            content_size=self._content_size,
            index_position=index_position,
            index_size=self._writer.position - index_position,
        )
        trailer = BundleTrailer(
            index_position,
            self._record.index_size,
            self._members,
            self._record.compression,
            self._record.encryption,
            self._index_hash.digest()[:16],
            self._tree.identity,
            self._tree.host if self._recipients is None else "",
            self._tree.root if self._recipients is None else None,
        )
        await self._writer.write(encode_trailer(trailer))
        await self._bundles.record(self._tree, self._run, self._record)
        self.archive = await self._writer.complete()
        await self._bundles.finish(self._upload.number)
        return self.archive

    async def _write(self, blob: bytes) -> None:
        """Write, and at the end of each part wait until it is gone, while there is patience for it."""
        room = -self._writer.position % self._writer.part_size
        if self._patience.is_spent or len(blob) <= room or not self._writer.position:
            await self._writer.write(blob)
            return
        view = memoryview(blob)
        await self._writer.write(view[:room])
        began = anyio.current_time()
        self._patience.packed(began - self._filling_since)
        while self._writer.snapshot().parts_in_flight:
            if not self._patience.has(anyio.current_time() - began):
                break
            await anyio.sleep(_LOOK_SECONDS)
        self._filling_since = anyio.current_time()
        self._patience.waited(self._filling_since - began)
        await self._writer.write(view[room:])

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        await self._entries.add(waiting)

    async def _write_index(self) -> None:
        lines: list[bytes] = []
        number = 0
        async for page in self._entries.members(self._upload.number):
            lines += await run_in_thread(lambda page=page: [index_line(entry) for entry in page])  # type: ignore[misc]
            while len(lines) >= _INDEX_LINES:
                await self._write_index_page(number, lines[:_INDEX_LINES])
                del lines[:_INDEX_LINES]
                number += 1
        if lines:
            await self._write_index_page(number, lines)

    async def _write_index_page(self, number: int, lines: Sequence[bytes]) -> None:
        def make() -> bytes:
            coder = ZstdCoder()
            content = coder.encode(b"".join(lines))
            if self._recipients is not None:
                return sealed_member(INDEX_NAME % number + b".age", content, self._recipients)
            header = tar.member_header(INDEX_NAME % number, size=len(content), mode=0o600)
            member = header + content + tar.padding(len(content))
            return coder.encode(member) if self._record.compression else member

        page = await run_in_thread(make)
        self._index_hash.update(page)
        await self._write(page)


@asynccontextmanager
async def open_bundle(
    context: RecordedVault,
    tree: TreeRecord,
    run: RunNumber,
    *,
    compression: str | None,
    recipients: Recipients | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[BundleWriter]:
    """Begin a bundle. Leaving the block before ``finish`` aborts it, and its members are none.

    ``patience`` is shared by the bundles of a run, since it is about the service and this machine.
    """
    encryption = AGE if recipients is not None else None

    async def note(upload: UploadRecord) -> None:
        record = BundleRecord(upload.number, "tar", compression, encryption)
        await context.catalog.bundles.record(tree, run, record)

    description = describe_bundle(tree.root if recipients is None else None)
    async with open_in_parts(context, description, context.part_size(PART_SIZE), note=note) as (
        upload,
        writer,
    ):
        record = BundleRecord(upload.number, "tar", compression, encryption)
        yield BundleWriter(context, tree, run, upload, writer, record, recipients, patience)
