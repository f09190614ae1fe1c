"""Signals and crashes: what is left is whole, and the same command goes on."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, data, faulty, hang, sent, struck, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PARTS = 12
SIZE = PARTS * MIB - 5

#: A part above 16 MiB is hashed by a worker process, so each of these uploads has one.
WORKED_PARTS: Final = ("--part-size", "32MiB")
WORKED_SIZE: Final = 48 * MIB + 5


def go_on(cli: Cli, told: str) -> list[dict[str, Any]]:
    """Run the command that a message names, and return its records."""
    match = re.search(r"^to go on: aioglacier (.*)$", told, re.MULTILINE)
    assert match
    arguments = shlex.split(match[1])
    bare = Cli(cli.folder, (), cli.environment)  # the command says by itself where the vaults are
    return bare("--json", *arguments).records


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_an_upload(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It ends with its own exit code, and with a command that sends only the rest."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            stopped = cli.stop(process, number, code=code)
        assert number.name in stopped.err
        go_on(cli, stopped.err)
        assert sent(cli) == 0


def test_a_signal_during_an_upload_with_workers(tmp_path: Path) -> None:
    """It ends at once with what was sent kept, no process left, and a command that sends only the rest."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {32 * MIB}-"), size=WORKED_SIZE) as cli:
        with cli.loaded("upload", "v", "big", *WORKED_PARTS) as process:
            wait_for(lambda: sent(cli) >= 1 or process.poll() is not None)
            workers = psutil.Process(process.pid).children(recursive=True)
            assert workers
            stopped = cli.stop(process, signal.SIGINT, code=130)
        assert "SIGINT" in stopped.err
        assert f"{32 * MIB:,} bytes of it kept by the service" in stopped.err  # all parts but the hung one
        assert not stopped.out
        assert not any(worker.is_running() for worker in workers)
        assert sent(cli) == 1
        (archive,) = go_on(cli, stopped.err)
        assert archive["tree_hash"] == tree_hash(data(WORKED_SIZE)).hex()
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """The first signal waits for the service, the second does not."""
    hanging = [hang("UploadMultipartPart", "bytes 1048576-"), hang("AbortMultipartUpload")]
    with (
        faulty(tmp_path, *hanging) as cli,
        cli.started("upload", "v", "-", "--part-size", "1MiB", stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(data(2 * MIB))
        process.stdin.flush()
        wait_for(lambda: sent(cli) >= 1)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130  # the service would take a minute


def test_a_clean_stop_is_given_ten_seconds(tmp_path: Path) -> None:
    """A service that does not answer does not hold the program up for longer."""
    hanging = [hang("UploadMultipartPart", "bytes 1048576-"), hang("AbortMultipartUpload")]
    with (
        faulty(tmp_path, *hanging) as cli,
        cli.started("--json", "upload", "v", "-", "--part-size", "1MiB", stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(data(2 * MIB))
        process.stdin.flush()
        wait_for(lambda: sent(cli) >= 1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)  # the service would take a minute
        assert cli.judge(process.returncode, b"", err, 143).error["error"] == "Stopped"


def test_a_signal_during_a_pipe_leaves_no_upload(tmp_path: Path) -> None:
    """Standard input cannot be read again, so its upload is aborted."""
    with (
        faulty(tmp_path) as cli,
        cli.started("--json", "upload", "v", "-", "--part-size", "1MiB", stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(data(3 * MIB))
        process.stdin.flush()
        wait_for(lambda: sent(cli) >= 2)
        error = cli.stop(process, signal.SIGINT, code=130).error
        assert error["resume"] is None
        assert sent(cli) == 0


def test_a_signal_during_a_download(tmp_path: Path) -> None:
    """The target does not appear; what was verified is kept; the same command ends it."""
    truncated = {"operation": "GetJobOutput", "kind": "truncate", "after_bytes": MIB, "seconds": 60}
    with faulty(tmp_path, truncated) as cli:
        archive_id = cli("--json", "upload", "v", "big").record["archive_id"]
        with cli.started("download", "v", f"--archive-id={archive_id}", "back") as process:
            # A fault that had not struck yet would wait for the second run.
            wait_for(lambda: struck(cli) == 1 and (tmp_path / ".back.aioglacier.journal").exists())
            stopped = cli.stop(process, signal.SIGINT, code=130)
        assert not (tmp_path / "back").exists()
        go_on(cli, stopped.err)
        assert (tmp_path / "back").read_bytes() == data(SIZE)
        assert len(cli("--json", "jobs", "list", "v").records) == 1


def test_a_kill_loses_nothing_that_was_sent(tmp_path: Path) -> None:
    """After SIGKILL the same command finds the upload by itself, and nothing is left running."""
    command = ("upload", "v", "big", *WORKED_PARTS)
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {32 * MIB}-"), size=WORKED_SIZE) as cli:
        with cli.started(*command) as process:
            wait_for(lambda: sent(cli) >= 1)
            workers = psutil.Process(process.pid).children(recursive=True)
            assert workers
            process.kill()
            process.wait(30)
            wait_for(lambda: not any(worker.is_running() for worker in workers), seconds=2)
        done = cli(*command)
        assert "going on" in done.err
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


def test_a_signal_during_hashing(bare: Cli) -> None:
    """A command without an event loop stops as well."""
    with (bare.folder / "large").open("wb") as file:
        file.truncate(20 << 30)  # no bytes on disk, and ten seconds of hashing at the least
    with bare.started("tree-hash", "large") as process:
        wait_for(lambda: len(psutil.Process(process.pid).threads()) > 1)
        assert "SIGINT" in bare.stop(process, signal.SIGINT, code=130).err


#: Runs the program, which signals itself at the first such event of the interpreter.
SIGNALLED = """
import os, signal, sys
event, name = sys.argv[1:3]
del sys.argv[1:3]

def strike(what, arguments):
    global event
    if what == event and name in ("", str(arguments[0])):
        event = None
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(strike)
from aioglacier.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("event", "name", "code"),
    [
        ("import", "aioglacier.cli.program.stopping", -signal.SIGTERM),  # nothing listens yet
        ("import", "click", 143),
        ("import", "aioglacier.cli.program.main", 143),
        ("import", "aiohttp", 143),
        ("import", "aioglacier.gateway.http.wire", 143),
        ("sqlite3.connect", "", 143),
        ("socket.connect", "", 143),
    ],
)
def test_a_signal_at_any_moment_of_the_start(cli: Cli, vault: str, event: str, name: str, code: int) -> None:
    """Imports, opening the catalog and connecting are stopped as cleanly as everything else."""
    command = cli.command("--quiet", "download", vault, "A" * 138, "target")[3:]
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, event, name, *command],
        cwd=cli.folder,
        env=cli.env(),
        capture_output=True,
        check=False,
    )
    told = cli.judge(done.returncode, done.stdout, done.stderr, code).err
    assert ("SIGTERM" in told) == (code == 143)
