"""The merge of a scan with the catalog: which paths are new, changed or gone.

Both sides come in the order of paths and are read once, page by page. The merge compares only the facts of
``lstat``; the packer may find that a changed file has its old content.

Paths that are missing from a folder whose disk is no longer mounted do not count as removed. A folder counts
as unmounted if it is empty, its device is not that of the paths that were recorded in it, and no path on
record elsewhere in the tree is of that device. The last condition is for systems whose devices have other
numbers after each start: there the rest of the tree has the old numbers, too.
"""

from __future__ import annotations

import os
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.bulk.sync.scan import SPECIAL_KINDS, signed
from aioglacier.catalog.folders.entry_records import Standing
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aioglacier.bulk.filters import NamedPaths, PathFilter
    from aioglacier.bulk.sync.scan import Found, Scan
    from aioglacier.catalog.folders.entries import Entries
    from aioglacier.catalog.folders.entry_records import TreeRecord


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


async def find_unmounted(
    entries: Entries, tree: TreeRecord, root: str, gone: Sequence[Known]
) -> dict[bytes, list[Known]]:
    """Return the missing paths that lie on an unmounted disk, by the folder of its mount point."""
    found = {}
    for folder, (device, paths) in (await run_in_thread(partial(_find_empty, root, gone))).items():
        recorded = await entries.get_all([known.number for known in paths])
        devices = {entry.device for entry in recorded.values()}
        if device not in devices and not devices & await entries.devices_outside(tree, folder + b"/"):
            found[folder] = paths
    return found


def _find_empty(root: str, gone: Sequence[Known]) -> dict[bytes, tuple[int, list[Known]]]:
    """Return the empty folders that lost the missing paths, each with its device now."""
    top, folders = os.fsencode(root), dict[bytes, bytes]()
    by_folder: dict[bytes, list[Known]] = defaultdict(list)
    for known in gone:
        parent = known.path.rstrip(b"/").rpartition(b"/")[0]
        if parent not in folders:
            folders[parent] = _find_existing(top, parent)
        by_folder[folders[parent]].append(known)
    return {
        folder: (signed(os.stat(top + b"/" + folder).st_dev), paths)  # noqa: PTH116
        for folder, paths in by_folder.items()
        if folder and not os.listdir(top + b"/" + folder)  # noqa: PTH208
    }


def _find_existing(top: bytes, folder: bytes) -> bytes:
    """Return the folder, or the nearest one above it that exists; the top is empty."""
    while folder and not os.path.isdir(top + b"/" + folder):  # noqa: PTH112
        folder = folder.rpartition(b"/")[0]
    return folder
