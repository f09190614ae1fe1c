"""The proof that an object is the archive that was sent, or that another program's object is the archive.

An object that was sent is proven by a HEAD request. The metadata of another program's object prove nothing:
its SHA-256, of the whole or of each part, must be that of the job's output, and the output must have the tree
hash of the inventory.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from aioglacier.core.errors import IntegrityError
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.moved_metadata import VAULT, metadata_of
from aioglacier.core.s3.objects import TREE_HASH_NAME, UPLOAD_NAME, ChecksumAlgorithm, ObjectChecksum
from aioglacier.core.treehash import TreeHash
from aioglacier.gateway.contract.paging import follow
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.catalog.records import MovedPart
    from aioglacier.core.models import Archive, Page
    from aioglacier.core.s3.objects import ObjectHead, UploadedObjectPart
    from aioglacier.migrate.bucket_target import BucketTarget
    from aioglacier.transfer.download.retrieval_source import GlacierOutput


def checksum_of(parts: Mapping[int, MovedPart], *, is_whole: bool) -> ObjectChecksum:
    """Return the checksum that the object must have: of its bytes, or of the checksums of its parts."""
    values = [parts[number].checksum for number in sorted(parts)]
    if is_whole:
        return ObjectChecksum(ChecksumAlgorithm.SHA256, values[0])
    # S3 hashes the checksums of the parts in order (S3 User Guide, "Checking object integrity").
    return ObjectChecksum(ChecksumAlgorithm.SHA256, sha256(b"".join(values)).digest(), len(values))


def metadata_sent(archive: Archive, token: str | None) -> dict[str, str]:
    """Return the metadata that the object of an archive was sent with; none for another program's object."""
    return {} if token is None else {**metadata_of(archive), UPLOAD_NAME: token}


def bundle_metadata(vault: str, tree_hash: str, token: str) -> dict[str, str]:
    """Return the metadata that identify a bundle of archives."""
    return {VAULT: vault, TREE_HASH_NAME: tree_hash, UPLOAD_NAME: token}


def find_difference(
    head: ObjectHead, metadata: Mapping[str, str], size: int, checksum: ObjectChecksum
) -> str:
    """Return how an object differs from what was sent; "" if it does not."""
    for name, value in metadata.items():
        if head.metadata.get(name) != value:
            return f"its metadata {name} is {head.metadata.get(name)!r}, not {value!r}"
    if head.size != size:
        return f"it has {head.size} bytes, not {size}"
    if head.checksum != checksum:
        found = head.checksum.value.hex() if head.checksum is not None else "unknown"
        return f"its SHA-256 is {found}, not {checksum.value.hex()}"
    return ""


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
