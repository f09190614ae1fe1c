"""A store over a bucket: it takes only bytes that the vault vouches for, and records each step first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.catalog.records import MovedPart, MoveState
from aioglacier.core.errors import IntegrityError
from aioglacier.core.ranges import ByteRange
from aioglacier.files.crashpoints import passing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.archives.job_bytes import JobBytes
    from aioglacier.catalog.moves.moves import Moves
    from aioglacier.catalog.records import MovedRecord
    from aioglacier.core.models import UploadId
    from aioglacier.core.s3.objects import ArchivedObject, UploadedObjectPart
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.transfer.object_store import ObjectStore
    from aioglacier.transfer.store import StoreRules


class ProvenStore:
    """Compares tree hashes with the vault's before a part is sent, and before parts become an object.

    ``known`` are the parts that the bucket has, by number from 1 on.
    """

    def __init__(
        self,
        store: ObjectStore,
        moves: Moves,
        moved: MovedRecord,
        source: JobBytes,
        known: Mapping[int, UploadedObjectPart],
        part_size: int,
    ) -> None:
        self.rules: Final[StoreRules] = store.rules
        self._store = store
        self._moves = moves
        self._moved = moved
        self._source = source
        self._known = known
        self._part_size = part_size

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> ArchivedObject:
        """See ``ArchiveStore``."""
        self._check(hashes.tree_hash, self._moved.archive.tree_hash, None)
        # Recorded first, so that after a kill the next run recognizes the object by its checksum.
        await self._moves.record_part(self._moved, MovedPart(0, hashes.tree_hash, hashes.payload_hash))
        await self._moves.record(self._moved, MoveState.COMPLETING)
        passing("move completing")
        return await self._store.store_whole(body, hashes, progress, before_last)

    async def initiate(self, part_size: int) -> UploadId:
        """See ``ArchiveStore``."""
        upload_id = await self._store.initiate(part_size)
        passing("move initiated")  # a kill here loses the ID, and the next run aborts the upload
        await self._moves.record(self._moved, MoveState.OPEN, upload_id=upload_id)
        return upload_id

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> UploadedObjectPart:
        """See ``ArchiveStore``."""
        # The service promises no hash for a range that is no node of its tree; ``complete`` checks those.
        promised = self._source.promised.pop(start, None)
        if promised is not None:
            self._check(hashes.tree_hash, promised, ByteRange(start, start + len(body)))
        part = await self._store.put_part(upload_id, start, body, hashes, progress)
        # A kill before the record sends the part again, which replaces the first.
        number = start // self._part_size
        await self._moves.record_part(
            self._moved, MovedPart(number, hashes.tree_hash, hashes.payload_hash, part.etag)
        )
        if self._source.scratch is not None:
            await self._source.scratch.forget(start)  # not earlier: a retry reads the file again
        passing("part moved")
        return part

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> ArchivedObject:
        """See ``ArchiveStore``."""
        try:
            self._check(tree_hash, self._moved.archive.tree_hash, None)
        except IntegrityError:
            await self._moves.forget_parts(self._moved)  # any may be the wrong one, so each is sent again
            raise
        await self._moves.record(self._moved, MoveState.COMPLETING)
        passing("move completing")
        # Parts of an earlier run were skipped and have no receipt.
        parts = [receipt or self._known[number] for number, receipt in enumerate(receipts, 1)]
        return await self._store.complete(upload_id, size, tree_hash, parts)

    async def abort(self, upload_id: UploadId) -> None:
        """See ``ArchiveStore``."""
        await self._store.abort(upload_id)

    def _check(self, actual: bytes, expected: bytes, byte_range: ByteRange | None) -> None:
        """Refuse bytes that are not the archive's.

        Raises:
            IntegrityError: The hashes differ. No object was made.
        """
        if actual == expected:
            return
        which = f"bytes {byte_range}" if byte_range is not None else "the whole"
        raise IntegrityError(
            f"{which} of archive {self._moved.archive.id} came damaged from the vault",
            expected=expected,
            actual=actual,
            byte_range=byte_range,
        )
