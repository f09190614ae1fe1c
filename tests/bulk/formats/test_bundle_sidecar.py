"""The sidecar of a bundle: it says what the bundle's end says, tar reads it, and damage is found."""

from __future__ import annotations

import io
import tarfile

import pytest
import zstandard

from aioglacier.bulk.formats.bundle_format import BundleTrailer, checked_text, encode_trailer, short_hash
from aioglacier.bulk.formats.bundle_index import encode_page, index_lines, read_index
from aioglacier.bulk.formats.bundle_sidecar import BundleFacts, decode_sidecar, encode_facts, facts_size
from aioglacier.bulk.formats.tar import BLOCK, member_header
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.errors import ConfigurationError, IntegrityError

FACTS = BundleFacts(1 << 40, bytes(range(32)), '"abc-3"')
MEMBER = Entry(1, b"a/file", 2, "file", 5, 7, 0, 0, 0, 0o644, 1, 2, upload=3, position=0, stored=1024)


def sidecar_of(compression: str | None) -> tuple[bytes, BundleTrailer]:
    """The sidecar of a bundle with one member, and its trailer."""
    page = encode_page(0, index_lines([MEMBER]), compression, None)
    trailer = BundleTrailer(4096, len(page), 1, compression, None, short_hash(page), "t", "h", "/a")
    facts = encode_facts(FACTS, compression, None)
    assert len(facts) == facts_size(compression, None)
    return facts + page + encode_trailer(trailer), trailer


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_sidecar_says_what_the_end_of_its_bundle_says(compression: str | None) -> None:
    """Facts, trailer and index come back; ``tar`` lists them."""
    content, trailer = sidecar_of(compression)
    found = decode_sidecar(content)
    assert (found.facts, found.trailer) == (FACTS, trailer)
    pages = read_index(found.index, found.trailer, tree=1, run=2, upload=3, identities=None)
    assert [entry.path for page in pages for entry in page] == [b"a/file"]
    if compression:
        with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
            content = reader.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as names:
        assert names.getnames()[-2:] == [".aioglacier/index-000000.jsonl.zst", ".aioglacier/bundle.json"]


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_damaged_sidecar_is_refused(compression: str | None) -> None:
    """A flipped bit in facts, index or trailer's text, and an end that is cut off, are errors of ours."""
    content, _ = sidecar_of(compression)
    for at in (*range(content.index(b"{"), content.index(b"}") + 1), len(content) - SKIPPED[compression]):
        flipped = bytearray(content)
        flipped[at] ^= 1
        with pytest.raises((IntegrityError, ConfigurationError)):
            decode_sidecar(bytes(flipped))
    flipped = bytearray(content)
    flipped[facts_size(compression, None) + 100] ^= 1
    with pytest.raises(IntegrityError, match="index"):
        decode_sidecar(bytes(flipped))
    for stop in (0, 100, facts_size(compression, None), len(content) - 100):
        with pytest.raises(IntegrityError):
            decode_sidecar(content[:stop])


#: How far from the end the text of a trailer has a byte that counts.
SKIPPED = {None: BLOCK * 3 - 20, "zstd": 490}


def test_a_sidecar_of_a_later_format_is_named() -> None:
    """The error asks for a later version."""
    facts = checked_text({"format": 3, "size": 1, "tree_hash": "", "etag": ""}).ljust(BLOCK)
    with pytest.raises(ConfigurationError, match="format 3"):
        decode_sidecar(member_header(b".aioglacier/archive.json", size=BLOCK) + facts)


@pytest.mark.parametrize("change", [{"size": "1"}, {"tree_hash": 7}, {"etag": None}, {"size": 1 << 63}])
def test_facts_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    """Anyone who can write to the bucket can write a sidecar."""
    facts = checked_text({"format": 2, "size": 1, "tree_hash": "", "etag": "", **change}).ljust(BLOCK)
    with pytest.raises(IntegrityError, match="facts"):
        decode_sidecar(member_header(b".aioglacier/archive.json", size=BLOCK) + facts)
