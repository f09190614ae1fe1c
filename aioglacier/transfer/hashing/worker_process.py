"""One hash worker, as its parent sees it: a child process at the other end of a socket.

A socket, and not asyncio's pipes: those cost several steps of the loop for each line, and on Python 3.11 a
task that is cancelled while asyncio starts a process may wait for the end of that for ever.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import anyio

from aioglacier.core.treehash import NATIVE_SWITCH
from aioglacier.tasks.threads import run_in_thread

#: A worker reports every second while bytes move. A minute without a word is a frozen process or a dead disk.
SILENCE_SECONDS: Final = 60.0

#: A worker that has closed its end of the socket is about to be gone.
_LAST_SECONDS: Final = 5.0

# An answer is three hex strings, and 4 GiB have 4,096 leaves.
_MAX_ANSWER_SIZE: Final = 1024 * 1024
_READ_SIZE: Final = 64 * 1024

# The folder that holds the package comes last: whatever else lies in it must not stand in for the standard
# library. Loading the package itself loads nothing more (see its __init__).
_FOLDER: Final = Path(__file__).resolve().parents[3]
_BOOT: Final = (
    "import sys; _, parent, folder = sys.argv; sys.path.append(folder); "
    "from aioglacier.transfer.hashing import worker; worker.main(int(parent))"
)


class CannotStartError(Exception):
    """The system refuses another process, or memory shared with it."""


class WorkerLostError(Exception):
    """A worker died, or was killed because it said nothing."""

    def __init__(self, what: str, exit_code: int | None) -> None:
        super().__init__(what)
        self.exit_code = exit_code


class WorkerProcess:
    """One worker process, given one job at a time.

    Attributes:
        pid: Its process id.
        mapped: The serials of the buffers that it has mapped.
    """

    def __init__(self, process: subprocess.Popen[bytes], link: socket.socket) -> None:
        self._process = process
        self._link = link
        self._received = bytearray()
        self.pid = process.pid
        self.mapped: set[int] = set()

    @classmethod
    def launch(cls) -> WorkerProcess:
        """Start a process and do not wait for it; takes 2 ms.

        Raises:
            OSError: It cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603  # this interpreter, on this package
                    [sys.executable, "-I", "-S", "-c", _BOOT, str(os.getpid()), str(_FOLDER)],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    start_new_session=True,
                    env=_environment(),
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        return cls(process, ours)

    async def wait_until_ready(self) -> None:
        """Wait until the process says that it is ready.

        Raises:
            CannotStartError: It ended, or said nothing for a minute.
        """
        try:
            await self._next_line()
        except (TimeoutError, ValueError) as error:
            raise CannotStartError(f"{sys.executable} does not say that it is ready") from error
        except OSError as error:
            raise CannotStartError(f"{sys.executable} ended with exit code {await self._end()}") from error

    @property
    def has_spoken(self) -> bool:
        """Whether it has sent something, or has closed its end."""
        try:
            self._link.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    @property
    def is_alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    async def exchange(self, request: bytes) -> dict[str, Any]:
        """Send one job and wait for its answer, passing over the reports that it is still at work.

        Raises:
            WorkerLostError: The process died, or said nothing for a minute.
        """
        try:
            with anyio.fail_after(SILENCE_SECONDS):
                await asyncio.get_running_loop().sock_sendall(self._link, request)
            while "done" in (answer := await self._next_line()):
                pass  # still at work
        except TimeoutError:
            raise WorkerLostError(f"said nothing for {SILENCE_SECONDS:.0f} s", None) from None
        except OSError:
            exit_code = await self._end()
            raise WorkerLostError(f"died with exit code {exit_code}", exit_code) from None
        return answer

    async def _next_line(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        with anyio.fail_after(SILENCE_SECONDS):
            while (end := self._received.find(b"\n")) < 0:
                data = await loop.sock_recv(self._link, _READ_SIZE)
                if not data or len(self._received) > _MAX_ANSWER_SIZE:
                    raise ConnectionResetError  # or no answer at all
                self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _end(self) -> int:
        """Return the exit code of a process that has closed its end; kill it if it stays."""
        with anyio.CancelScope(shield=True):
            try:
                return await run_in_thread(lambda: self._process.wait(_LAST_SECONDS))
            except subprocess.TimeoutExpired:
                self.kill()
                return await run_in_thread(self._process.wait)
        raise AssertionError  # nothing cancels a shielded scope

    def kill(self) -> None:
        """Kill the process and close the socket."""
        self._link.close()
        if self.is_alive:
            self._process.kill()

    async def aclose(self) -> None:
        """Kill the process and wait until it is gone, which takes the system about a millisecond."""
        self.kill()
        with anyio.CancelScope(shield=True):
            await run_in_thread(self._process.wait)


def _environment() -> dict[str, str]:
    """Return the variables that the system needs; all others may hold credentials."""
    names = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", NATIVE_SWITCH)
    return {name: os.environ[name] for name in names if name in os.environ}
