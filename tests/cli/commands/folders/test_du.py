"""The sums that ``du`` prints; ``test_ls`` has the command beside the others that list folders."""

from __future__ import annotations

from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.cli.commands.folders.du import FolderSums


def test_folder_sums_hold_only_the_folders_they_are_in() -> None:
    """Folders deeper than wanted count for the one above, and a neighbour with a longer name is another."""
    sums = FolderSums(b"", 2)
    printed = [
        record["path"]
        for path in (b"", b"a/b/c/d", b"a/b/e", b"a/f", b"a0/g", b"h")
        for record in sums.add(Entry(1, path, 1, "file", 1, 0, 0, 0, 0, 0, 0, 0))
    ]
    assert printed == ["a/b/", "a/", "a0/"]
    assert list(sums.end()) == [{"path": ".", "files": 6, "size": 6}]
