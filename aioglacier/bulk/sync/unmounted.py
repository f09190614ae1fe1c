"""Finds folders whose disk is no longer mounted: paths missing from them do not count as removed.

A folder counts as unmounted if it is empty, its device is not that of the paths that were recorded in it, and
no path on record elsewhere in the tree is of that device. The last condition is for systems whose devices
have other numbers after each start: there the rest of the tree has the old numbers, too.
"""

from __future__ import annotations

import os
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from aioglacier.bulk.sync.scan import signed
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.bulk.sync.compare import Known
    from aioglacier.catalog.folders.entries import Entries
    from aioglacier.catalog.folders.entry_records import TreeRecord


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
