"""A bundle in memory is a tar archive, and its index has each member."""

from __future__ import annotations

import io
import tarfile

import pytest

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.bundle_format import INDEX_NAME, decode_trailer, member_content
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.bundle_layout import BundleLayout
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.errors import IntegrityError

FILE = Entry(0, b"", 0, "file", 0, 7_000_000_000, 0, 0, 0, 0o600, 1, 1, content_hash=bytes(32))


def make(contents: dict[bytes, bytes]) -> tuple[bytes, int]:
    """Return a bundle of these files, and the size of its members."""
    layout, made = BundleLayout(1 << 20), b""
    for path, content in contents.items():
        entry = FILE._replace(path=path, size=len(content), extra=b'{"glacier": {"id": "i"}}')
        header = layout.add(entry)
        assert header is not None
        made += header + content + tar.padding(len(content))
    assert layout.size == len(made)
    assert layout.members == len(contents)
    return made + layout.end("t" * 32, "photos"), len(made)


def test_other_programs_read_it_and_the_index_finds_each_member() -> None:
    """Names of any length keep their bytes, and each member has the facts that it was given."""
    contents = {
        b"a/b": b"1" * 700,
        b"n" * 150 + b"/" + b"m" * 150: b"2",
        "\N{EURO SIGN}".encode(): b"3" * 512,
    }
    bundle, size = make(contents)
    with tarfile.open(fileobj=io.BytesIO(bundle)) as read:
        *found, page_of_index, _ = read
    assert {member.name.encode(): member.size for member in found} == {
        path: len(content) for path, content in contents.items()
    }
    facts = {(member.mode, member.uid, member.gid, member.mtime) for member in found}
    assert facts == {(FILE.mode, FILE.uid, FILE.gid, 7)}
    assert page_of_index.name == (INDEX_NAME % 0).decode()
    trailer = decode_trailer(bundle, len(bundle))
    assert (trailer.index_position, trailer.members) == (size, 3)
    assert (trailer.host, trailer.root) == ("", "photos")
    index = bundle[size : size + trailer.index_size]
    (page,) = read_index(index, trailer, tree=1, run=1, upload=1, identities=None)
    for entry in page:
        assert entry.position is not None
        assert entry.stored is not None
        raw = bundle[entry.position : entry.position + entry.stored]
        assert member_content(entry, raw) == contents[entry.path]
        assert entry.extra == b'{"glacier": {"id": "i"}}'


def test_a_bundle_is_never_larger_than_its_capacity() -> None:
    """The room for index and trailer is kept from the beginning, even if the index does not compress."""
    capacity = 64 * 1024
    layout, written = BundleLayout(capacity), 0
    assert layout.add(FILE._replace(size=100, extra=b'{"x": "%s"}' % (b"0" * capacity))) is None
    while layout.add(FILE._replace(path=b"%d" % written, size=100, extra=b'{"x": "%032x"}' % (7**written))):
        written += 1
    assert written > 20
    assert capacity // 2 < layout.size + len(layout.end("t" * 32, "r" * 300)) <= capacity


def test_a_bundle_that_could_not_be_read_again_is_not_made() -> None:
    """Its members are then not taken for kept."""
    layout = BundleLayout(1 << 20)
    for _ in range(2):
        assert layout.add(FILE._replace(path=b"twice")) is not None
    with pytest.raises(IntegrityError, match="lists a path twice"):
        layout.end("t" * 32, "photos")
