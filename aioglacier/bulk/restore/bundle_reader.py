"""Read the end of a bundle, its trailer and its index, from its sidecar or from the bundle itself.

No more than the last MiBs are retrieved at first. A bundle with a longer index takes another job.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats.bundle_format import check_index_size, decode_trailer, short_hash
from aioglacier.bulk.formats.bundle_sidecar import decode_sidecar
from aioglacier.core.errors import IntegrityError
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from aioglacier.bulk.formats.bundle_format import BundleTrailer
    from aioglacier.bulk.formats.bundle_sidecar import Sidecar
    from aioglacier.bulk.places.folder_place import FolderPlace, Retriever
    from aioglacier.core.models import Archive, ArchiveId

#: Retrieved of each bundle at first, at most: another job takes hours. An index has about 52 bytes for a
#: member, so this is that of 150,000, and a 16th of a bundle is that of files of 1 KiB.
TAIL: Final = 8 * MIB
_SHARE: Final = 16


class BundleReader:
    """Reads trailers and indexes of the bundles of a place."""

    def __init__(self, place: FolderPlace, retriever: Retriever) -> None:
        self._place = place
        self._retriever = retriever

    def missing_size(self, archive: Archive) -> int:
        """Return the bytes of a bundle's end that no job retrieves yet; 0 if one does."""
        if self._place.has_sidecar(archive.id):
            return 0
        return 0 if self._retriever.has(*_key(archive, _tail(archive))) else tail_size(archive)

    async def ask(self, archive: Archive) -> None:
        """Start the job for the end of a bundle, unless there is one."""
        if not self._place.has_sidecar(archive.id):
            await self._retriever.get(*_key(archive, _tail(archive)))

    async def read_trailer(self, archive: Archive) -> BundleTrailer:
        """Return the trailer of a bundle, and start the job for an index that the end does not hold.

        Raises:
            IntegrityError: The archive is no bundle, or not the one that the inventory lists.
        """
        if (sidecar := await self._read_sidecar(archive)) is not None:
            return sidecar.trailer
        tail = _tail(archive)
        end = await self._read(archive, tail, ByteRange(max(tail.start, archive.size - MIB), archive.size))
        trailer = await run_in_thread(partial(decode_trailer, end, archive.size))
        if trailer.index_position < tail.start:
            check_index_size(trailer.index_size, self._place.context.resources.buffers.limit)
            await self._retriever.get(*_key(archive, _before(tail, trailer)))
        return trailer

    async def read_index(self, archive: Archive, trailer: BundleTrailer) -> bytes:
        """Return the index of a bundle, as it is stored.

        Raises:
            IntegrityError: It came back damaged.
        """
        if (sidecar := await self._read_sidecar(archive)) is not None:
            return sidecar.index
        tail = _tail(archive)
        start, stop = trailer.index_position, trailer.index_position + trailer.index_size
        index = b""
        if start < tail.start:
            part = ByteRange(start, min(stop, tail.start))
            index = await self._read(archive, _before(tail, trailer), part)
        if stop > tail.start:
            index += await self._read(archive, tail, ByteRange(max(start, tail.start), stop))
        if (actual := short_hash(index)) != trailer.index_hash:
            raise IntegrityError(
                f"the index of bundle {archive.id} came back damaged",
                expected=trailer.index_hash,
                actual=actual,
                archive_id=archive.id,
            )
        return index

    async def _read_sidecar(self, archive: Archive) -> Sidecar | None:
        """Return the sidecar of a bundle; ``None`` if it has none, or a damaged one."""
        content = await self._place.read_sidecar(archive.id)
        if content is None:
            return None
        with suppress(IntegrityError):
            sidecar = await run_in_thread(partial(decode_sidecar, content))
            return sidecar if sidecar.facts.size == archive.size else None
        return None

    async def _read(self, archive: Archive, wanted: ByteRange, part: ByteRange) -> bytes:
        """Return some bytes of an archive, by the job for a range that they lie in."""
        asked = await self._retriever.get(*_key(archive, wanted))
        if not await asked.wait_for(archive):
            raise IntegrityError(
                f"archive {archive.id} is not what the inventory lists",
                expected=archive.tree_hash,
                actual=b"",
                archive_id=archive.id,
            )
        here = (part.start - wanted.start, part.stop - wanted.start)
        async with asked.open_reader(here) as reader:  # trailer and index have hashes in them
            return b"".join([block async for block in reader])


def tail_size(archive: Archive) -> int:
    """Return the bytes of a bundle that are retrieved at first."""
    return _tail(archive).size


def _tail(archive: Archive) -> ByteRange:
    """Return the last MiBs of an archive."""
    size = min(TAIL, max(MIB, archive.size // _SHARE))
    return ByteRange(max(0, archive.size - size) // MIB * MIB, archive.size)


def _before(tail: ByteRange, trailer: BundleTrailer) -> ByteRange:
    """Return the part of an index that lies before the tail."""
    return ByteRange(trailer.index_position // MIB * MIB, tail.start)


def _key(archive: Archive, wanted: ByteRange) -> tuple[ArchiveId, ByteRange | None]:
    return archive.id, None if wanted == ByteRange(0, archive.size) else wanted
