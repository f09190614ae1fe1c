"""Stores the sidecar of a bundle that moves: its index in STANDARD, as ``sync`` stores it in a bucket.

The sidecar is stored before its bundle becomes an object, so a kill leaves no bundle without one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.bundle_format import check_index_size, decode_trailer, short_hash
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX, BundleFacts, encode_facts
from aioglacier.bulk.formats.folder_descriptions import read_description
from aioglacier.core.errors import ConfigurationError, IntegrityError, ObjectExistsError
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import ObjectSettings, StorageClass
from aioglacier.core.treehash import hash_part
from aioglacier.tasks.threads import run_in_thread
from aioglacier.transfer.object_store import ObjectStore

if TYPE_CHECKING:
    from aioglacier.core.models import Archive
    from aioglacier.migrate.bucket_target import BucketTarget
    from aioglacier.transfer.download.retrieval_source import GlacierOutput

_log: Final = logging.getLogger("aioglacier.migrate")

#: Attempts to fetch the end of a bundle that comes damaged.
_TRIES: Final = 3

#: The largest index that is held to make a sidecar: that of a million members.
_MOST_INDEX: Final = 64 * MIB


async def keep_sidecar(target: BucketTarget, name: str, archive: Archive, output: GlacierOutput) -> None:
    """Store the sidecar of a bundle that ``sync`` made; do nothing for any other archive."""
    if read_description(archive.description).get("aioglacier") != "bundle":
        return
    content = await _read_sidecar(archive, output)
    if content is not None:
        await store_sidecar(target, name, content)


async def store_sidecar(target: BucketTarget, name: str, content: bytes) -> None:
    """Store the sidecar of the bundle of a name."""
    key, settings = target.prefix + name + SIDECAR_SUFFIX, ObjectSettings(storage_class=StorageClass.STANDARD)
    store = ObjectStore(target.gateway, target.ref, key, settings)
    hashes = await run_in_thread(partial(hash_part, content))
    try:
        await store.store_whole(memoryview(content), hashes, None)
    except ObjectExistsError:  # an earlier attempt may have stored the same bytes
        head = await target.head(name + SIDECAR_SUFFIX)
        if head is None or head.checksum is None or head.checksum.value != hashes.payload_hash:
            _log.warning("%s is another object, so the bundle has no sidecar", key)


async def _read_sidecar(archive: Archive, output: GlacierOutput) -> bytes | None:
    """Return the sidecar, made from the end of the bundle; ``None`` if the end cannot be read as one."""
    failure: Exception | None = None
    for _ in range(_TRIES):
        try:
            # One request is enough for most bundles: index and trailer fit into a MiB.
            end = await _read(output, ByteRange(max(0, archive.size - MIB), archive.size))
            trailer = await run_in_thread(partial(decode_trailer, end, archive.size))
            check_index_size(trailer.index_size, _MOST_INDEX)
            if (missing := archive.size - trailer.index_position - len(end)) > 0:
                first = ByteRange(trailer.index_position, trailer.index_position + missing)
                end = await _read(output, first) + end
        except (IntegrityError, ConfigurationError) as error:
            failure = error
            continue
        end = end[len(end) - (archive.size - trailer.index_position) :]
        if short_hash(end[: trailer.index_size]) == trailer.index_hash:
            facts = BundleFacts(archive.size, archive.tree_hash, "")  # the object has no etag yet
            return encode_facts(facts, trailer.compression, trailer.encryption) + end
        failure = IntegrityError("its index came damaged", expected=trailer.index_hash, actual=b"")
    # The bundle can be read without its sidecar, so the move goes on.
    _log.warning("archive %s moves without a sidecar: %s", archive.id, failure)
    return None


async def _read(output: GlacierOutput, byte_range: ByteRange) -> bytes:
    async with output.open(byte_range) as answer:  # trailer and index have hashes in them
        return b"".join([block async for block in answer])
