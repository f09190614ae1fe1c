"""Names of archives at a target."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aioglacier.bulk.archives.safe_names import is_escaped, names_of, safe_name
from aioglacier.core.models import Archive, ArchiveId
from tests.bulk.archives.conftest import cloud_berry, fast_glacier, mt_aws


def archive(description: str) -> Archive:
    """Return an archive with a description."""
    created = datetime(2014, 5, 6, 7, 8, 9, tzinfo=UTC)
    return Archive(ArchiveId("A" * 138), "old", 1, bytes(32), description, created)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        (mt_aws("photos/2012/a.jpg"), "photos/2012/a.jpg"),
        (fast_glacier("backup/ä.tar"), "backup/ä.tar"),
        (fast_glacier("backup/"), "backup%2F"),
        (cloud_berry(r"C:\Users\me\x.doc"), "C/Users/me/x.doc"),
        ('{"path": "qnap/share/b.bin"}', "qnap/share/b.bin"),
        ("a plain description", "a plain description"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("a//b/./c", "a/b/c"),
        (mt_aws("a\x00b\n\x1bc"), "a%00b%0A%1Bc"),
        ("", "A" * 138),
        ("..", "%2E%2E"),
        ("//", "A" * 138),
    ],
)
def test_a_name_is_what_the_description_says_made_safe(description: str, name: str) -> None:
    """Every known format gives its name, and none leads out of the target."""
    assert safe_name(archive(description)) == name


def test_a_long_step_is_cut_and_stays_distinct() -> None:
    """A step that no file system takes ends with the beginning of the archive's id."""
    name = safe_name(archive(mt_aws("ü" * 300)))
    assert len(name.encode()) < 255
    assert name.endswith("~" + "A" * 12)


def test_a_name_that_is_taken_gets_the_date_and_then_the_id() -> None:
    """The remark stands before the suffix; the last name is the archive's id."""
    names = names_of(archive("a/photo.jpg"))
    assert names[0] == "a/photo.jpg"
    assert names[1] == "a/photo (20140506T070809Z).jpg"
    assert names[2].startswith("a/photo (20140506T070809Z AAAA")
    assert names[3] == "A" * 138
    assert names_of(archive(".profile"))[1] == ".profile (20140506T070809Z)"


def test_only_other_names_count_as_escaped() -> None:
    """A leading "/" and a missing name are no change worth a word."""
    assert not is_escaped(archive("/a/b"), "a/b")
    assert not is_escaped(archive(""), "A" * 138)
    assert is_escaped(archive("../b"), "%2E%2E/b")
