"""The layout of a bundle that is made in memory: the place of each member, and the bytes that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.bundle_format import TRAILER_SIZE, BundleTrailer, encode_trailer, short_hash
from aioglacier.bulk.formats.bundle_index import encode_page, index_lines, read_index

if TYPE_CHECKING:
    from aioglacier.catalog.folders.entry_records import Entry

#: Members of one bundle: the index of so many is one page, of a few MiB.
MOST_MEMBERS: Final = 4096

#: Bytes beside the lines of an index: header, padding, and the frame around lines that do not compress.
_INDEX_ROOM: Final = 16 * 1024


class BundleLayout:
    """Lays out files of known size, uncompressed, up to a capacity; for one bundle.

    Attributes:
        size: The bytes of the members so far.
    """

    def __init__(self, capacity: int) -> None:
        self.size = 0
        self._room = capacity - _INDEX_ROOM - TRAILER_SIZE
        self._lines: list[bytes] = []

    @property
    def members(self) -> int:
        """The number of members so far."""
        return len(self._lines)

    def add(self, entry: Entry) -> bytes | None:
        """Add a file and return its header, which its content and padding follow; ``None`` if it is full."""
        header = tar.member_header(
            entry.path,
            size=entry.size,
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            mtime_ns=entry.mtime_ns,
        )
        stored = len(header) + entry.size + len(tar.padding(entry.size))
        (line,) = index_lines([entry.placed(None, self.size, stored, None, None)])
        if stored + len(line) > self._room or self.members == MOST_MEMBERS:
            return None
        self._room -= stored + len(line)
        self.size += stored
        self._lines.append(line)
        return header

    def end(self, tree: str, root: str) -> bytes:
        """Return index and trailer, which follow the members and make a sidecar.

        Raises:
            IntegrityError: The index could not be read again, so nothing in this bundle would count as kept.
        """
        index = encode_page(0, self._lines, None, None)
        trailer = BundleTrailer(
            self.size, len(index), self.members, None, None, short_hash(index), tree, "", root
        )
        for _ in read_index(index, trailer, tree=0, run=0, upload=0, identities=None):
            pass
        return index + encode_trailer(trailer)
