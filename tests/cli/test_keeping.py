"""The catalog of every command: trouble with it is reported before anything is sent; exit 8."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, data
from tests.cli.test_signals import faulty, hang, left_behind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def catalog_of(cli: Cli) -> Path:
    """Return the path of the catalog."""
    return cli.folder / ".local" / "share" / "aioglacier" / "catalog.db"


@pytest.mark.parametrize("damage", ["truncated", "zeroed", "text"])
def test_a_damaged_catalog_is_kept_aside(cli: Cli, vault: str, damage: str) -> None:
    """Never overwritten; the message names where it is and what fills a new one, and the next run works."""
    (cli.folder / "file").write_bytes(b"content")
    first = cli("--json", "upload", vault, "file").record
    path = catalog_of(cli)
    content = path.read_bytes()
    damaged = {"truncated": content[: len(content) // 2], "zeroed": bytes(len(content)), "text": b"my notes"}[
        damage
    ]
    path.write_bytes(damaged)
    error = cli("--json", "upload", vault, "file", code=8).error
    assert error["error"] == "CatalogDamagedError"
    assert "aioglacier inventory VAULT" in error["message"]
    with open(error["moved_to"], "rb") as kept:  # noqa: PTH123
        assert kept.read() == damaged
    again = cli("--json", "upload", vault, "file", code=8).error
    assert again["moved_to"] == error["moved_to"]
    cli("inventory", vault)
    assert [each["archive_id"] for each in cli("--json", "list", vault).records] == [first["archive_id"]]


def test_a_catalog_of_a_newer_version_is_left_alone(cli: Cli, vault: str) -> None:
    """Refused untouched (DC-05)."""
    cli("upload", vault, "-", stdin=b"content")
    path = catalog_of(cli)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE catalog_version SET version = 1000")
    before = path.read_bytes()
    error = cli("--json", "upload", vault, "-", stdin=b"more", code=8).error
    assert error["error"] == "CatalogError"
    assert "1000" in error["message"]
    assert path.read_bytes() == before
    assert cli("--json", "vault", "show", vault).record["archives"] == 1


def test_another_catalog_may_be_named(cli: Cli, vault: str) -> None:
    """``--catalog PATH``, before or behind the command, and in the command that goes on."""
    cli("--catalog", "mine.db", "upload", vault, "-", stdin=b"content")
    assert not cli("list", vault).out
    assert len(cli("--json", "list", vault, "--catalog", "mine.db").records) == 1


def test_a_list_needs_no_connection(cli: Cli, vault: str, bare: Cli) -> None:
    """Nothing of it comes from the service: no credentials, no region, no network."""
    cli("upload", vault, "-", "--description", "piped", stdin=b"content")
    record = bare("--json", "list", vault).record
    assert (record["vault"], record["description"], record["state"]) == (vault, "piped", "stored")
    assert record["seen"] is None
    assert "not yet" in bare("list", vault).text
    cli("inventory", vault)
    assert bare("--json", "list", vault).record["seen"] is not None


def test_an_upload_to_another_vault_is_not_resumed_there(tmp_path: Path) -> None:
    """Both vaults are named, and nothing is sent (SV-14)."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        upload = left_behind(cli)
        cli("vault", "create", "other")
        named = f"--upload-id={upload['upload_id']}"
        error = cli("--json", "uploads", "resume", "other", named, "big", code=4).error
        assert error["error"] == "ResumeMismatchError"
        assert "vault v " in error["message"]
        assert "vault other " in error["message"]


def test_another_account_is_told_of(cli: Cli, vault: str) -> None:
    """Credentials of another account than the record of the vault are refused (DC-09)."""
    content = data(MIB)
    archive_id = cli("--json", "upload", vault, "-", stdin=content).record["archive_id"]
    cli("download", vault, f"--archive-id={archive_id}", "back")
    with closing(sqlite3.connect(catalog_of(cli))) as connection, connection:
        connection.execute("UPDATE places SET real_account_id = '999999999999'")
    again = cli("--json", "download", vault, f"--archive-id={archive_id}", "again", code=8).error
    assert again["error"] == "CatalogMismatchError"
    assert "999999999999" in again["message"]
    assert not (cli.folder / "again").exists()


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
