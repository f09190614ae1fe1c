"""Forks of a process that has loaded a program, because loading takes most of a short run.

A run is its own process: a pid, streams, signals, an exit code and an end that waits for threads and runs
what ``atexit`` has. A fork does not show how the program loads; tests of loading, and of settings
that only a new process obeys (``LD_PRELOAD``, limits of a shell), start ``python -m aioglacier``.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import selectors
import shlex
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

#: The environment of a process that loads a program: without this machine's settings.
_ENVIRONMENT = {"HOME": "/", "LC_ALL": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}


class Fork:
    """A current run, with the interface of ``subprocess.Popen``.

    Attributes:
        returncode: Set after the end was noticed; negative for a signal.
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
    ) -> None:
        assert "LD_PRELOAD" not in env, "a fork has been loaded before"
        self.args = arguments
        self.returncode: int | Any = None
        request = {
            "arguments": list(arguments),
            "folder": os.fspath(cwd),
            "environment": dict(env),
            "is_leader": start_new_session,
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
        self._reported = b""
        while b"\n" not in self._reported:
            assert self._hear(100), "no run was begun"
        pid, _, self._reported = self._reported.partition(b"\n")
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
        """Return the exit code if the run has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the run.

        Raises:
            subprocess.TimeoutExpired: The run did not end in time.
        """
        while self.returncode is None:
            if self._reported.endswith(b"\n"):
                self.returncode = int(self._reported)
                os.close(self._fd)
            elif not self._hear(timeout):
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self.returncode

    def communicate(self, given: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Write the rest of the input, which must fit into a pipe, read all output, and wait for the end.

        Raises:
            subprocess.TimeoutExpired: The run did not end in time; its output is lost.
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
        """Send the run a signal unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the run."""
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout: float | None) -> bool:
        """Read the next report on the run, if one arrives in time."""
        watch = select.poll()  # select cannot handle descriptors from 1024 on
        watch.register(self._fd, select.POLLIN)
        if not watch.poll(None if timeout is None else timeout * 1000):
            return False
        block = os.read(self._fd, 100)
        assert block, "the process that forks has ended"
        self._reported += block
        return True


#: A run: a fork or a process.
Running: TypeAlias = "subprocess.Popen[bytes] | Fork"


class Forks:
    """A process that has loaded a program, for all processes of one run of the tests.

    The first that needs it starts it; it ends with the run.

    Args:
        name: The program, one of ``forks.PROGRAMS``. Warnings are errors in ours.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Workers of xdist share one, because to load a program takes seconds.
        owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        address = f"\0aioglacier-tests-{owner}-{name}"  # abstract, so that no file is left
        self._ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        while True:
            with suppress(ConnectionRefusedError):
                self._ours.connect(address)
                atexit.register(self._ours.close)
                return
            # An error of bind: another test process is about to listen.
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(address)
                listener.listen()
                _begin(name, listener, owner)

    def start(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], **settings: Any) -> Fork:
        """Begin a run; the settings are those of ``subprocess.Popen``."""
        return Fork(self._ours, arguments, cwd=cwd, env=env, **settings)

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        """Run the program to its end within two minutes; return the exit code and both outputs."""
        with TemporaryFile() as out, TemporaryFile() as err:
            streams = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err}
            with self.start(arguments, cwd=cwd, env=env, **streams) as run:
                assert run.stdin is not None
                with suppress(BrokenPipeError):
                    run.stdin.write(stdin)
                    run.stdin.close()
                code = run.wait(120)
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()

    def install(self, folder: Path) -> int:
        """Write a command that runs the program; a shell that finds it there must inherit this descriptor."""
        fd = self._ours.fileno()
        script = Path(__file__).with_name("forked.py")
        words = shlex.join([sys.executable, "-I", "-S", str(script), str(fd), self._name])
        path = folder / self._name
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o755)
        return fd


@cache
def forks(name: str = "aioglacier") -> Forks:
    """Return the only such process of this run of the tests."""
    return Forks(name)


def _begin(name: str, listener: socket.socket, owner: int) -> None:
    """Start the process that loads a program; nothing waits for its end, which is that of its owner."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "PYTHONPATH") if name in os.environ}
    options = ["-W", "error"] if name == "aioglacier" else []
    script = str(Path(__file__).with_name("forks.py"))
    os.set_inheritable(listener.fileno(), True)
    command = [sys.executable, *options, script, name, str(listener.fileno()), str(owner)]
    os.posix_spawn(sys.executable, command, {**_ENVIRONMENT, **kept})


def _open_stream(setting: Any, theirs: list[int], *, is_input: bool = False) -> IO[bytes] | None:
    """Append a descriptor for the run; return our end if it is a pipe."""
    if setting == subprocess.PIPE:
        inner, outer = os.pipe() if is_input else reversed(os.pipe())
        theirs.append(inner)
        return os.fdopen(outer, "wb" if is_input else "rb")
    if setting == subprocess.DEVNULL:
        theirs.append(os.open(os.devnull, os.O_RDWR))
    else:
        theirs.append(os.dup(setting if isinstance(setting, int) else setting.fileno()))
    return None
