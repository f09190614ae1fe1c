"""The metadata of an object that was an archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.moved_metadata import description_of, metadata_of, origin_of
from aioglacier.core.s3.objects import UPLOAD_NAME, ObjectHead

DAY = datetime(2014, 5, 6, 7, 8, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 24, tzinfo=UTC)


def head(metadata: dict[str, str]) -> ObjectHead:
    """Return an object's head."""
    return ObjectHead(key="k", size=1, etag="e", modified=LATER, storage_class="GLACIER", metadata=metadata)


def archive(description: str) -> Archive:
    """Return an archive with a description."""
    return Archive(
        id=ArchiveId("i" * 138), vault="v", size=1, tree_hash=b"\1" * 32, description=description, created=DAY
    )


@pytest.mark.parametrize(
    "text", ["", "plain", "two  spaces", " at the start", "at the end ", "%41 =?utf-8?q?a?=", "~" * 1024]
)
def test_a_description_comes_back_byte_for_byte(text: str) -> None:
    """A text that a header would change goes in base64, and all metadata fit in 2 KB."""
    metadata = metadata_of(archive(text))
    assert description_of(metadata) == text
    assert all(value == value.strip() and "  " not in value for value in metadata.values())
    assert sum(map(len, (*metadata, *metadata.values()))) < 2048


def test_the_longest_of_all_fits_what_s3_takes() -> None:
    """1,024 characters in base64, the longest id and vault, and the token: within 2 KB, with all prefixes.

    S3 counts the bytes of each name and value (S3 User Guide, "User-defined object metadata"); here with
    "x-amz-meta-", in case that a store counts it.
    """
    longest = replace(archive(" ~" * 512), id=ArchiveId("i" * 138), vault="v" * 255)
    metadata = {**metadata_of(longest), UPLOAD_NAME: "t" * 16}
    assert "glacier-description-base64" in metadata
    assert description_of(metadata) == " ~" * 512
    assert sum(len(f"x-amz-meta-{name}{value}") for name, value in metadata.items()) <= 2048


def test_an_object_tells_its_origin() -> None:
    """Description, date and tree hash are the archive's; without them, the object's."""
    moved = head(metadata_of(archive("a")))
    assert origin_of(moved) == ("a", DAY, b"\1" * 32)
    other = head({"aioglacier-description": "b"})
    assert origin_of(other) == ("b", LATER, b"")
    for created, tree_hash, text in (
        ("x", "y", "=="),
        ("2014-05-06", "00", "/w=="),
        ("2014-05-06T07:08:09", "", "ä"),
    ):
        broken = {
            "glacier-created": created,
            "aioglacier-tree-hash": tree_hash,
            "glacier-description-base64": text,
        }
        assert origin_of(head(broken)) == ("", LATER, b"")
