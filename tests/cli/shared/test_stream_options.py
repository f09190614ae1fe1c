"""Streams of several archives on the command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tty
from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import MIB
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Cli:
    """The program on a local Glacier with one vault."""
    cli = Cli(tmp_path, ("--local", "glacier"))
    cli("vault", "create", "tapes")
    return cli


ROLLING = ("upload", "--roll-over", "--part-size=1MiB", "--piece-size=2MiB")


def test_the_program_takes_a_stream_there_and_brings_it_back(program: Cli, tmp_path: Path) -> None:
    """The stream goes to a file and to standard output."""
    content = os.urandom(5 * MIB)
    plan = program(*ROLLING, "--dry-run", "--json", "tapes", "-").record
    assert (plan["piece_size"], plan["at_most"]) == (2 * MIB, None)
    done = program(*ROLLING, "--json", "tapes", "-", stdin=content).record
    assert (len(done["pieces"]), done["stream_size"]) == (3, len(content))
    manifest = f"--archive-id={done['archive_id']}"
    back = program("download", "--manifest", manifest, "--json", "tapes", "back").record
    assert (back["pieces"], back["verified"]) == (3, True)
    assert (tmp_path / "back").read_bytes() == content
    assert program("download", "--manifest", manifest, "tapes", "-").out == content
    assert "3 archives" in program(*ROLLING, "tapes", "-", stdin=content).text


def test_a_bucket_takes_a_stream_and_gives_it_back(program: Cli) -> None:
    """Its manifest is the object under the key that was named; a key that is taken is refused at once."""
    content = os.urandom(9 * MIB)
    program("bucket", "create", "tapes")
    words = ("upload", "--roll-over", "--part-size=8MiB", "--piece-size=8MiB", "--storage-class=GLACIER_IR")
    assert program(*words, "--dry-run", "--json", "s3://tapes/a/all", "-").record["piece_size"] == 8 * MIB
    done = program(*words, "--json", "s3://tapes/a/all", "-", stdin=content).record
    assert (len(done["pieces"]), done["stream_size"]) == (2, len(content))
    download = ("download", "--manifest", "s3://tapes/a", "all")
    assert program(*download, "--dry-run", "--json").record["jobs"] == 0
    assert program(*download, "-").out == content
    assert "exists" in program(*words, "s3://tapes/a/all", "-", stdin=content, code=7).err


def test_the_program_goes_on_with_a_stream_that_was_killed(program: Cli, tmp_path: Path) -> None:
    """The catalog knows the stream by its name."""
    content = os.urandom(5 * MIB)
    crash = {"AIOGLACIER_CRASH_AT": "archive recorded:2"}
    program(*ROLLING, "tapes", "-", stdin=content, environment=crash, code=-signal.SIGKILL)
    error = program(*ROLLING, "--stream=0", "tapes", "-", stdin=content, code=2).err
    (name,) = re.findall(r"[0-9a-f]{16}", error)
    done = program(*ROLLING, f"--stream={name}", "--json", "tapes", "-", stdin=content).record
    program("download", "--manifest", f"--archive-id={done['archive_id']}", "tapes", "back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_stream_that_is_stopped_says_what_goes_on_with_it(program: Cli, tmp_path: Path) -> None:
    """By a signal in the middle; then from the position that a refusal names."""
    content = os.urandom(5 * MIB)
    with subprocess.Popen(
        [sys.executable, "-m", "aioglacier", "--local", "glacier", *ROLLING, "tapes", "-"],
        cwd=tmp_path,
        env=program.env(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(content[: 4 * MIB + 5])
        child.stdin.write(bytes(64 * 1024))  # which the pipe takes once nearly all else has been read
        child.send_signal(signal.SIGTERM)
        said = child.stderr.read().decode()
    assert child.returncode == 143
    (name,) = re.findall(r"--stream=([0-9a-f]{16})", said)
    wrong = (*ROLLING, f"--stream={name}", "--position=7", "tapes", "-")
    refused = program(*wrong, stdin=content, code=4).err
    position = int(re.findall(r"continues at byte (\d+)", refused)[0])
    assert position % MIB == 0
    right = (*ROLLING, f"--stream={name}", f"--position={position}", "--json", "tapes", "-")
    done = program(*right, stdin=content[position:]).record
    manifest = ("download", "--manifest", f"--archive-id={done['archive_id']}", "tapes", "-")
    assert program(*manifest).out == content


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs a terminal that fails reads once its end is closed"
)
def test_a_stream_that_cannot_be_read_is_named_and_can_be_continued(program: Cli) -> None:
    """A read of standard input fails after 3 MiB; the printed command continues the stream."""
    content = os.urandom(5 * MIB)
    reading, writing = os.openpty()
    tty.setraw(writing)
    with (
        open(reading, "rb", buffering=0) as source,  # noqa: PTH123
        open(writing, "wb") as end,  # noqa: PTH123
        program.started(*ROLLING, "tapes", "-", stdin=source, stderr=subprocess.PIPE) as run,
    ):
        end.write(content[: 3 * MIB])
        end.close()
        _, err = run.communicate(timeout=40)
    error = program.judge(run.returncode, b"", err or b"", code=1).err
    assert "'standard input' cannot be read: Input/output error" in error
    (name,) = re.findall(r"--stream=([0-9a-f]{16})", error)
    done = program(*ROLLING, f"--stream={name}", "--json", "tapes", "-", stdin=content).record
    manifest = ("download", "--manifest", f"--archive-id={done['archive_id']}", "tapes", "-")
    assert program(*manifest).out == content


@pytest.mark.parametrize(
    "words",
    [
        ("upload", "--roll-over", "tapes", "a", "b"),
        ("upload", "--roll-over", "--position=5", "tapes", "-"),
        ("upload", "--piece-size=5MiB", "tapes", "-"),
        ("upload", "--roll-over", "--overwrite", "s3://tapes/a", "-"),
        ("download", "--manifest", "--no-wait", "--archive-id=" + "a" * 138, "tapes", "back"),
    ],
)
def test_options_that_do_not_go_together_are_refused(program: Cli, words: tuple[str, ...]) -> None:
    """They are refused before anything is read."""
    program(*words, stdin=b"", code=2)
