"""The commands of folders, as programs and people use them."""

from __future__ import annotations

import os
import shlex
import sqlite3
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from aioglacier.catalog import Catalog
from tests.bulk.conftest import make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def test_a_folder_goes_there_and_back_and_is_verified(program: Cli, tmp_path: Path) -> None:
    """The three commands in a row, each saying what it did and cost."""
    tree = make_tree(tmp_path / "tree")
    done = program("sync", "tree", "photos", "--json").records[-1]
    assert (done["event"], done["failed"], done["archives"]) == ("summary", 0, 1)
    assert done["requests"] == 3
    assert done["cost"] > 0
    assert done["prices_seen"]
    assert "0 paths archived" in program("sync", "tree", "photos").text
    program("restore", "photos", "back")
    assert picture(tmp_path / "back") == picture(tree)
    checked = program("verify", "tree", "photos", "--sample", "1", "--json").records[-1]
    assert (checked["troubles"], checked["sampled"]) == (0, 1)


def test_dry_runs_ask_for_nothing(program: Cli, tmp_path: Path) -> None:
    """They tell what would be done and what it would cost."""
    make_tree(tmp_path / "tree")
    plan = program("sync", "tree", "photos", "--dry-run", "--json").record
    assert (plan["event"], plan["bundles"], plan["requests"]) == ("plan", 1, 3)
    assert plan["cost"] > 0
    assert "requests" in program("sync", "tree", "photos", "--dry-run").text
    assert program("--json", "uploads", "list", "photos").out == b""
    program("sync", "tree", "photos")
    plan = program("restore", "photos", "back", "--dry-run", "--json").record
    assert plan["jobs"] == 1
    assert "1 job" in program("restore", "photos", "back", "--dry-run").text
    assert "cost" in program("verify", "tree", "photos", "--sample=3", "--dry-run", "--json").record
    assert program("--json", "jobs", "list", "photos").out == b""
    assert not (tmp_path / "back").exists()


def test_what_costs_more_than_allowed_is_refused(program: Cli, tmp_path: Path) -> None:
    """Nothing is sent or asked for, and the exit code is that of usage."""
    make_tree(tmp_path / "tree")
    error = program("sync", "tree", "photos", "--max-cost=0.00001", "--json", code=2).error
    assert error["error"] == "CostLimitError"
    assert error["cost"] > error["limit"]
    error = program("sync", "tree", "photos", "--max-cost=nan", "--json", code=2).error
    assert "not an amount" in error["message"]
    program("sync", "tree", "photos", "--max-cost=1")
    assert program("restore", "photos", "back", "--max-cost=0.00001", "--json", code=2).error["cost"]


def test_a_file_that_cannot_be_archived_is_listed_and_the_exit_code_says_so(
    program: Cli, tmp_path: Path
) -> None:
    """The others are archived."""
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    done = program("sync", "tree", "photos", "--json", code=3)
    assert done.error["item"] == "pipe"
    assert done.records[-1]["failed"] == 1
    program("sync", "tree", "photos", "--exclude=pipe")


def test_patterns_may_come_from_a_file(program: Cli, tmp_path: Path) -> None:
    """And others bring back what they exclude."""
    make_tree(tmp_path / "tree")
    (tmp_path / "patterns").write_text("/*\n# a note\n")
    program("sync", "tree", "photos", "--exclude-from=patterns", "--include=/private")
    program("restore", "photos", "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["private"]


def test_a_file_of_patterns_that_is_not_there_is_exit_code_2(program: Cli, tmp_path: Path) -> None:
    """It was named wrongly, and nothing was done."""
    make_tree(tmp_path / "tree")
    error = program("sync", "tree", "photos", "--exclude-from=nowhere", "--json", code=2).error
    assert "nowhere" in error["message"]


def test_how_large_a_file_in_a_bundle_may_be_can_be_chosen(program: Cli, tmp_path: Path) -> None:
    """A larger file is an archive of its own, and comes back the same."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for size in (0, 100, 101, 5000):
        (tree / f"f{size}").write_bytes(os.urandom(size))
    done = program("sync", "tree", "photos", "--bundle-up-to=100", "--json").records[-1]
    assert done["archives"] == 3
    program("restore", "photos", "back")
    assert picture(tmp_path / "back") == picture(tree)
    program("sync", "tree", "photos", "--bundle-up-to=17MiB", code=2)


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


def test_verify_tells_rot_from_change_by_its_exit_code(program: Cli, tmp_path: Path) -> None:
    """3 for a folder that has changed, 4 for a disk that has."""
    tree = make_tree(tmp_path / "tree")
    program("sync", "tree", "photos")
    status = (tree / "private").stat()
    (tree / "private").write_bytes(b"changed")
    assert "changed: private" in program("verify", "tree", "photos", code=3).text
    (tree / "private").write_bytes(b"secreT")
    os.utime(tree / "private", ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert "rotten: private" in program("verify", "tree", "photos", code=4).text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sync", "none", "photos"), "cannot be read"),
        (("sync", "tree", "photos", "--prices=none"), "price list"),
        (("sync", "tree", "photos", "--exclude=!"), "gitignore"),
        (("restore", "photos", "back"), "sync"),
        (("restore", "photos", "back", "--at=yesterday"), "not a time"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    program: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """With what to do about it."""
    make_tree(tmp_path / "tree")
    code = 1 if arguments[1] == "none" else 2
    assert said in program(*arguments, code=code).err


def test_what_a_run_cost_is_on_record(program: Cli, tmp_path: Path) -> None:
    """By operation, in millionths of the currency."""
    make_tree(tmp_path / "tree")
    program("--catalog=c.db", "sync", "tree", "photos")
    program("--catalog=c.db", "restore", "photos", "back")
    with sqlite3.connect(tmp_path / "c.db") as database:
        rows = database.execute("SELECT operation, requests, price, currency FROM spent").fetchall()
    database.close()
    assert [(operation, requests) for operation, requests, _, _ in rows] == [
        ("InitiateMultipartUpload", 1),
        ("UploadMultipartPart", 1),
        ("CompleteMultipartUpload", 1),
        ("InitiateJob", 1),
        ("GetJobOutput", 1),
    ]
    assert all(price > 0 and currency == "USD" for _, _, price, currency in rows)


async def test_the_command_to_go_on_with_asks_for_the_same(program: Cli, tmp_path: Path) -> None:
    """The selection, the encryption and the limit of costs hold for the rest, too."""
    tree = make_tree(tmp_path / "tree")
    program("sync", "tree", "photos", "--catalog=catalog.db")
    options = ["--compress", "--checksum", "--bundle-size=4194304", "--max-cost=0.5", "--exclude=*.o"]
    words = ["--catalog=catalog.db", "sync", "tree", "photos", "--json", *options]
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        (place,) = await catalog.archives.vault_keys("photos")
        async with catalog.lock_source(place, str(tree)):  # another process does the same
            error = (await anyio.to_thread.run_sync(lambda: program(*words, code=5))).error
    assert set(options) < set(shlex.split(error["resume"]))
