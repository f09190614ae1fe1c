"""Carries archives into a bucket: ranges of a job's output become parts of an object, without a disk.

An object counts as the archive only if its token, metadata, size and SHA-256 are those that were sent.
Whatever else lies under a key is compared, never trusted, and never replaced.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.archives.job_bytes import JobBytes, send_output
from aioglacier.catalog.records import MovedPart, MoveState
from aioglacier.core.errors import IntegrityError, UploadExpiredError, UploadNotFoundError
from aioglacier.core.limits import MIB
from aioglacier.core.models import UploadId
from aioglacier.core.s3.moved_metadata import metadata_of
from aioglacier.core.s3.objects import UPLOAD_NAME, UploadedObjectPart
from aioglacier.core.spending import charging
from aioglacier.files.crashpoints import passing
from aioglacier.files.scratch_folder import ScratchFolder
from aioglacier.gateway.contract.paging import follow
from aioglacier.migrate.move_costs import SHARE, choose_part_size
from aioglacier.migrate.move_manifest import write_line
from aioglacier.migrate.moved_sidecar import keep_sidecar
from aioglacier.migrate.object_proof import checksum_of, find_difference, find_other_bytes, metadata_sent
from aioglacier.migrate.proven_store import ProvenStore
from aioglacier.transfer.download.retrieval_source import GlacierOutput
from aioglacier.transfer.object_store import ObjectStore
from aioglacier.transfer.upload.engine import UploadEngine

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.archives.output_run import OutputSpreader
    from aioglacier.catalog.records import MovedRecord
    from aioglacier.core.errors import ObjectExistsError
    from aioglacier.core.models import Archive, Page
    from aioglacier.core.s3.objects import ArchivedObject, ObjectHead
    from aioglacier.migrate.bucket_target import BucketMove
    from aioglacier.migrate.bundling import Bundling
    from aioglacier.transfer.store import Destination, PartDone

#: Archives carried side by side. One with large parts takes all places, because its parts fill the memory.
_PLACES: Final = 4

#: Attempts for one archive whose bytes come damaged, or whose upload the service removes.
_TRIES: Final = 3


class BucketCarrier:
    """Carries archives into one bucket; see ``Carrier``.

    Attributes:
        takes_over: Compare an object that another program made with its archive, and count it as moved if
            the bytes are the same.
        scratch: The folder for parts that are too large for the memory.
        spreader: Gives parts to other processes; ``None`` if this process moves all.
    """

    def __init__(self, work: BucketMove, bundling: Bundling) -> None:
        self._work = work
        self._moves = work.context.catalog.moves
        self._target = work.target
        self._bundling = bundling
        self._places = anyio.Semaphore(_PLACES)
        self._alone = anyio.Lock()
        self.takes_over = False
        self.scratch: str | os.PathLike[str] | None = None
        self.spreader: OutputSpreader | None = None

    async def is_there(self, moved: MovedRecord) -> bool:
        """See ``Carrier``."""
        if moved.bundle is not None:
            return await self._bundling.is_there(moved.bundle)
        if moved.state in {MoveState.REQUESTED, MoveState.READY} or self._bundling.takes(moved):
            return False  # nothing was sent yet
        head = await self._target.head(moved.name)
        if head is None or self._is_foreign(head):
            return False  # only ``carry`` has the job's output to compare a foreign object with
        parts = await self._moves.list_parts(moved)
        # Without a recorded part nothing was sent, so another program made the object.
        difference = self._difference(moved, head, parts) if parts else "it was there before"
        if difference:
            raise self._exists(moved, difference)
        await self._prove(moved, head)
        return True

    async def carry(self, moved: MovedRecord) -> bool:
        """See ``Carrier``."""
        if self._bundling.takes(moved):
            await self._bundling.add(moved, self._output(moved))
            return False
        memory = self._target.resources.buffers.limit
        part_size = moved.part_size or choose_part_size(
            moved.archive.size, memory, has_scratch=self.scratch is not None
        )
        async with AsyncExitStack() as stack:
            if self._is_spread(moved.archive, part_size):
                pass  # its bytes take no memory here
            elif self._is_alone(part_size):
                await stack.enter_async_context(self._alone)  # or two would each wait for the other's places
                for _ in range(_PLACES):
                    await stack.enter_async_context(self._places)
            else:
                await stack.enter_async_context(self._places)
            for tries_left in range(_TRIES - 1, -1, -1):
                try:
                    await self._carry_once(moved, part_size)
                    break
                except (IntegrityError, UploadExpiredError):
                    if not tries_left:
                        raise
                # The failed attempt has changed the recorded upload and its parts.
                moved = await self._moves.get(self._work.move, moved.number)
        return True

    def _output(self, moved: MovedRecord) -> GlacierOutput:
        archive, context = moved.archive, self._work.context
        assert moved.job_id is not None  # noqa: S101  # it was asked for
        return GlacierOutput(
            context.gateway, context.name, moved.job_id, size=archive.size, tree_hash=archive.tree_hash
        )

    async def _carry_once(self, moved: MovedRecord, part_size: int) -> None:
        archive, target, classes = moved.archive, self._target, self._work.classes
        output = self._output(moved)
        found = await target.head(moved.name) if self.takes_over else None
        if found is not None and self._is_foreign(found):
            return await self._take_over(moved, found, output)
        moved, known, hashes = await self._find_upload(moved, part_size)
        scratch = None
        if self.scratch is not None and self._is_alone(part_size):
            scratch = ScratchFolder(self.scratch, moved.token or "")
            scratch.clear()  # what a kill has left
        source = JobBytes(output, target.resources, scratch)
        settings = self._work.settings_for(classes.choose(archive.size), metadata_of(archive))
        key = target.prefix + moved.name
        objects = ObjectStore(
            target.gateway, target.ref, key, settings, token=moved.token, part_size=part_size
        )
        store = ProvenStore(objects, self._moves, moved, source, known, part_size)
        engine = UploadEngine(
            store,
            target.resources,
            part_size=part_size,
            buffer_size=min(part_size, -(-archive.size // MIB) * MIB),  # a small archive fills no part
            size=archive.size,
            keep_unfinished=True,  # the next run resumes the upload and sends only what is missing
        )
        with target.naming(moved.name), charging(classes.prices(settings.storage_class)):
            # Before the object, so that a kill leaves no bundle without its sidecar.
            await keep_sidecar(target, moved.name, archive, output)
            try:
                async with engine:
                    if moved.upload_id is not None:
                        engine.resume(UploadId(moved.upload_id), {})  # ``send_output`` skips the known parts
                    there = {number - 1: hashes[number - 1].tree_hash for number in known}
                    if self._is_spread(archive, part_size):
                        await self._spread(engine, moved, objects.destination, output, there)
                    else:
                        await send_output(engine, source, archive.size, there)
            finally:
                if scratch is not None:
                    scratch.clear()
            passing("object made")
            # The proof is the object that S3 has now, not S3's answer to the upload.
            head = await target.head(moved.name)
        parts = await self._moves.list_parts(moved)
        difference = self._difference(moved, head, parts) if head is not None else "it is gone"
        if difference or head is None:
            raise self._exists(moved, difference)
        await self._prove(moved, head)
        return None

    def _is_spread(self, archive: Archive, part_size: int) -> bool:
        """Whether other processes move an archive: only parts can be recorded before they are an object."""
        return self.spreader is not None and not self._is_alone(part_size) and archive.size > part_size

    def _is_alone(self, part_size: int) -> bool:
        """Whether the parts of an archive fill the memory."""
        return part_size * SHARE > self._target.resources.buffers.limit

    async def _spread(
        self,
        engine: UploadEngine[ArchivedObject],
        moved: MovedRecord,
        destination: Destination,
        output: GlacierOutput,
        there: Mapping[int, bytes],
    ) -> None:
        spreader, source = self.spreader, output.shared
        assert spreader is not None  # noqa: S101  # see ``_is_spread``
        assert source is not None  # noqa: S101  # the output of a whole archive

        async def record(parts: Sequence[PartDone]) -> None:
            async with anyio.create_task_group() as tasks:  # together they are one statement
                for part in parts:
                    tasks.start_soon(self._moves.record_part, moved, _record_of(part))

        try:
            await spreader.send(engine, source, destination, there, record)
        finally:
            self._work.progress.workers = spreader.workers

    def _is_foreign(self, head: ObjectHead) -> bool:
        """Return whether an object was made by another program and may be taken over."""
        return self.takes_over and UPLOAD_NAME not in head.metadata

    async def _take_over(self, moved: MovedRecord, head: ObjectHead, output: GlacierOutput) -> None:
        with self._target.naming(moved.name):
            difference = await find_other_bytes(self._target, head, moved.archive, output)
        if difference:
            raise self._exists(moved, difference)
        await self._prove(replace(moved, token=None), head)  # such a line was proven by its bytes

    # --- resuming an upload

    async def _find_upload(
        self, moved: MovedRecord, part_size: int
    ) -> tuple[MovedRecord, dict[int, UploadedObjectPart], dict[int, MovedPart]]:
        """Return the archive's record, the parts that bucket and catalog agree on, and all recorded parts.

        The first parts are keyed by S3's numbers from 1 on, the second by their indexes from 0 on.
        """
        if moved.upload_id is None:
            if moved.state is MoveState.OPEN:
                await self._abort_orphans(moved)  # a kill after initiate may have lost the ID
            await self._moves.forget_parts(moved)
            # Recorded before the upload: a resumed one must cut the archive at the same offsets.
            await self._moves.record(moved, MoveState.OPEN, part_size=part_size)
            return replace(moved, state=MoveState.OPEN, part_size=part_size), {}, {}
        hashes = await self._moves.list_parts(moved)
        try:
            listed = await self._list_parts(moved, UploadId(moved.upload_id))
        except UploadNotFoundError:
            await self._moves.forget_parts(moved)
            await self._moves.record(moved, MoveState.OPEN, upload_id=None)
            return replace(moved, upload_id=None), {}, {}
        # A part that a kill kept out of the catalog is sent again: its tree hash is unknown.
        known = {
            part.number: replace(part, checksum=recorded.checksum)
            for part in listed
            if (recorded := hashes.get(part.number - 1)) is not None and _is_same(part, recorded)
        }
        return moved, known, hashes

    async def _list_parts(self, moved: MovedRecord, upload_id: UploadId) -> list[UploadedObjectPart]:
        async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
            _, page = await self._target.gateway.list_parts(
                self._target.ref, self._target.prefix + moved.name, upload_id, marker=marker
            )
            return page

        return [part async for part in follow("ListParts", fetch)]

    async def _abort_orphans(self, moved: MovedRecord) -> None:
        """Abort uploads of this key whose IDs a kill kept out of the catalog; they have no parts."""
        target, key = self._target, self._target.prefix + moved.name

        async for upload in follow(
            "ListMultipartUploads",
            lambda marker: target.gateway.list_multipart_uploads(target.ref, prefix=key, marker=marker),
        ):
            if upload.key == key:  # a prefix also finds longer keys
                await target.gateway.abort_multipart_upload(target.ref, key, upload.id)

    # --- the end

    def _difference(self, moved: MovedRecord, head: ObjectHead, parts: dict[int, MovedPart]) -> str:
        # An object of one part was sent whole, and S3 hashes it as such.
        is_whole = moved.archive.size <= (moved.part_size or moved.archive.size)
        metadata = metadata_sent(moved.archive, moved.token)
        return find_difference(head, metadata, moved.archive.size, checksum_of(parts, is_whole=is_whole))

    async def _prove(self, moved: MovedRecord, head: ObjectHead) -> None:
        now = datetime.now(UTC)
        bucket = self._target.ref.name
        await self._work.context.catalog.manifest_lines.prove(
            self._work.move,
            moved,
            lambda number, previous: write_line(number, previous, moved, head, bucket, now),
        )
        passing("move proven")

    def _exists(self, moved: MovedRecord, difference: str) -> ObjectExistsError:
        return self._target.exists(moved.name, f"archive {moved.archive.id}", difference)


def _record_of(part: PartDone) -> MovedPart:
    assert isinstance(part.receipt, UploadedObjectPart)  # noqa: S101  # a bucket gives one
    return MovedPart(part.part, part.hashes.tree_hash, part.hashes.payload_hash, part.receipt.etag)


def _is_same(listed: UploadedObjectPart, recorded: MovedPart) -> bool:
    """Return whether a part at S3 is the recorded one."""
    if listed.checksum is not None:
        return listed.checksum == recorded.checksum
    # SeaweedFS lists no checksums, but it has compared the bytes that this etag names with theirs on arrival.
    return bool(recorded.etag) and listed.etag == recorded.etag
