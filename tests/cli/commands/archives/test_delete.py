"""``aioglacier delete``: what is deleted, refused and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli, data, faulty, upload_some

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_one_refusal_does_not_keep_the_others(tmp_path: Path) -> None:
    """Of three archives one is refused: it is named, the others are deleted, said and recorded; exit 3."""
    refusal = {"operation": "DeleteArchive", "code": "AccessDeniedException", "count": 1}
    with faulty(tmp_path, refusal) as cli:
        names = ["a", "b", "c"]
        for name in names:
            (tmp_path / name).write_text(name)
        archives = cli("--json", "upload", "v", *names).records
        ids = {record["archive_id"] for record in archives}
        done = cli("--json", "delete", "v", "--yes", "--", *sorted(ids), code=3)
        deleted = {record["archive_id"] for record in done.records}
        assert len(deleted) == 2
        assert done.error["error"] == "AccessDeniedError"
        assert {done.error["item"]} == ids - deleted
        states = {record["archive_id"]: record["state"] for record in cli("--json", "list", "v").records}
        assert {id_ for id_, state in states.items() if state == "stored"} == ids - deleted


def test_files_that_would_be_lost_are_named(bare: Cli) -> None:
    """A02: deleting what synced files rest on needs a word of its own, for archives and whole vaults."""
    cli = Cli(bare.folder, ("--local", "glacier"))
    cli("vault", "create", "v")
    (bare.folder / "tree").mkdir()
    (bare.folder / "tree" / "a").write_text("kept")
    cli("sync", "tree", "v")
    archive_id = cli("--json", "list", "v").record["archive_id"]
    for words in (["delete", "v", "--yes", f"--archive-id={archive_id}"], ["vault", "empty", "v", "--yes"]):
        refused = cli(*words, code=2).err
        assert "tree/a" in refused
        assert "--lose-files" in refused
    assert cli("--json", "list", "v").record["state"] == "stored"
    cli("delete", "v", "--yes", "--lose-files", f"--archive-id={archive_id}")
    assert not cli("--json", "inventory", "v").records


def test_archives_are_deleted_once_somebody_says_so(cli: Cli, vault: str) -> None:
    """Without a terminal and without ``--yes`` nothing happens; ids come as arguments or in a file."""
    ids = [upload_some(cli, vault, data(10, seed)) for seed in range(3)]
    refused = cli("delete", vault, "--", *ids, code=2).err
    assert "--yes" in refused
    assert "90 days" in refused
    assert len(cli("--json", "inventory", vault).records) == 3
    (cli.folder / "ids").write_text(f"{ids[0]}\n\n{ids[1]}\n")
    done = cli("--json", "delete", vault, "--yes", "--archive-ids", "ids", f"--archive-id={ids[2]}")
    assert {record["archive_id"] for record in done.records} == set(ids)
    assert all(record["deleted"] for record in done.records)
    assert not cli("--json", "inventory", vault).records
    cli("delete", vault, "--yes", f"--archive-id={ids[0]}")  # again is no error
