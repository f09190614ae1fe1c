"""An S3 object as the source of a download, verified by the checksums that S3 keeps of it."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import IntegrityError, NotRetrievedError, naming
from aioglacier.core.limits import S3
from aioglacier.core.planning import count_parts, part_ranges
from aioglacier.core.ranges import ByteRange, whole_range
from aioglacier.core.s3.objects import TREE_HASH_NAME, UPLOAD_NAME, ChecksumAlgorithm
from aioglacier.transfer.download.proofs import (
    TREE_PROOFS,
    CompositeProofs,
    CrcProofs,
    PartProofs,
    TreeProofs,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from aioglacier.core.s3.objects import BucketRef, ObjectHead, UploadedObjectPart
    from aioglacier.gateway.contract.protocols import Output, Progress
    from aioglacier.gateway.s3.gateway import S3Gateway


class ObjectProofs(NamedTuple):
    """The hashes that an object's bytes are verified by.

    Attributes:
        by_range: The checksum of each part.
        whole: The checksum of the whole, where that of pieces makes it.
    """

    proofs: TreeProofs = TREE_PROOFS
    by_range: dict[ByteRange, bytes] = {}  # noqa: RUF012  # never changed
    whole: bytes | None = None

    @classmethod
    def of(
        cls, head: ObjectHead, parts: Sequence[UploadedObjectPart], tree_hash: bytes = b""
    ) -> ObjectProofs:
        """Choose the proofs of an object: none for algorithms that are not computed here.

        Without a checksum of the service, the tree hash on record counts, or that in the object's metadata.

        Raises:
            IntegrityError: The parts do not make the object.
        """
        checksum = head.checksum
        if checksum is None and head.size:
            return cls(whole=tree_hash or _tree_hash_in(head))
        if checksum is None or not head.size:
            return cls()
        if checksum.parts is None:
            if checksum.algorithm is ChecksumAlgorithm.CRC64NVME:
                return cls(CrcProofs(), {}, checksum.value)
            if checksum.algorithm is ChecksumAlgorithm.SHA256:  # sent in one request
                whole = ByteRange(0, head.size)
                return cls(PartProofs([whole]), {whole: checksum.value})
            return cls()
        values = [part.checksum for part in parts if part.checksum is not None]
        if checksum.algorithm is not ChecksumAlgorithm.SHA256:
            return cls()
        if len(values) != checksum.parts:
            # S3 lists no part that was sent without a checksum; the composite of them all is still known.
            planned = _planned_parts(head, checksum.parts)
            return cls(CompositeProofs(planned), {}, checksum.value) if planned else cls()
        end, by_range = 0, {}
        for part, value in zip(parts, values, strict=True):
            by_range[ByteRange(end, end + part.size)] = value
            end += part.size
        if end != head.size or (actual := sha256(b"".join(values)).digest()) != checksum.value:
            raise IntegrityError(
                f"the parts that S3 lists for {head.key!r} do not make the object",
                expected=checksum.value,
                actual=actual if end == head.size else b"",
                kind="SHA256",
            )
        return cls(PartProofs(list(by_range)), by_range)


class ObjectOutput:
    """The bytes of an object that can be read, or a range of them that begins and ends where parts do.

    ``renew`` is called when the restored copy has expired meanwhile; it returns when there is another one.
    """

    def __init__(
        self,
        gateway: S3Gateway,
        bucket: BucketRef,
        head: ObjectHead,
        known: ObjectProofs,
        *,
        part: ByteRange | None = None,
        allows_unverified: bool = False,
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        whole = whole_range(head.size)
        self._part = part or whole
        self._gateway = gateway
        self._bucket = bucket
        self._head = head
        self._renew = renew
        self._by_range = known.by_range
        self.whole_hash = known.whole if self._part == whole else None
        self.allows_unverified = allows_unverified
        self.proofs = known.proofs
        self.name = f"object s3://{bucket.name}/{head.key} {head.etag}"
        if self._part != whole:
            self.name += f", bytes {self._part}"
            if known.by_range:
                inside = [each for each in known.by_range if self._part.start <= each.start < self._part.stop]
                self.proofs = PartProofs([_moved(each, -self._part.start) for each in inside])

    @property
    def size(self) -> int:
        """See ``ArchiveOutput``."""
        return self._part.size

    def naming(self) -> AbstractContextManager[None]:
        """See ``ArchiveOutput``."""
        return naming(bucket=self._bucket.name, key=self._head.key)

    def recorded_hash(self, byte_range: ByteRange) -> bytes | None:
        """See ``ArchiveOutput``."""
        return self._by_range.get(_moved(byte_range, self._part.start))

    @asynccontextmanager
    async def open(self, byte_range: ByteRange) -> AsyncIterator[ObjectPiece]:
        """GetObject of a range, of the very object that was described; again after its copy was renewed."""
        wanted = _moved(byte_range, self._part.start)
        async with AsyncExitStack() as stack:
            try:
                answer = await stack.enter_async_context(self._get(wanted))
            except NotRetrievedError:  # the copy has expired since the head was read
                await self._renew()
                answer = await stack.enter_async_context(self._get(wanted))
            yield ObjectPiece(answer)

    def _get(self, wanted: ByteRange) -> AbstractAsyncContextManager[Output[ObjectHead]]:
        is_whole = wanted == ByteRange(0, self._head.size)
        return self._gateway.get_object(
            self._bucket,
            self._head.key,
            byte_range=None if is_whole else wanted,
            etag=self._head.etag,
            version_id=self._head.version_id,
            total=self._head.size,
        )


class ObjectPiece:
    """Some bytes of an object; a range comes without a hash."""

    head: Final[bytes | None] = None

    def __init__(self, answer: Output[ObjectHead]) -> None:
        self._answer = answer
        self.size = answer.size
        self.start = answer.start
        self.total = answer.total

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._answer)

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """See ``Output``."""
        await self._answer.receive_into(view, progress)


def _planned_parts(head: ObjectHead, count: int) -> list[ByteRange]:
    """Return the parts of an object that aioglacier uploaded: only one power of two gives their number."""
    if UPLOAD_NAME not in head.metadata or count < 2:  # other programs choose any part size
        return []
    part_size = S3.min_part_size
    while part_size < S3.max_part_size and count_parts(head.size, part_size) > count:
        part_size *= 2
    return list(part_ranges(head.size, part_size)) if count_parts(head.size, part_size) == count else []


def _tree_hash_in(head: ObjectHead) -> bytes | None:
    """Return the tree hash in the metadata of an object that was sent in one request."""
    text = head.metadata.get(TREE_HASH_NAME, "")
    return bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]{64}", text) else None


def _moved(byte_range: ByteRange, by: int) -> ByteRange:
    return ByteRange(byte_range.start + by, byte_range.stop + by)
