"""A scan and the catalog, merged: what is new, what has changed, what is gone.

Both come in the order of paths, and both are read once, page by page. Only the facts of ``lstat`` are
compared here; the packer may find that the content of a changed file is the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from aioglacier.bulk.sync.scan import SPECIAL_KINDS
from aioglacier.catalog.folders.entry_records import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aioglacier.bulk.filters import PathFilter
    from aioglacier.bulk.sync.scan import Found, Scan


class Known(NamedTuple):
    """The current version of a path on record. The first ten are those of ``Found``.

    Attributes:
        number: The row.
        upload: The upload whose archive has the content; ``None`` where there is nothing to have.
        content_hash: The tree hash of the content; ``None`` of a file that is an archive of its own.
        standing: Whether the content can be had.
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
    """A path that is not as on record: ``found`` is ``None`` of one that is gone, ``known`` of a new one."""

    found: Found | None
    known: Known | None


class Comparison:
    """The merge of one scan with the catalog; iterate over it once.

    What is on record comes as plain rows in the order of ``Known``, which only those become that differ.

    Attributes:
        looked_at: Paths that the scan has given so far.
        size: Their bytes.
        unchanged: How many of them are as on record.
        unchanged_folders: How many of those are folders, once all is compared.
        skipped: Paths of a kind that is not archived.
    """

    def __init__(
        self,
        scan: Scan,
        known: Iterator[Sequence[Any]],
        *,
        path_filter: PathFilter | None = None,
        is_thorough: bool = False,
    ) -> None:
        self.looked_at = 0
        self.size = 0
        self.unchanged = 0
        self.unchanged_folders = 0
        self.skipped: list[tuple[bytes, str]] = []
        self._scan = scan
        self._known = known
        self._filter = path_filter
        self._is_thorough = is_thorough

    def __iter__(self) -> Iterator[Change]:
        """Every path that is not as on record, in order; if ``is_thorough``, every file with bytes, too."""
        following = iter(self._known)
        known = next(following, None)
        is_thorough = self._is_thorough
        looked_at = size = unchanged = folders = 0
        changed = _ChangedFiles(self._scan)
        for found in self._scan:
            path = found[0]
            looked_at += 1
            size += found[2]
            if not looked_at & 1023:
                self.looked_at, self.size, self.unchanged = looked_at, size, unchanged
            while known is not None and known[0] < path:
                if self._is_gone(known[0]):
                    yield Change(None, Known(*known))
                known = next(following, None)
            if known is None or known[0] != path:
                if found.kind in SPECIAL_KINDS:
                    self.skipped.append((path, found.kind))
                else:
                    changed.add(path)
                    yield Change(found, None)
                continue
            if found.kind in SPECIAL_KINDS:
                self.skipped.append((path, found.kind))
                yield Change(None, Known(*known))
            elif known[-1] is Standing.LOST:
                changed.add(path)
                yield Change(found, None)  # its archive is gone, whatever the facts say
            elif (
                found[:9] != known[:9]
                or (found[9] is not None and (found[9] != known[9] or found[9] in changed))
                or (is_thorough and found[2])
            ):
                changed.add(path)
                yield Change(found, Known(*known))
            else:
                unchanged += 1
                folders += found[1] == "directory"
            known = next(following, None)
        self.looked_at, self.size, self.unchanged = looked_at, size, unchanged
        self.unchanged_folders = folders
        while known is not None:
            if self._is_gone(known[0]):
                yield Change(None, Known(*known))
            known = next(following, None)

    def _is_gone(self, path: bytes) -> bool:
        """Whether a path that the scan did not give is not there; it may be excluded, or out of reach."""
        if self._filter is not None and self._filter.excludes_within(path):
            return False
        return not any(_is_within(path, failure.path) for failure in self._scan.failures)


class _ChangedFiles:
    """The files that have changed and have more names, which then change with them.

    A hard link stands for the content that its file had when the link was recorded. So it is recorded again
    whenever its file is.
    """

    def __init__(self, scan: Scan) -> None:
        self._linked = scan.linked
        self._paths: set[bytes] = set()

    def __contains__(self, path: bytes) -> bool:
        return path in self._paths

    def add(self, path: bytes) -> None:
        """Note a changed path."""
        if self._linked and path in self._linked:
            self._paths.add(path)


def _is_within(path: bytes, failed: bytes) -> bool:
    return path == failed or ((not failed or failed.endswith(b"/")) and path.startswith(failed))


def show_path(path: bytes) -> str:
    """A path as text; "." for the top."""
    return os.fsdecode(path) or "."
