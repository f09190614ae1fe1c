"""Signals and crashes: what is left is whole, and the same command goes on."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, data, keys, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PARTS = 12
SIZE = PARTS * MIB - 5

#: A part above 16 MiB is hashed by a worker process, so each of these uploads has one.
WORKED_PARTS: Final = ("--part-size", "32MiB")
WORKED_SIZE: Final = 48 * MIB + 5


@contextmanager
def faulty(folder: Path, *faults: dict[str, Any], size: int = SIZE) -> Iterator[Cli]:
    """The program beside a server where something goes wrong, with a vault "v" and a file "big"."""
    (folder / "faults.json").write_text(json.dumps(faults))
    (folder / "big").write_bytes(data(size))
    arguments = ["glacier", "--job-delay", "0", "--inventory-lag", "0", "--faults", "faults.json"]
    with serving(Cli(folder), *arguments, is_killed=True) as url:
        cli = Cli(folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        ask(url, "PUT", "vaults/v")
        yield cli


def ask(url: str, method: str, path: str) -> Any:
    """One plain request to a server that checks no signatures."""
    headers = {"x-amz-glacier-version": "2012-06-01"}
    request = urllib.request.Request(f"{url}/-/{path}", method=method, headers=headers)  # noqa: S310  # the server's own URL
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")


def hang(operation: str, where: str = "", **more: Any) -> dict[str, Any]:
    """A fault: the first such request waits for a minute."""
    return {"operation": operation, "kind": "delay", "where": where, "seconds": 60, **more}


def sent(cli: Cli) -> int:
    """Parts that the service has of all unfinished uploads."""
    url = cli.arguments[1]
    uploads = ask(url, "GET", "vaults/v/multipart-uploads")["UploadsList"]
    names = [f"vaults/v/multipart-uploads/{upload['MultipartUploadId']}" for upload in uploads]
    return sum(len(ask(url, "GET", name)["Parts"]) for name in names)


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
            wait_for((tmp_path / ".back.aioglacier.journal").exists)
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


def left_behind(cli: Cli) -> dict[str, Any]:
    """Kill an upload in parts of 1 MiB before the last one has arrived, and return its record."""
    with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
        wait_for(lambda: sent(cli) == PARTS - 1)
        process.kill()  # a signal would wait for the last part
        process.communicate(timeout=10)
    return cli("--json", "uploads", "list", "v").record


def advised(text: str) -> list[str]:
    """The arguments of the command that a message ends with."""
    return shlex.split(text[text.rindex("aioglacier ") :].splitlines()[0])[1:]


def test_a_file_that_changed_since_is_not_gone_on_with(tmp_path: Path) -> None:
    """Exit 4, nothing sent, and what to do instead; the old upload is left alone until somebody says so."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        upload = left_behind(cli)
        (tmp_path / "big").write_bytes(data(SIZE, seed=2))
        done = cli("--json", "upload", "v", "big", "--part-size", "1MiB", code=4)
        error = done.error
        assert (error["error"], error["byte_range"]) == ("ResumeMismatchError", "0-1048575")
        assert "--restart" in error["notes"][0]
        assert error["resume"] is None
        assert advised(error["notes"][-1])[-1] == f"--upload-id={upload['upload_id']}"
        assert not done.out
        assert sent(cli) == PARTS - 1
        done = cli("--json", "upload", "v", "big", "--part-size", "1MiB", "--no-resume")
        assert done.record["tree_hash"] == tree_hash(data(SIZE, seed=2)).hex()
        assert cli("--json", "uploads", "list", "v").record == upload
        assert (upload["part_size"], upload["description"]) == (MIB, "big")
        named = f"--upload-id={upload['upload_id']}"
        assert cli("--json", "uploads", "show", "v", named).record == upload
        mismatch = cli("--json", "uploads", "resume", "v", named, "big", code=4).error
        assert (mismatch["error"], mismatch["byte_range"]) == ("ResumeMismatchError", "0-1048575")
        assert mismatch["resume"] is None
        resumed = cli("--json", "uploads", "resume", "v", named, "-", stdin=data(SIZE)).record
        assert resumed["tree_hash"] == tree_hash(data(SIZE)).hex()


def test_a_restart_forgets_the_old_upload(tmp_path: Path) -> None:
    """``--restart`` aborts the file's unfinished upload, though it could go on, and sends the file again."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        (tmp_path / "big").write_bytes(data(SIZE, seed=2))
        done = cli("upload", "v", "big", "--part-size", "1MiB", "--restart")
        assert "aborted upload" in done.err
        assert sent(cli) == 0
        assert cli("--json", "inventory", "v").record["tree_hash"] == tree_hash(data(SIZE, seed=2)).hex()
        cli("upload", "v", "big", "--restart", "--no-resume", code=2)


def test_an_upload_goes_on_with_the_part_size_it_began_with(tmp_path: Path) -> None:
    """Another is refused with both, and nothing is sent (SV-14); none takes the old one."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        error = cli("--json", "upload", "v", "big", "--part-size", "2MiB", code=4).error
        assert error["error"] == "ResumeMismatchError"
        assert "1048576 bytes, but now it is 2097152 bytes" in error["message"]
        assert "--restart" in error["notes"][0]
        other = cli("--json", "upload", "v", "big", "--description", "another", code=4).error
        assert "'big', but now it is 'another'" in other["message"]
        assert sent(cli) == PARTS - 1
        assert "going on" in cli("upload", "v", "big").err
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


def test_another_part_size_is_told_of(tmp_path: Path) -> None:
    """An upload that is not on record here may be somebody else's: it is left alone, and told of."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        elsewhere = Cli(cli.folder, (*cli.arguments, "--catalog", "other.db"), cli.environment)
        told = elsewhere("upload", "v", "big", "--part-size", "2MiB").err
        assert told.count("warning") == 1
        assert "has parts of 1048576 bytes, and 2097152 were asked for" in told
        assert sent(cli) == PARTS - 1
        Cli(cli.folder, (), cli.environment)(*advised(told))
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


def test_an_upload_begun_elsewhere_is_known_by_its_description(tmp_path: Path) -> None:
    """Without its record the same bytes under the same description go on where they stopped."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        left_behind(cli)
        elsewhere = Cli(cli.folder, (*cli.arguments, "--catalog", "other.db"), cli.environment)
        assert "going on" in elsewhere("upload", "v", "big", "--part-size", "1MiB").err
        assert sent(cli) == 0
        assert elsewhere("--json", "list", "v").record["source"] == str(tmp_path / "big")


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    """Nothing can go on with that upload, so the command that is named aborts it."""
    slow = {"operation": "UploadMultipartPart", "kind": "delay", "count": None, "seconds": 0.3}
    with faulty(tmp_path, slow) as cli:
        with cli.started("--concurrency", "1", "upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) >= 2)
            with (tmp_path / "big").open("ab") as file:
                file.write(b"more")
            out, err = process.communicate(timeout=30)
        told = cli.judge(process.returncode, out, err, 1).err
        assert "to go on" not in told
        assert "cannot be continued" in told
        Cli(cli.folder, (), cli.environment)(*advised(told))
        assert sent(cli) == 0


def test_uploads_are_aborted_by_their_ids(tmp_path: Path) -> None:
    """``uploads abort`` forgets an upload; that there is none any more is no error, and a list says so."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) >= 1)
            process.kill()  # a signal would wait for the last part
            process.communicate(timeout=10)
        (upload,) = cli("--json", "uploads", "list", "v").records
        assert cli("--json", "uploads", "abort", "v", f"--upload-id={upload['upload_id']}").record["aborted"]
        assert cli("--json", "uploads", "abort", "v", "--", upload["upload_id"]).record["aborted"]
        assert cli("uploads", "list", "v").err == "no unfinished uploads in vault v\n"
        cli("uploads", "abort", "nowhere", "--", upload["upload_id"], code=7)


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
