"""A folder comes back by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bulk.conftest import make_tree, picture
from tests.cli.conftest import upload_some

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


def test_a_dry_run_names_what_would_not_come_back(program: Cli, tmp_path: Path) -> None:
    """Files whose archive is gone, places that are taken, older versions; exit code 3, as of the run."""
    (tmp_path / "tree").mkdir()
    for name in ("taken", "changed"):
        (tmp_path / "tree" / name).write_text(name)
    program("sync", "tree", "photos")
    first = {row["archive_id"] for row in program("--json", "list", "photos").records}
    for name in ("changed", "lost"):
        (tmp_path / "tree" / name).write_text(f"new {name}")
    program("sync", "tree", "photos")
    (newest,) = {row["archive_id"] for row in program("--json", "list", "photos").records} - first
    assert "would be lost" in program("delete", "photos", newest, "--dry-run", code=2).err
    assert "would be lost" in program("vault", "empty", "photos", "--dry-run", code=2).err
    program("delete", "photos", newest, "--dry-run", "--lose-files")
    program("delete", "photos", newest, "--lose-files", "--yes")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "taken").write_text("mine")
    for arguments in (("--dry-run",), ()):
        done = program("restore", "photos", "back", *arguments, code=3)
        for sentence in ("'lost' cannot be restored", "'changed' is an older version", "taken"):
            assert sentence in done.err
        assert (tmp_path / "back" / "changed").exists() is not bool(arguments)


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


def test_archives_that_no_sync_made_come_back_by_name(program: Cli, tmp_path: Path) -> None:
    """In a vault without a folder that is what a restore means; the plan names the cost first."""
    upload_some(program, "photos", b"one", "--description", '{"path": "a/one.txt"}')
    two = upload_some(program, "photos", b"two", "--description", "../two.txt")
    plan = program("restore", "photos", "back", "--dry-run", "--json").record
    assert (plan["archives"], plan["size"], plan["jobs"]) == (2, 6, 2)
    assert plan["cost"] > 0
    done = program("restore", "photos", "back", "--max-cost", "1")
    assert "'../two.txt' gets the name '%2E%2E/two.txt'" in done.err
    assert (tmp_path / "back" / "a" / "one.txt").read_bytes() == b"one"
    assert (tmp_path / "back" / "%2E%2E" / "two.txt").read_bytes() == b"two"
    (tmp_path / "ids").write_text(f"{two}\n")
    record = program("restore", "photos", "again", "--archive-ids", "ids", "--json").records[-1]
    assert (record["restored"], record["there"], record["jobs_started"]) == (1, 0, 0)
