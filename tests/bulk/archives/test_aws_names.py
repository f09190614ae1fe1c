"""The keys of AWS's own tool."""

from __future__ import annotations

import base64
import tracemalloc
from datetime import UTC, datetime

import pytest

from aioglacier.bulk.archives.aws_names import aws_name, counted_aws_names
from aioglacier.core.models import Archive, ArchiveId
from tests.bulk.archives.conftest import cloud_berry, fast_glacier, mt_aws

DAY = datetime(2014, 5, 6, 7, 8, 9, tzinfo=UTC)


def archive(description: str, archive_id: str = "ID") -> Archive:
    """Return an archive with a description."""
    return Archive(
        id=ArchiveId(archive_id), vault="v", size=1, tree_hash=b"", description=description, created=DAY
    )


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("", "00undefined/ID"),
        ("   ", "00undefined/ID"),
        (" plain text ", "plain text"),
        (fast_glacier("a/b.txt"), "a/b.txt"),
        (f'"{fast_glacier("a")}"', "a"),
        ("<ArchiveMetadata><Path>" + base64.b64encode(b"old").decode() + "</Path></ArchiveMetadata>", "old"),
        ("<m><v>4</v></m>", "00error/ID"),
        (f"x {fast_glacier('a')}", "00error/ID"),
        (cloud_berry("c/d"), "c/d"),
        ('{"path": "e"}', "e"),
        ('{"path": ["e"]}', '{"path": ["e"]}'),
        ('{"name": "e"}', '{"name": "e"}'),
        ('{"broken', '{"broken'),
        ('{"broken"} }', '{"broken"} }'),
        (r"a\\b\c", r"a/b\c"),
    ],
)
def test_names_are_those_of_the_tool(description: str, name: str) -> None:
    """The rules are read from its source."""
    assert aws_name(archive(description)) == name


def test_formats_that_it_does_not_know_are_names() -> None:
    """It takes the description of mt-aws-glacier as it is."""
    assert aws_name(archive(mt_aws("a"))) == mt_aws("a")


def test_later_archives_of_one_name_get_date_and_number() -> None:
    """The first one keeps the name."""
    with counted_aws_names() as name:
        given = [name(archive("a", f"I{number}"))[0] for number in range(3)]
    assert given == ["a", "a-2014-05-06T07:08:09Z-2", "a-2014-05-06T07:08:09Z-3"]


def test_counting_many_names_needs_no_memory() -> None:
    """The counts are in a file, which goes with the plan."""
    tracemalloc.start()
    try:
        with counted_aws_names() as name:
            for number in range(5_000):
                name(archive(f"{number}"))
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000
