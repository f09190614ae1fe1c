"""The merge of a scan with the catalog: which paths are new, changed or gone.

Both sides come in the order of paths and are read once, page by page. The merge compares only the facts of
``lstat``; the packer may find that a changed file has its old content.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.bulk.sync.scan import SPECIAL_KINDS
from aioglacier.catalog.folders.entry_records import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aioglacier.bulk.filters import NamedPaths, PathFilter
    from aioglacier.bulk.sync.scan import Found, Scan


class Known(NamedTuple):
    """The current version of a path on record. The first ten fields are those of ``Found``.

    Attributes:
        number: The row.
        upload: The upload whose archive has the content; ``None`` without content.
        content_hash: The tree hash of the content; ``None`` for a file that is an archive of its own.
        standing: Whether the content can be retrieved.
    """

    path: bytes
    kind: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int
    uid: int
    gid: int
    target: bytes | None
    number: int
    upload: int | None
    content_hash: bytes | None
    standing: Standing


class Change(NamedTuple):
    """A path that differs from the record."""

    found: Found | None  # ``None`` if the path is gone from the folder
    known: Known | None  # ``None`` if no content on record can be used
    is_lost: bool = False  # the path is on record, but its archive is gone


class Comparison:
    """The merge of one scan with the catalog; iterate over it once.

    Records come as plain rows in the order of ``Known``; only a row that differs becomes a ``Known``.

    Attributes:
        looked_at: Paths that the scan has yielded so far.
        size: Their bytes.
        unchanged: How many of them are as on record.
        unchanged_folders: How many of those are folders, once all is compared.
        skipped: Paths of a kind that is not archived, and the kind.
    """

    def __init__(
        self,
        scan: Scan,
        known: Iterator[Sequence[Any]],
        *,
        path_filter: PathFilter | NamedPaths | None = None,
        is_thorough: bool = False,
    ) -> None:
        self.looked_at = self.size = self.unchanged = self.unchanged_folders = 0
        self.skipped: list[tuple[bytes, str]] = []
        self._scan = scan
        self._known = known
        self._filter = path_filter
        self._is_thorough = is_thorough

    def __iter__(self) -> Iterator[Change]:
        """Yield every path that differs from the record, in order; if thorough, every file with bytes."""
        following = iter(self._known)
        known = next(following, None)
        is_thorough = self._is_thorough
        looked_at = size = unchanged = folders = 0
        # A hard link stands for the content that its file had when the link was recorded, so a link is
        # recorded again whenever its file is.
        linked, changed_files = self._scan.linked, set[bytes]()
        for found in self._scan:
            path = found[0]
            looked_at += 1
            size += found[2]
            if not looked_at & 1023:  # attributes cost more than locals
                self.looked_at, self.size, self.unchanged = looked_at, size, unchanged
            while known is not None and known[0] < path:
                if self._is_gone(known[0]):
                    yield Change(None, Known(*known))
                known = next(following, None)
            row, known = (known, next(following, None)) if known and known[0] == path else (None, known)
            if found[1] in SPECIAL_KINDS:
                self.skipped.append((path, found[1]))
                if row is not None:
                    yield Change(None, Known(*row))
            elif row is None or row[-1] is Standing.LOST:
                if path in linked:
                    changed_files.add(path)
                yield Change(found, None, is_lost=row is not None)
            elif (
                found[:9] != row[:9]
                or (found[9] is not None and (found[9] != row[9] or found[9] in changed_files))
                or (is_thorough and found[2])
            ):
                if path in linked:
                    changed_files.add(path)
                yield Change(found, Known(*row))
            else:
                unchanged += 1
                folders += found[1] == "directory"
        self.looked_at, self.size, self.unchanged = looked_at, size, unchanged
        self.unchanged_folders = folders
        while known is not None:
            if self._is_gone(known[0]):
                yield Change(None, Known(*known))
            known = next(following, None)

    def _is_gone(self, path: bytes) -> bool:
        """Return whether a path that the scan did not yield is gone: neither excluded nor unreadable."""
        if self._filter is not None and self._filter.excludes_within(path):
            return False
        left_out = self._scan.left_out
        if left_out and (path in left_out or any(above in left_out for above in _folders_above(path))):
            return False
        return not any(_is_within(path, failure.path) for failure in self._scan.failures)


def show_path(path: bytes) -> str:
    """Return a path as text; "." for the top."""
    return os.fsdecode(path) or "."


def _folders_above(path: bytes) -> Iterator[bytes]:
    end = path.find(b"/")
    while end >= 0:
        yield path[: end + 1]
        end = path.find(b"/", end + 1)


def _is_within(path: bytes, failed: bytes) -> bool:
    return path == failed or ((not failed or failed.endswith(b"/")) and path.startswith(failed))
