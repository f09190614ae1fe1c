"""Standard output that is closed, full or left by its reader."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_full_disk_under_standard_output(cli: Cli, vault: str) -> None:
    """A record that cannot be written is an error, and is shown on standard error instead of lost."""
    with (
        Path("/dev/full").open("wb") as full,
        cli.started("--json", "vault", "show", vault, stdout=full) as process,
    ):
        _, err = process.communicate(timeout=20)
    done = cli.judge(process.returncode, b"", err, 1)
    assert f'"name": "{vault}"' in done.err


def test_a_reader_that_leaves_ends_a_list_quietly(cli: Cli, vault: str) -> None:
    """``| head`` is no error of a list, and says nothing."""
    command = shlex.join(cli.command("vault", "show", vault))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | true"], env=cli.env(), capture_output=True, check=False
    )
    cli.judge(done.returncode, done.stdout, done.stderr, 0)
    assert not done.stderr


def test_closed_streams_do_no_harm(bare: Cli) -> None:
    """It does its work without them; only that its result went nowhere is an error."""
    (bare.folder / "file").write_bytes(b"")
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        command = shlex.join(bare.command("tree-hash", "file"))
        done = subprocess.run(
            ["sh", "-c", f"{command} {closed}"],
            env=bare.env(),
            cwd=bare.folder,
            capture_output=True,
            check=False,
        )
        bare.judge(done.returncode, done.stdout, done.stderr, 1 if closed.startswith(">") else 0)


def test_a_standard_output_that_is_closed(cli: Cli, vault: str) -> None:
    """The archive's id goes to standard error, and the exit code shows the trouble."""
    (cli.folder / "file").write_bytes(b"archived")
    command = shlex.join(cli.command("--json", "upload", vault, "file"))
    done = subprocess.run(
        ["bash", "-c", f"{command} >&-"], cwd=cli.folder, env=cli.env(), capture_output=True, check=False
    )
    told = cli.judge(done.returncode, done.stdout, done.stderr, 1).err.splitlines()
    archive_id = json.loads(told[0])["archive_id"]
    assert "closed" in told[1]
    assert cli("--json", "inventory", vault).record["archive_id"] == archive_id
    command = shlex.join(cli.command("download", vault, "-", f"--archive-id={archive_id}"))
    done = subprocess.run(["bash", "-c", f"{command} >&-"], env=cli.env(), capture_output=True, check=False)
    assert "standard output is closed" in cli.judge(done.returncode, b"", done.stderr, 1).err
