"""Descriptions of files: they hold what a recovery needs, within the limit of the service."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from aioglacier.bulk.formats.folder_descriptions import (
    describe_file,
    describe_sealed_file,
    described_file,
    name_file,
    read_description,
)
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.models import Archive, ArchiveId


def test_a_path_that_is_too_long_for_a_description_is_cut() -> None:
    """At its beginning, and the description says so."""
    path = b"\xff" * 200 + b"/end"
    entry = Entry(1, path, 1, "file", 0, 2, 0, 0, 0, 0o644, 6, 7)
    told = json.loads(describe_file(entry, "/a/folder", "t" * 32))
    assert told["cut"]
    assert told["path"].endswith("/end")
    for root in ("/a/folder", "\udcff" * 200):
        assert len(describe_file(entry, root, "t" * 32)) <= 1024


def test_a_recovery_gets_the_facts_of_a_file_from_its_description() -> None:
    """Path, dates, permissions and owners come back, with bytes that are no UTF-8."""
    entry = Entry(1, b"d/\xff name", 1, "file", 5, 2, 0, 0, 0, 0o640, 6, 7)
    text = describe_file(entry, "/a/folder", "t" * 32)
    fields = read_description(text)
    assert (fields["aioglacier"], fields["folder"], fields["tree"]) == ("file", "folder", "t" * 32)
    archive = Archive(ArchiveId("A"), "v", 5, bytes(32), text, datetime(2026, 11, 30, tzinfo=UTC))
    found = described_file(archive, fields)
    assert found is not None
    assert (found.path, found.size, found.mtime_ns) == (entry.path, 5, 2)
    assert (found.mode, found.uid, found.gid) == (0o640, 6, 7)


def test_an_encrypted_file_hides_its_name() -> None:
    """Its description and its name have a random id only; those of others show the last part of the path."""
    fields = read_description(describe_sealed_file())
    assert fields.pop("aioglacier") == "file"
    assert [*fields] == ["id"]
    assert re.fullmatch("files/[0-9a-f]{16}.age", name_file(None))
    assert re.fullmatch("files/[0-9a-f]{16}/b\ufffd_", name_file(b"a/b\xff\n"))
