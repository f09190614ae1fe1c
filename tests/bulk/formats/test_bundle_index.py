"""The index of a bundle: its lines are read as records, and what cannot be is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from aioglacier.bulk.formats.bundle_format import BundleTrailer, short_hash
from aioglacier.bulk.formats.bundle_index import index_lines, read_index
from aioglacier.bulk.formats.tar import member_header, padding
from aioglacier.bulk.formats.zstd import compressor
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.errors import IntegrityError

GOOD_LINE = {
    "path": "a/file",
    "kind": "file",
    "position": 0,
    "stored": 1024,
    "size": 5,
    "mtime_ns": 1,
    "mode": 0o100644,
    "uid": 0,
    "gid": 0,
}


def index_of(content: bytes) -> tuple[bytes, BundleTrailer]:
    """An index that is one member with this content, and the trailer that goes with it."""
    frame = compressor()(content)
    index = (
        member_header(b".aioglacier/index-000000.jsonl.zst", size=len(frame)) + frame + padding(len(frame))
    )
    return index, BundleTrailer(4096, len(index), 1, None, None, short_hash(index), "t", "h", "/a")


def read_all(index: bytes, trailer: BundleTrailer) -> list[Entry]:
    """The members that an index lists."""
    pages = read_index(index, trailer, tree=1, run=2, upload=3, identities=None)
    return [entry for page in pages for entry in page]


def test_a_line_of_an_index_is_an_entry() -> None:
    """With the permissions that a file can have, and no more."""
    (entry,) = read_all(*index_of(json.dumps(GOOD_LINE).encode()))
    assert (entry.path, entry.size, entry.mode, entry.upload) == (b"a/file", 5, 0o644, 3)


@pytest.mark.parametrize("time", [1 << 70, -(1 << 70), 0])
def test_a_time_of_any_year_is_read(time: int) -> None:
    """As the nearest one that a catalog keeps; one member does not make the bundle unreadable."""
    (entry,) = read_all(*index_of(json.dumps(GOOD_LINE | {"mtime_ns": time}).encode()))
    assert entry.mtime_ns == max(-(1 << 63), min(time, (1 << 63) - 1))
    with pytest.raises(IntegrityError):
        read_all(*index_of(json.dumps(GOOD_LINE | {"mtime_ns": 0.5}).encode()))


@pytest.mark.parametrize("extra", [None, b'{"sparse": true, "xattrs": {"user.\\u00e9": "eA=="}}'])
@pytest.mark.parametrize("target", [None, b"", b'\xff"\\\n/a'])
@pytest.mark.parametrize("path", [b"a", b'\xff\xfe "quoted\\" \n\x01', "\u00e9\U0001f600".encode()])
def test_a_line_is_what_json_makes_of_the_fields(
    path: bytes, target: bytes | None, extra: bytes | None
) -> None:
    """Names of any bytes are escaped, and a field without a value is left out."""
    for kind, content_hash, position in (("file", b"h" * 32, 0), ("directory", None, None)):
        entry = Entry(1, path, 2, kind, 5, -6, 7, 8, 9, 0o644, 10, 11, target, extra, content_hash)
        entry = entry.placed(3, 0, 1024, None, None) if position == 0 else entry
        fields = {
            "path": os.fsdecode(path),
            "kind": kind,
            "position": position,
            "stored": None if position is None else 1024,
            "size": 5,
            "mtime_ns": -6,
            "mode": 0o644,
            "uid": 10,
            "gid": 11,
            "tree_hash": None if content_hash is None else content_hash.hex(),
            "target": None if target is None else os.fsdecode(target),
            "extra": None if extra is None else json.loads(extra),
        }
        expected = json.dumps({name: value for name, value in fields.items() if value is not None})
        assert index_lines([entry]) == [expected.encode() + b"\n"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[" * 100_000,
        "[]",
        json.dumps({**GOOD_LINE, "size": float("inf")}),
        json.dumps({**GOOD_LINE, "size": 1 << 63}),
        json.dumps({**GOOD_LINE, "uid": "0"}),
        json.dumps({**GOOD_LINE, "position": -1}),
        json.dumps({**GOOD_LINE, "stored": 4097}),
        json.dumps({**GOOD_LINE, "kind": "symlink"}),
        json.dumps({**GOOD_LINE, "target": "elsewhere"}),
        json.dumps({**GOOD_LINE, "extra": "much"}),
        json.dumps({**GOOD_LINE, "tree_hash": "no hex"}),
    ],
)
def test_an_index_that_says_what_cannot_be_is_damaged(line: str) -> None:
    """Anyone who can write to a vault can make one: it is an error of ours, and no crash."""
    with pytest.raises(IntegrityError, match="not a bundle"):
        read_all(*index_of(line.encode()))


def test_an_index_that_lists_a_path_twice_is_damaged() -> None:
    """It cannot be recorded, and one bundle would end the recovery of all."""
    content = json.dumps(GOOD_LINE).encode()
    index, trailer = index_of(content + b"\n" + content)
    with pytest.raises(IntegrityError, match="lists a path twice"):
        read_all(index, replace(trailer, members=2))


def test_an_index_with_a_header_that_is_none_is_damaged() -> None:
    """The error is one of integrity."""
    _, trailer = index_of(b"")
    with pytest.raises(IntegrityError, match="not a bundle"):
        read_all(b"?" * 4096, trailer)
