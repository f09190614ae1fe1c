"""The commands of folders, as programs and people use them."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from aioglacier.catalog import Catalog
from tests.bulk.conftest import make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sync", "none", "photos"), "is not there; name a folder"),
        (("sync", "tree", "photos", "--prices=none"), "price list"),
        (("sync", "tree", "photos", "--exclude=!"), "gitignore"),
        (("restore", "photos", "back"), "sync"),
        (("restore", "photos", "back", "--at=yesterday"), "not a time"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    program: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """The line says what to do."""
    make_tree(tmp_path / "tree")
    code = 1 if arguments[1] == "none" else 2
    assert said in program(*arguments, code=code).err


def test_what_a_run_cost_is_on_record(program: Cli, tmp_path: Path) -> None:
    """By operation, in millionths of the currency."""
    make_tree(tmp_path / "tree")
    program("--catalog=c.db", "sync", "tree", "photos")
    program("--catalog=c.db", "restore", "photos", "back")
    with closing(sqlite3.connect(tmp_path / "c.db")) as database, database:
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
