"""Which paths come back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.restore.selection import SelectionOptions
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
