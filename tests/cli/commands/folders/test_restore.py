"""A folder comes back by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bulk.conftest import make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def test_a_file_that_is_there_stays_unless_it_is_to_be_overwritten(program: Cli, tmp_path: Path) -> None:
    """Exit code 3 and the name, then 0."""
    tree = make_tree(tmp_path / "tree")
    program("sync", "tree", "photos")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "private").write_text("mine")
    assert program("restore", "photos", "back", "--json", code=3).error["error"] == "TargetError"
    program("restore", "photos", "back", "--overwrite")
    assert picture(tmp_path / "back") == picture(tree)


def test_one_of_several_folders_has_to_be_named(program: Cli, tmp_path: Path) -> None:
    """The message names them."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
        program("sync", name, "photos")
    error = program("restore", "photos", "back", "--json", code=2).error
    assert str(tmp_path / "two") in error["message"]
    program("restore", "photos", "back", "--folder", "two")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["two"]
