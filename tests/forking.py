"""Runs of a program as forks of a process that has loaded it, since loading it takes most of a short run.

A run is a process of its own with all that belongs to one: a pid, streams, signals, an exit code and, unless
it is only run for what it says, an interpreter that ends as usual. What it does not show is how the program
loads; tests of that, and of what only a new process obeys (``LD_PRELOAD``, limits of a shell), start
``python -m aioglacier``.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

#: What a process is made with that loads a program: nothing of this machine's settings.
_ENVIRONMENT = {"HOME": "/", "LC_ALL": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}


class Fork:
    """A run that is going on, and may be treated like a ``subprocess.Popen``.

    Attributes:
        returncode: Once somebody has asked and it has ended; negative for a signal.
    """

    def __init__(
        self,
        control: socket.socket,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        start_new_session: bool = False,
        ends_properly: bool = True,
    ) -> None:
        assert "LD_PRELOAD" not in env, "a fork has been loaded before"
        self.args = arguments
        self.returncode: int | Any = None
        request = {
            "arguments": list(arguments),
            "folder": os.fspath(cwd),
            "environment": dict(env),
            "is_leader": start_new_session,
            "ends_properly": ends_properly,
        }
        theirs: list[int] = []
        try:
            self.stdin = _open_stream(stdin, theirs, is_input=True)
            self.stdout = _open_stream(stdout, theirs)
            self.stderr = _open_stream(stderr, theirs)
            self._fd, told = os.pipe()
            theirs.append(told)
            socket.send_fds(control, [json.dumps(request).encode()], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        self._told = b""
        while b"\n" not in self._told:
            assert self._hear(60), "no run was begun"
        pid, _, self._told = self._told.partition(b"\n")
        self.pid = int(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: It did not come in time.
        """
        while self.returncode is None:
            if self._told.endswith(b"\n"):
                self.returncode = int(self._told)
                os.close(self._fd)
            elif not self._hear(timeout):
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self.returncode

    def communicate(self, given: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Give it the rest of its input, which must fit into a pipe, read all it says, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: It did not come in time; what was read is lost.
        """
        give_up = time.monotonic() + (3600 if timeout is None else timeout)
        if self.stdin is not None and not self.stdin.closed:
            with suppress(BrokenPipeError):
                self.stdin.write(given)
                self.stdin.close()
        said: dict[IO[bytes], bytes] = {
            stream: b"" for stream in (self.stdout, self.stderr) if stream is not None and not stream.closed
        }
        with selectors.DefaultSelector() as selector:
            for stream in said:
                selector.register(stream, selectors.EVENT_READ, stream)
            while selector.get_map():
                ready = selector.select(max(0, give_up - time.monotonic()))
                if not ready:
                    raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
                for key, _ in ready:
                    block = key.data.read1(1 << 16)
                    said[key.data] += block
                    if not block:
                        selector.unregister(key.fileobj)
                        key.data.close()
        self.wait(max(0, give_up - time.monotonic()))
        out, err = (b"" if stream is None else said.get(stream, b"") for stream in (self.stdout, self.stderr))
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout: float | None) -> bool:
        """Take what is told of the run, if anything is in time."""
        watch = select.poll()  # select knows no descriptors from 1024 on
        watch.register(self._fd, select.POLLIN)
        if not watch.poll(None if timeout is None else timeout * 1000):
            return False
        block = os.read(self._fd, 100)
        assert block, "nobody watches the run any more"
        self._told += block
        return True


#: A run of either kind.
Running: TypeAlias = "subprocess.Popen[bytes] | Fork"


class Forks:
    """A process that has loaded a program.

    Args:
        name: The program, one of ``forks.PROGRAMS``. Warnings are errors in ours.
    """

    def __init__(self, name: str) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "PYTHONPATH") if name in os.environ}
        options = ["-W", "error"] if name == "aioglacier" else []
        command = [sys.executable, *options, str(Path(__file__).with_name("forks.py")), name]
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())], pass_fds=[theirs.fileno()], env={**_ENVIRONMENT, **kept}
            )

    def start(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], **settings: Any) -> Fork:
        """Begin a run; the settings are those of ``subprocess.Popen``, and ``ends_properly``."""
        return Fork(self._ours, arguments, cwd=cwd, env=env, **settings)

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        """Run to the end of the program, within two minutes; returns the exit code and both outputs."""
        with TemporaryFile() as out, TemporaryFile() as err:
            streams = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err}
            with self.start(arguments, cwd=cwd, env=env, ends_properly=False, **streams) as run:
                assert run.stdin is not None
                with suppress(BrokenPipeError):
                    run.stdin.write(stdin)
                    run.stdin.close()
                code = run.wait(120)
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.wait(10)


@cache
def forks(name: str = "aioglacier") -> Forks:
    """The one such process of this one."""
    found = Forks(name)
    atexit.register(found.close)
    return found


def _open_stream(setting: Any, theirs: list[int], *, is_input: bool = False) -> IO[bytes] | None:
    """Append a descriptor for the run; returns our end, if it is a pipe."""
    if setting == subprocess.PIPE:
        inner, outer = os.pipe() if is_input else reversed(os.pipe())
        theirs.append(inner)
        return os.fdopen(outer, "wb" if is_input else "rb")
    if setting == subprocess.DEVNULL:
        theirs.append(os.open(os.devnull, os.O_RDWR))
    else:
        theirs.append(os.dup(setting if isinstance(setting, int) else setting.fileno()))
    return None
