"""Readers of standard output that pause or leave."""

from __future__ import annotations

import shlex
import signal
import subprocess

from tests.cli.conftest import MIB, Cli, data


def test_a_reader_that_pauses_does_not_keep_it_from_stopping(cli: Cli, vault: str) -> None:
    """``download -`` into a pipe without a reader ends with the signal, and not with the next read."""
    archive_id = cli("--json", "upload", vault, "-", stdin=data(8 * MIB)).record["archive_id"]
    with cli.started("download", vault, "-", f"--archive-id={archive_id}") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_a_reader_that_leaves_during_a_download(cli: Cli, vault: str) -> None:
    """``download - | head`` ends quietly, as other programs end then."""
    archive_id = cli("--json", "upload", vault, "-", stdin=data(8 * MIB)).record["archive_id"]
    command = shlex.join(cli.command("--quiet", "download", vault, "-", f"--archive-id={archive_id}"))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -c 100"],
        env=cli.env(),
        capture_output=True,
        check=False,
    )
    cli.judge(done.returncode, done.stdout, done.stderr, 141)
    assert done.stdout == data(8 * MIB)[:100]
    assert not done.stderr
