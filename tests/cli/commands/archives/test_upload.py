"""``aioglacier upload``: several sources at once, and what is stored already."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, data, wait_for
from tests.cli.test_signals import ask, faulty, hang, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

NAMES = [f"file-{number}" for number in range(8)]


def make_files(folder: Path) -> None:
    """Make small files, each with other bytes."""
    for name in NAMES:
        (folder / name).write_text(name)


def test_several_sources_go_side_by_side(tmp_path: Path) -> None:
    """Eight small files, each answered after a second, take clearly less than eight seconds."""
    slow = {"operation": "UploadArchive", "kind": "delay", "seconds": 1.0, "count": 8}
    make_files(tmp_path)
    with faulty(tmp_path, slow) as cli:
        began = time.monotonic()
        records = cli("--json", "upload", "v", *NAMES).records
        assert time.monotonic() - began < 6
    assert sorted(record["source"] for record in records) == NAMES
    assert len({record["archive_id"] for record in records}) == 8


def test_what_is_stored_and_unchanged_is_skipped(cli: Cli, vault: str) -> None:
    """A second run sends only what is new or changed, and says what it skipped; --again sends a copy."""
    make_files(cli.folder)
    first = {record["source"]: record for record in cli("--json", "upload", vault, *NAMES[:3]).records}
    (cli.folder / NAMES[1]).write_text("changed")
    done = cli("--json", "upload", vault, *NAMES[:4])
    again = {record["source"]: record for record in done.records}
    assert {name: record["skipped"] for name, record in again.items()} == {
        NAMES[0]: True,
        NAMES[1]: False,
        NAMES[2]: True,
        NAMES[3]: False,
    }
    assert again[NAMES[0]]["archive_id"] == first[NAMES[0]]["archive_id"]
    assert len(cli("--json", "inventory", vault).records) == 5
    assert "--again" in cli("upload", vault, NAMES[0]).err
    copy = cli("--json", "upload", vault, NAMES[0], "--again").record
    assert copy["archive_id"] != first[NAMES[0]]["archive_id"]
    assert not copy["skipped"]


def test_a_deleted_archive_is_sent_again(cli: Cli, vault: str) -> None:
    """Only an archive that is still stored stands for the file."""
    make_files(cli.folder)
    first = cli("--json", "upload", vault, NAMES[0]).record["archive_id"]
    cli("delete", vault, "--yes", f"--archive-id={first}")
    again = cli("--json", "upload", vault, NAMES[0]).record
    assert not again["skipped"]
    assert again["archive_id"] != first


def test_another_description_is_another_archive(cli: Cli, vault: str) -> None:
    """A file is stored under the description that was asked for."""
    make_files(cli.folder)
    first = cli("--json", "upload", vault, NAMES[0]).record["archive_id"]
    assert cli("--json", "upload", vault, NAMES[0], "--description=x").record["archive_id"] != first


def test_a_restart_leaves_another_files_upload_alone(tmp_path: Path) -> None:
    """A22: two files of one name in two folders have one description, and only one of them is aborted."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "big").write_bytes(data(8 * MIB, seed=ord(folder)))
        with cli.started("upload", "v", "b/big", "--part-size", "1MiB") as run:
            wait_for(lambda: sent(cli) >= 4)
            done = cli("upload", "v", "a/big", "--part-size", "1MiB", "--restart")
            assert "aborted upload" not in done.err
            url = cli.arguments[1]
            assert len(ask(url, "GET", "vaults/v/multipart-uploads")["UploadsList"]) == 1
            run.kill()
        assert "going on" in cli("upload", "v", "b/big", "--part-size", "1MiB").err


def test_the_source_of_an_encrypted_upload_is_on_record(bare: Cli) -> None:
    """The catalog says which file it was. A plain upload of it is another archive, and is skipped later."""
    pyrage = pytest.importorskip("pyrage")
    key = str(pyrage.x25519.Identity.generate().to_public())
    (bare.folder / "file").write_bytes(b"archived")
    local = ("--local", "glacier", "--json")
    bare(*local, "vault", "create", "v")
    bare(*local, "upload", "v", "file", f"--recipient={key}")
    (record,) = bare(*local, "list", "v").records
    assert (record["source"], record["description"]) == (str(bare.folder / "file"), "")
    plain = bare(*local, "upload", "v", "file").record
    assert not plain["skipped"]
    bare(*local, "upload", "v", "file", f"--recipient={key}")
    assert bare(*local, "upload", "v", "file").record["skipped"]
    assert len(bare(*local, "list", "v").records) == 3
