"""``aioglacier download``: what is asked before money is spent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, Cli, catalog_of, data, faulty, keys, serving, upload_some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Done


def test_expedited_is_asked_for(cli: Cli, vault: str) -> None:
    """Without a terminal an Expedited retrieval needs --yes; its price is said, and --max-cost holds."""
    (cli.folder / "file").write_bytes(b"archived")
    archive_id = cli("--json", "upload", vault, "file").record["archive_id"]
    words = ["download", vault, f"--archive-id={archive_id}", "target", "--tier", "expedited"]
    refused = cli(*words, code=2).err
    assert "--yes" in refused
    assert "USD" in refused
    assert not cli("--json", "jobs", "list", vault).records
    error = cli("--json", *words, "--yes", "--max-cost=0", code=2).error
    assert error["error"] == "CostLimitError"
    assert not cli("--json", "jobs", "list", vault).records
    cli(*words, "--yes")
    assert (cli.folder / "target").read_bytes() == b"archived"


def test_bytes_that_nothing_verifies_need_a_word(bare: Cli) -> None:
    """Without the catalog's leaves, a range that is no node of the tree is refused before a job is paid."""
    content = bytes(range(256)) * (4 * 4096)  # 4 MiB
    (bare.folder / "file").write_bytes(content)
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    archive_id = bare(*local, "upload", "v", "file", "--part-size=1MiB").record["archive_id"]
    words = ("download", "v", f"--archive-id={archive_id}", "--byte-range=1048576-3145727")
    other = (*local, "--catalog=other.db")
    for more in ([], ["--dry-run"]):
        assert "--unverified" in bare(*other, *words, "refused", *more, code=4).err
    assert not (bare.folder / "refused").exists()
    assert not bare(*local, "jobs", "list", "v").records
    assert bare(*local, *words, "known").record["verified"]
    record = bare(*other, *words, "taken", "--unverified").record
    assert not record["verified"]
    assert (bare.folder / "taken").read_bytes() == content[1048576:3145728]


def test_an_archive_comes_back_by_its_name(bare: Cli) -> None:
    """Without TARGET it gets its name in this folder; of two archives the newest, and that is said."""
    local = ("--local", "glacier")
    bare(*local, "vault", "create", "v")
    for content in (b"older", b"newer"):
        upload_some(Cli(bare.folder, local), "v", content, "--description", "2026/film")
    upload_some(Cli(bare.folder, local), "v", b"hidden", "--description", "../.profile")
    done = bare(*local, "download", "v", "--name", "2026/film")
    assert "2 archives have this name" in done.err
    assert (bare.folder / "film").read_bytes() == b"newer"
    for words in (("--name", "../.profile"), ("--name=2026/film", "--job-id=" + "j" * 92, "a")):
        assert bare(*local, "download", "v", *words, code=2).err
    assert "no archive named 'x' is on record" in bare(*local, "download", "v", "--name", "x", code=1).err
    bare(*local, "download", "v", "--name", "../.profile", "profile")
    assert (bare.folder / "profile").read_bytes() == b"hidden"


def test_a_range_of_an_archive(cli: Cli, vault: str) -> None:
    """``--byte-range`` includes both ends, and an existing target is left alone."""
    content = data(3 * MIB)
    archive_id = upload_some(cli, vault, content)
    arguments = ["download", vault, f"--archive-id={archive_id}", "--byte-range", "1048576-2097151", "part"]
    assert cli("--json", *arguments).record["byte_range"] == "1048576-2097151"
    assert (cli.folder / "part").read_bytes() == content[MIB : 2 * MIB]
    assert cli("--json", *arguments).record["byte_range"] == "1048576-2097151"
    (cli.folder / "part").write_bytes(content[:MIB])
    assert cli("--json", *arguments, code=1).error["error"] == "TargetError"
    cli(*arguments, "--overwrite")


@pytest.mark.slow
def test_a_job_is_used_again_and_not_paid_twice(tmp_path: Path) -> None:
    """``--no-wait`` starts one job and prints it; the same command adopts it; ``--job-id`` names it."""
    with serving(Cli(tmp_path), "glacier", "--job-delay", "3600", "--inventory-lag", "0") as url:
        cli = Cli(tmp_path, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "create", "v")
        archive_id = upload_some(cli, "v", data(2 * MIB))
        arguments = ["--json", "download", "v", f"--archive-id={archive_id}", "--no-wait"]
        first = cli(*arguments, "target", "--tier", "bulk", code=75).record
        assert (first["status"], first["tier"], first["archive_id"]) == ("InProgress", "Bulk", archive_id)
        assert cli(*arguments, "target", code=75).record["job_id"] == first["job_id"]
        assert cli(*arguments, f"--job-id={first['job_id']}", "target", code=75).record == first
        piped = cli(*arguments, "-", code=75)
        assert not piped.out  # the job is no archive
        assert not (tmp_path / "target").exists()
        waited = cli(
            "--json", "jobs", "wait", "v", f"--job-id={first['job_id']}", "--timeout", "0.1", code=75
        )
        assert waited.error["error"] == "WaitTimeoutError"
        assert waited.error["resume"]
        inventory = cli("--json", "inventory", "v", "--no-wait", code=75).record
        assert inventory["action"] == "InventoryRetrieval"
        assert cli("--json", "inventory", "v", "--no-wait", code=75).record == inventory
        output = cli("--json", "jobs", "output", "v", f"--job-id={first['job_id']}", "target", code=75)
        assert output.error["error"] == "JobNotReadyError"
        assert len(cli("--json", "jobs", "list", "v", "--status", "inprogress").records) == 2


def test_an_archive_that_is_not_there(cli: Cli, vault: str) -> None:
    """Exit 7 for an unknown id, also one that begins with "-", and no file is left."""
    for name in ("A" * 138, "-" + "A" * 137):
        done: Done = cli("--json", "download", vault, "--", name, "target", code=7)
        assert done.error["error"] == "ArchiveNotFoundError"
    assert [each.name for each in cli.folder.iterdir()] == [".local"]  # where the catalog is


@pytest.mark.slow
def test_a_failed_job_is_not_paid_again_unasked(tmp_path: Path) -> None:
    """If the job for this download is gone, only ``--new`` starts another one (SV-17)."""
    with faulty(tmp_path) as cli:
        archive_id = cli("--json", "upload", "v", "big").record["archive_id"]
        arguments = ("--json", "download", "v", f"--archive-id={archive_id}", "back")
        job = cli(*arguments, "--no-wait", code=75).record["job_id"]
        with closing(sqlite3.connect(catalog_of(cli))) as connection, connection:
            connection.execute("UPDATE jobs SET job_id = ?", ["A" * 92])  # one that the service does not know
            connection.execute("UPDATE jobs SET archive_id = ?", ["B" * 138])
        other = ("--json", "download", "v", f"--archive-id={'B' * 138}", "back")
        error = cli(*other, code=7).error
        assert (error["error"], error["job_id"]) == ("JobFailedError", "A" * 92)
        assert "--new" in error["notes"][0]
        assert cli(*other, "--new", code=7).error["error"] == "ArchiveNotFoundError"  # it was asked for
        assert [each["job_id"] for each in cli("--json", "jobs", "list", "v").records] == [job]
