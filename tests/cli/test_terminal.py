"""The view at a terminal: progress, questions, and a cursor that comes back."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, Cli, data, faulty, hang, sent, wait_for
from tests.cli.test_signals import PARTS, go_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.forking import Fork


pytestmark = pytest.mark.slow

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal, and what it has shown so far."""

    def __init__(self, process: Fork, fd: int) -> None:
        self.process = process
        self.raw = ""
        self._fd = fd

    @property
    def text(self) -> str:
        """Return the shown text, without the escapes."""
        return _ESCAPES.sub("", self.raw)

    def shows(self, pattern: str) -> bool:
        """Return whether it has shown something like this."""
        self._read()
        return re.search(pattern, self.text) is not None

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def end(self, code: int) -> str:
        """Wait for its end; returns all it has shown."""
        give_up = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < give_up, self.raw
            self._read()
        self._read()
        assert "Traceback" not in self.raw
        assert self.process.returncode == code, self.raw
        return self.text

    def _read(self) -> None:
        while select.select([self._fd], [], [], 0.05)[0]:
            try:
                block = os.read(self._fd, 65536)
            except OSError:
                return  # the program has let go of its end
            if not block:
                return
            self.raw += block.decode(errors="replace")


@contextmanager
def on_terminal(
    cli: Cli, *arguments: str, stdin: IO[bytes] | None = None, stdout: int | None = None, columns: int = 120
) -> Iterator[Terminal]:
    """Start the program with a terminal for its streams, but for those that are given."""
    outer, inner = pty.openpty()
    try:
        settings = {
            "stdin": inner if stdin is None else stdin,
            "stdout": inner if stdout is None else stdout,
            "stderr": inner,
        }
        env = {**cli.env(), "TERM": "xterm-256color", "COLUMNS": str(columns)}
        with cli.started(*arguments, env=env, start_new_session=True, **settings) as process:
            os.close(inner)
            inner = -1
            yield Terminal(process, outer)
    finally:
        os.close(outer)
        if inner >= 0:
            os.close(inner)


def test_an_upload_shows_its_progress(tmp_path: Path) -> None:
    """Bytes, rate, parts in flight; stopped by a signal, it gives the cursor back and says how to go on."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        with on_terminal(cli, "upload", "v", "big", "--part-size", "1MiB") as terminal:
            wait_for(
                lambda: terminal.shows(r"of 12\.0 MiB, .* MB/s, .* left, 1 in flight"),
                otherwise=lambda: terminal.text[-2000:],
            )
            assert terminal.shows("big")
            terminal.process.send_signal(signal.SIGINT)
            shown = terminal.end(130)
        assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")
        go_on(cli, shown.replace("\r", ""))
        assert sent(cli) == 0


def test_a_resume_says_what_it_does(tmp_path: Path) -> None:
    """It shows that it checks what was sent before, while no byte moves."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-")) as cli:
        with cli.started("upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(lambda: sent(cli) == PARTS - 1)
            process.kill()  # a signal would wait for the last part
            process.communicate(timeout=10)
        with on_terminal(cli, "upload", "v", "big", "--part-size", "1MiB") as terminal:
            shown = terminal.end(0)
        assert "going on with the upload begun" in shown
        assert "checking the parts sent" in shown
        assert "big: 12.0 MiB in" in shown


def test_nothing_moves_where_nobody_looks(cli: Cli, vault: str) -> None:
    """With standard error in a pipe, or with ``--quiet``, there is no progress at all."""
    (cli.folder / "file").write_bytes(data(3 * MIB))
    assert not cli("upload", vault, "file", "--part-size", "1MiB").err
    with on_terminal(cli, "--quiet", "upload", vault, "file", "--part-size", "1MiB") as terminal:
        terminal.end(0)
    assert "\x1b" not in terminal.raw
    assert "in flight" not in terminal.raw


def test_an_error_under_a_progress_bar_keeps_its_code(cli: Cli) -> None:
    """An error while the bar is shown is printed as anywhere else."""
    (cli.folder / "file").write_bytes(data(3 * MIB))
    with on_terminal(cli, "upload", "nowhere", "file", "--part-size", "1MiB") as terminal:
        assert "Vault not found" in terminal.end(7)


def test_a_deletion_is_asked_for(cli: Cli, vault: str) -> None:
    """No is no, and yes is yes; the question tells the charge."""
    archive_id = cli("--json", "upload", vault, "-", stdin=b"1").record["archive_id"]
    for answer, code in (("n\n", 1), ("y\n", 0)):
        with on_terminal(cli, "delete", vault, f"--archive-id={archive_id}") as terminal:
            wait_for(lambda: terminal.shows(r"(?s)90 days.*\[y/N\]"))  # it ends with this turn
            terminal.type(answer)
            terminal.end(code)
    assert not cli("--json", "inventory", vault).records


def test_a_signal_at_a_question_is_a_stop(cli: Cli, vault: str) -> None:
    """Ctrl-C instead of an answer: exit 130, and nothing done."""
    with on_terminal(cli, "delete", vault, "--archive-id=" + "A" * 138) as terminal:
        wait_for(lambda: terminal.shows(r"\[y/N\]"))
        terminal.process.send_signal(signal.SIGINT)
        assert re.search(r"\[y/N\]: \s*\naioglacier: stopped", terminal.end(130))


def test_a_signal_at_a_question_about_money_is_a_stop(cli: Cli, vault: str) -> None:
    """Also where the question comes while a connection is open, Ctrl-C ends at once and nothing is done."""
    (cli.folder / "file").write_bytes(b"archived")
    archive_id = cli("--json", "upload", vault, "file").record["archive_id"]
    words = ["download", vault, f"--archive-id={archive_id}", "target", "--tier=Expedited"]
    with on_terminal(cli, *words) as terminal:
        wait_for(lambda: terminal.shows(r"(?s)USD.*\[y/N\]"))
        terminal.process.send_signal(signal.SIGINT)
        terminal.end(130)
    assert not cli("--json", "jobs", "list", vault).records


def lines(shown: str) -> list[str]:
    """Return the successive states of the progress line."""
    return [_ESCAPES.sub("", each) for each in re.split(r"[\r\n]+", shown)]


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("source", ["big", "-"])
def test_progress_fits_one_line(tmp_path: Path, columns: int, source: str) -> None:
    """Bytes and rate can be read, nothing is wider than the terminal, and nothing wraps; also in a resume."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {5 * MIB}-", count=None)) as cli:
        # Of the part that hangs the kernel takes all or nearly all.
        size = r"1[12]\.\d MiB of 12\.0 MiB" if source == "big" else r"1[12]\.\d MiB"
        for rate in (r", +\d+(\.\d)? MB/s", ""):  # a resume has nothing to send but what hangs
            with (
                subprocess.Popen(["cat", "big"], cwd=tmp_path, stdout=subprocess.PIPE) as cat,
                on_terminal(
                    cli,
                    *("upload", "v", source, "--part-size", "1MiB"),
                    stdin=cat.stdout if source == "-" else None,
                    columns=columns,
                ) as terminal,
            ):
                assert cat.stdout is not None
                cat.stdout.close()
                wait_for(
                    lambda: terminal.shows(size + rate),  # noqa: B023  # it ends with this turn
                    otherwise=lambda: terminal.raw[-2000:],
                )
                terminal.process.send_signal(signal.SIGINT)
                terminal.end(130)
            moving = terminal.raw[: terminal.raw.rindex("\x1b[?25h")]
            assert "\x1b[1A" not in moving[: moving.rindex(" MiB")]
            assert max(len(each) for each in lines(moving) if "MiB" in each) <= columns
            assert not rate or ("left" in moving) == (source == "big" and columns == 80)
            assert source == "-" or columns < 80 or "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in moving
