"""Compares the object of another program under the key of an archive with the archive, byte for byte.

The object's own metadata proves nothing. Its SHA-256, of the whole or of each part, must be that of the job's
output, and the output must have the tree hash of the inventory.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from aioglacier.core.errors import IntegrityError
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import ChecksumAlgorithm
from aioglacier.core.treehash import TreeHash
from aioglacier.gateway.contract.paging import follow
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import Archive, Page
    from aioglacier.core.s3.objects import ObjectHead, UploadedObjectPart
    from aioglacier.migrate.bucket_target import BucketTarget
    from aioglacier.transfer.download.retrieval_source import GlacierOutput


async def find_other_bytes(
    target: BucketTarget, head: ObjectHead, archive: Archive, output: GlacierOutput
) -> str:
    """Return how the bytes of an object differ from those of an archive; "" if they do not.

    Raises:
        IntegrityError: The output came damaged; another attempt may succeed.
    """
    checksum = head.checksum
    if head.size != archive.size:
        return f"it has {head.size} bytes, not {archive.size}"
    if checksum is None or checksum.algorithm is not ChecksumAlgorithm.SHA256:
        return "it has no SHA-256 to compare"
    tree, values = TreeHash(), []
    start, difference = 0, ""
    async for part in _parts(target, head):
        actual = await _hash_range(output, ByteRange(start, start + part.size), tree)
        values.append(actual)
        # The rest is read, too: only the whole tree hash shows whether the output itself was damaged.
        if actual != part.checksum and not difference:
            difference = f"its part {part.number} is not bytes {start}-{start + part.size - 1} of the archive"
        start += part.size
    if checksum.parts is None:
        values = [await _hash_range(output, ByteRange(0, archive.size), tree)]
    elif start != archive.size:
        return "its parts are not listed with their checksums"
    if tree.digest() != archive.tree_hash:  # otherwise a damaged download would look like another object
        raise IntegrityError(
            f"archive {archive.id} came damaged from the vault",
            expected=archive.tree_hash,
            actual=tree.digest(),
        )
    whole = values[0] if checksum.parts is None else sha256(b"".join(values)).digest()
    return difference or ("" if whole == checksum.value else "its SHA-256 is that of other bytes")


async def _parts(target: BucketTarget, head: ObjectHead) -> AsyncIterator[UploadedObjectPart]:
    if head.checksum is None or head.checksum.parts is None:
        return

    async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
        _, page = await target.gateway.get_object_attributes(target.ref, head.key, marker=marker)
        return page

    async for part in follow("GetObjectAttributes", fetch):
        yield part


async def _hash_range(output: GlacierOutput, byte_range: ByteRange, tree: TreeHash) -> bytes:
    """Fetch some bytes of the output, add them to the tree, and return their SHA-256."""
    plain = sha256()

    def update(block: bytes) -> None:
        plain.update(block)
        tree.update(block)

    async with output.open(byte_range) as answer:
        async for block in answer:
            await run_in_thread(partial(update, block))  # two hashes would hold up the event loop
    return plain.digest()
