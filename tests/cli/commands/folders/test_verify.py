"""A folder is compared by the command line."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import make_tree, write
from tests.cli.conftest import MIB, ask, data, faulty

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


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


def test_an_archive_that_another_program_deleted_leaves_the_findings(program: Cli, tmp_path: Path) -> None:
    """It is suspect once the service denies it, also after a new copy was sent, until it is deleted here."""
    write(tmp_path / "tree", {"file": b"content"})
    program("sync", "tree", "photos")
    archive_id = program("list", "photos", "--json").record["archive_id"]
    program(
        "delete", "photos", f"--archive-id={archive_id}", "--yes", "--catalog", str(tmp_path / "other.db")
    )
    program("restore", "photos", "back", code=3)
    assert "lost: file" in program("verify", "tree", "photos", code=4).text
    program("sync", "tree", "photos")
    found = program("verify", "tree", "photos", code=4)
    assert found.text.startswith(f"suspect: {archive_id}\n")
    assert "'delete' takes one that is gone off the record" in found.err
    program("delete", "photos", f"--archive-id={archive_id}", "--yes")
    program("verify", "tree", "photos")


@pytest.mark.slow
def test_two_samples_at_once_buy_nothing_twice(tmp_path: Path) -> None:
    """Each MiB of the sample is one job, whichever process starts it, and both find the folder as it was."""
    slow = {"operation": "InitiateJob", "kind": "delay", "seconds": 0.2, "count": 12}
    with faulty(tmp_path, slow) as cli, ExitStack() as stack:
        write(tmp_path / "tree", {"big": data(4 * MIB)})
        cli("sync", "tree", "v")
        runs = [stack.enter_context(cli.started("verify", "tree", "v", "--sample=9")) for _ in range(2)]
        assert [run.wait(60) for run in runs] == [0, 0]
        ranges = [
            job["RetrievalByteRange"] for job in ask(cli.arguments[1], "GET", "vaults/v/jobs")["JobList"]
        ]
    assert len(ranges) == len(set(ranges)) == 5
