"""Descriptions of files: they hold what a recovery needs, within the limit of the service."""

from __future__ import annotations

import json

from aioglacier.bulk.formats.folder_descriptions import describe_file
from aioglacier.catalog.folders.entry_records import Entry


def test_a_path_that_is_too_long_for_a_description_is_cut() -> None:
    """At its beginning, and the description says so."""
    path = b"\xff" * 200 + b"/end"
    entry = Entry(1, path, 1, "file", 0, 2, 0, 0, 0, 0o644, 6, 7)
    told = json.loads(describe_file(entry, "/a/folder", "t" * 32))
    assert told["cut"]
    assert told["path"].endswith("/end")
    for root in ("/a/folder", "\udcff" * 200):
        assert len(describe_file(entry, root, "t" * 32)) <= 1024
