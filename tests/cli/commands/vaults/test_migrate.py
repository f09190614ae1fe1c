"""A vault moves to a bucket, by the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aioglacier
from tests.cli.conftest import upload_some

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

TARGET = "s3://museum/old"


def make_bucket(cli: Cli) -> None:
    """Make the bucket in the local Glacier."""

    async def make() -> None:
        folder = cli.folder / "glacier"
        async with aioglacier.connect(endpoint_url=f"local:{folder}", hash_in="threads") as glacier:
            await glacier.create_bucket("museum")

    asyncio.run(make())


def test_a_vault_moves_is_reported_and_deleted(program: Cli) -> None:
    """Plan, run, status, report, deletion by --yes, and the vault itself when its inventory allows it."""
    upload_some(program, "photos", b"one", "--description", '{"path": "a/one.txt"}')
    upload_some(program, "photos", b"two", "--description", "two.txt")
    make_bucket(program)
    move = ("migrate", "photos", TARGET, "--storage-class", "DEEP_ARCHIVE")
    plan = program(*move, "--dry-run", "--json").record
    assert (plan["archives"], plan["jobs"], plan["target"]) == (2, 2, "s3://museum/old/")
    done = program(*move, "--json").records[-1]
    assert (done["restored"], done["failed"]) == (2, 0)
    again = program(*move)
    assert "2 there before" in again.text
    status = program("migrate", "status", "photos", "--json").record
    assert status["states"] == {"proven": {"archives": 2, "size": 6}}
    assert 0 < status["spent"] < 0.01
    assert "2 of 2 archives, 6 bytes of 6 bytes" in program("migrate", "status").text
    report = program("migrate", "report", "photos", TARGET, "--json").record
    assert (report["lines"], report["proven"], report["findings"]) == (2, 2, 0)
    delete = ("migrate", "delete-proven", "photos", TARGET)
    assert program(*delete, "--dry-run", "--json").record["archives"] == 2
    asked = program(*delete, code=2).err
    assert "no terminal" in asked
    assert "their objects in the bucket are charged until" in asked
    kept = program(*delete, "--older-than", "90", "--yes")
    assert "0 archives deleted in photos; 2 younger ones stay" in kept.text
    deleted = program(*delete, "--yes", "--json").record
    assert (deleted["deleted"], deleted["kept"]) == (2, 0)
    assert program(*delete, "--yes", "--json").record["deleted"] == 0


def test_small_archives_share_an_object(program: Cli) -> None:
    """The plan counts the bundle, and what is in it comes back from the bucket by its name."""
    upload_some(program, "photos", b"one", "--description", '{"path": "a/one.txt"}')
    upload_some(program, "photos", b"two", "--description", "two.txt")
    make_bucket(program)
    move = ("migrate", "photos", TARGET, "--storage-class", "GLACIER_IR", "--bundle-up-to", "1KiB")
    assert "to S3 for 1 bundle and the rest" in program(*move, "--dry-run").text
    assert program(*move, "--json").records[-1]["restored"] == 2
    assert program("migrate", "report", "photos", TARGET, "--json").record["proven"] == 2
    plan = program("restore", TARGET, str(program.folder / "all"), "--dry-run", "--json").record
    assert (plan["archives"], plan["jobs"]) == (2, 0)
    assert program("restore", TARGET, str(program.folder / "all"), "--json").records[-1]["restored"] == 2
    assert (program.folder / "all/a/one.txt").read_bytes() == b"one"
    program("catalog", "recover", TARGET)
    program("restore", TARGET, str(program.folder / "back"), "one.txt")
    assert (program.folder / "back/a/one.txt").read_bytes() == b"one"
    assert not (program.folder / "back/two.txt").exists()


def test_wrong_targets_are_refused_before_anything_is_sent(program: Cli) -> None:
    """A target is a bucket, and a class has to be named."""
    upload_some(program, "photos", b"one")
    for arguments in (
        ("photos", "museum", "--storage-class", "GLACIER"),
        ("photos", TARGET),
        ("photos", TARGET, "--storage-class", "GLACIER", "--class-rule", "size=1:GLACIER"),
    ):
        program("migrate", *arguments, code=2)
    assert program("migrate", "photos", TARGET, "--storage-class", "GLACIER", code=7).err
    assert program("jobs", "list", "photos", "--json").records == []
