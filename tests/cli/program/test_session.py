"""The catalog and the locks of a run of the program."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli, catalog_of, faulty

if TYPE_CHECKING:
    from pathlib import Path


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
    assert not cli("list", vault, code=1).out
    assert len(cli("--json", "list", vault, "--catalog", "mine.db").records) == 1


@pytest.mark.slow
def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Under any umask, files are 0600 and folders 0700, in ``XDG_DATA_HOME`` if that is set (SE-06)."""
    with faulty(tmp_path) as cli:
        before = os.umask(0)
        try:
            cli("upload", "v", "big", environment={"XDG_DATA_HOME": str(tmp_path / "data")})
        finally:
            os.umask(before)
    kept = list((tmp_path / "data").rglob("*"))
    assert (tmp_path / "data" / "aioglacier" / "catalog.db") in kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_dir()} == {0o700}
    assert not (tmp_path / ".local").exists()


def test_nothing_is_done_where_nothing_can_be_kept(tmp_path: Path) -> None:
    """A home that cannot be written is reported before anything is read or sent; exit 8 (PR-15)."""
    with faulty(tmp_path) as cli:
        (tmp_path / "file").write_bytes(b"in the way")
        where = {"XDG_DATA_HOME": os.fspath(tmp_path / "file")}
        error = cli("--json", "upload", "v", "big", environment=where, code=8).error
        assert error["error"] == "CatalogError"
        assert str(tmp_path / "file") in error["message"]
        assert cli("--json", "vault", "show", "v", environment=where).record["archives"] == 0


def test_too_few_open_files_are_told_at_the_start(cli: Cli, vault: str) -> None:
    """A limit that a transfer would run into half-way is named before it begins."""
    shell = f'ulimit -n 20; exec {sys.executable} -m aioglacier "$@"'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *cli.arguments, "vault", "show", vault],
        env=cli.env(),
        capture_output=True,
        check=False,
    )
    assert "ulimit -n" in cli.judge(done.returncode, done.stdout, done.stderr, 2).err
