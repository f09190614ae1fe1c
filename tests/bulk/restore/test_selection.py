"""The choice of the paths that come back."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk.restore.selection import Selection, SelectionOptions
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.errors import ConfigurationError
from tests.bulk.conftest import picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


async def test_patterns_choose_what_is_taken_and_what_comes_back(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """Excluded paths stay out and are not taken for removed; patterns select on the way back."""
    await place.sync(tree)
    (tree / "d0.txt").write_bytes(b"now excluded")
    done = await place.sync(tree, exclude=["*.txt"])
    assert done.removed == 0
    await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=["/d1/", "private"]))
    names = {os.fsdecode(path).split("/")[0] for path in picture(tmp_path / "back")}
    assert names == {".", "d1", "private"}


async def test_a_pattern_that_nothing_matches_is_an_error(place: Place, tree: Path, tmp_path: Path) -> None:
    """A folder alone is something; a name that is misspelt is not a restore of nothing that went well."""
    await place.sync(tree)
    for patterns in (["emtpy"], ["emtpy", "empty"]):
        with pytest.raises(ConfigurationError, match="'emtpy'"):
            await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=patterns))
    await place.restore(tmp_path / "back", selection=SelectionOptions(patterns=["empty"]))
    assert (tmp_path / "back" / "empty").is_dir()


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def version(path: bytes, kind: str = "file", size: int = 10) -> Entry:
    """A version of a path, from noon."""
    noon = int(NOON.timestamp()) * 1_000_000_000
    return Entry(1, path, 1, kind, size, noon, 0, 0, 0, 0o644, 0, 0)


@pytest.mark.parametrize(
    ("options", "is_chosen"),
    [
        ({}, True),
        ({"exclude": ["*.log"]}, False),
        ({"exclude": ["*.txt"]}, True),
        ({"patterns": ["/a/"], "exclude": ["/a/b.log"]}, False),
        ({"larger": 10, "smaller": 10}, True),
        ({"larger": 11}, False),
        ({"smaller": 9}, False),
        ({"modified_after": NOON, "modified_before": NOON + SECOND}, True),
        ({"modified_after": NOON + SECOND}, False),
        ({"modified_before": NOON}, False),
    ],
)
def test_a_file_is_chosen_by_name_size_and_time(options: dict[str, Any], *, is_chosen: bool) -> None:
    """All bounds but the later time are included, and excluded paths stay out whatever selects them."""
    assert Selection(SelectionOptions(**options)).selects(version(b"a/b.log")) is is_chosen


def test_a_folder_has_no_size_or_time_to_be_chosen_by() -> None:
    """A question about files is not answered with folders."""
    assert Selection(SelectionOptions()).selects(version(b"a", "directory"))
    assert not Selection(SelectionOptions(larger=1)).selects(version(b"a", "directory"))
    assert Selection(SelectionOptions(larger=1)).selects(version(b"a", "hardlink"))
