"""Synced folders as the catalog has them: ``ls``, ``find``, ``du`` and ``snapshots``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_terminal import on_terminal

if TYPE_CHECKING:
    from pathlib import Path

LONG = "n" * 60 + ".txt"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program, and a folder of which two states are on record."""
    cli = Cli(tmp_path_factory.mktemp("synced"), ("--local", "glacier"))
    tree = cli.folder / "tree"
    (tree / "2024" / "may").mkdir(parents=True)
    (tree / "2024" / "may" / "a.jpg").write_bytes(b"j" * 3000)
    (tree / "2024" / LONG).write_bytes(b"text")
    (tree / "link").symlink_to("2024")
    for path in (tree / "2024" / "may" / "a.jpg", tree / "2024" / LONG):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    cli("vault", "create", "v")
    cli("sync", "tree", "v")
    (tree / "later.jpg").write_bytes(b"later")
    cli("sync", "tree", "v")
    return cli


def paths(cli: Cli, *words: str) -> list[str]:
    """Return the paths that a command prints."""
    return [record["path"] for record in cli("--json", *words).records]


@pytest.mark.slow
def test_ls_lists_one_folder(synced: Cli) -> None:
    """The top, a folder, a file; a path may begin with the folder's own, and needs no slash at its end."""
    assert paths(synced, "ls", "v") == ["2024/", "later.jpg", "link"]
    assert paths(synced, "ls", "v", "/2024") == ["2024/may/", f"2024/{LONG}"]
    assert paths(synced, "ls", "v", str(synced.folder / "tree" / "2024" / "may")) == ["2024/may/a.jpg"]
    assert paths(synced, "ls", "v", "later.jpg") == ["later.jpg"]
    assert "is not on record" in synced("ls", "v", "nothing", code=1).err
    lines = synced("ls", "v", "2024").text.splitlines()
    assert lines[0] == "DATE (UTC)            SIZE  PATH"
    assert lines[2] == f"2001-09-09 01:46       4 B  2024/{LONG}"
    assert "archive id" in synced("ls", "v", "later.jpg", "--long").text


@pytest.mark.slow
def test_a_folder_is_shown_as_it_was(synced: Cli) -> None:
    """The times that ``snapshots`` prints choose a state, in every command that takes --at."""
    first, second = synced("--json", "snapshots", "v").records
    assert (first["state"], second["archived"], second["archived_size"]) == ("completed", 1, 5)
    assert first["at"] in synced("snapshots", "v").text
    at = f"--at={first['at']}"
    if first["at"] < second["started"]:  # both may have begun within one second
        assert paths(synced, "find", "v", "*.jpg", at) == ["2024/may/a.jpg"]
        assert "later.jpg" not in paths(synced, "ls", "v", at)
    assert "was not in" in synced("ls", "v", "--at=2020-01-01", code=2).err


def test_find_takes_patterns_and_conditions(synced: Cli) -> None:
    """It takes the same as a restore."""
    assert paths(synced, "find", "v", "*.jpg") == ["2024/may/a.jpg", "later.jpg"]
    assert paths(synced, "find", "v", "*.jpg", "--larger=1KiB") == ["2024/may/a.jpg"]
    assert paths(synced, "find", "v", "*.jpg", "--exclude=may/", "--modified-after=2020-01-01") == [
        "later.jpg"
    ]
    assert "0 paths" in synced("find", "v", "*.gif").err


def test_du_adds_up_folders(synced: Cli) -> None:
    """Each folder after those in it; the last line is the total."""
    records = synced("--json", "du", "v").records
    assert [tuple(record.values()) for record in records] == [("2024/", 2, 3004), (".", 3, 3009)]
    assert paths(synced, "du", "v", "2024") == ["2024/may/", "2024/"]
    assert synced("du", "v", "--depth=0").text.splitlines()[1] == "2.94 KiB          3  ."


def test_a_path_is_cut_to_the_terminal(synced: Cli) -> None:
    """No line is longer than the terminal is wide."""
    with on_terminal(synced, "ls", "v", "2024", columns=40) as terminal:
        lines = terminal.end(0).replace("\r", "").splitlines()
    assert lines[2] == "2001-09-09       4 B  2024/...nnnnnn.txt"


@pytest.mark.slow
def test_what_is_left_out_from_now_on_stays_on_record(tmp_path: Path) -> None:
    """By the lasting file of patterns and by a rule: neither is taken for removed."""
    cli = Cli(tmp_path, ("--local", "glacier"))
    (tmp_path / "tree").mkdir()
    for name, size in (("a.tmp", 1), ("large", 2000), ("kept", 1)):
        (tmp_path / "tree" / name).write_bytes(bytes(size))
    cli("vault", "create", "v")
    cli("sync", "tree", "v")
    (tmp_path / "tree" / ".aioglacierignore").write_text("*.tmp\n")
    (tmp_path / "tree" / "b.tmp").write_bytes(b"new")
    (tmp_path / "tree" / "larger").write_bytes(bytes(2000))
    done = cli("--json", "sync", "tree", "v", "--exclude-larger-than=1KiB", "--one-file-system").records[-1]
    assert (done["archived"], done["removed"]) == (1, 0)
    assert paths(cli, "ls", "v") == [".aioglacierignore", "a.tmp", "kept", "large"]
    assert cli("--json", "verify", "tree", "v").records[-1]["unarchived"] == 0
