"""Workers in programs of their own: they never outlive their parent, and never run its code."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: Two workers have done a job each; then the program does ``ENDING``.
PROGRAM = """
import anyio, os, time
print("user code", flush=True)
from aioglacier.transfer.hashing.part_job import PartJob
from aioglacier.transfer.hashing.workers import open_hasher

SIZE = (16 << 20) + 1  # what no thread is given

async def main():
    async with open_hasher("processes", 2) as hasher:
        buffers = [hasher.make_memory(SIZE) for _ in range(2)]
        async with anyio.create_task_group() as tasks:
            for buffer in buffers:
                tasks.start_soon(hasher.run, PartJob(SIZE), buffer)
        ENDING

anyio.run(main)
"""

WAIT = """
        child = os.fork() if FORK else 0
        if FORK and not child:
            time.sleep(60)
            os._exit(0)
        print(child, *(worker.pid for worker in hasher._idle), flush=True)
        await anyio.sleep_forever()
"""


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie that its parent has not waited for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("fork", [False, True], ids=["alone", "forked"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_leave_with_their_parent(number: signal.Signals, *, fork: bool) -> None:
    """The workers end with the parent, whatever kills it, even while a child of it keeps the pipes open."""
    text = PROGRAM.replace("ENDING", WAIT.strip()).replace("FORK", str(fork))
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(text.encode())
        program.stdin.close()
        assert program.stdout.readline() == b"user code\n"
        child, *workers = (int(word) for word in program.stdout.readline().split())
        assert len(workers) == 2
        program.send_signal(number)
        program.wait()
        due = time.monotonic() + 10
        while any(is_running(pid) for pid in workers) and time.monotonic() < due:
            time.sleep(0.02)
        left = [pid for pid in workers if is_running(pid)]
        if fork:
            os.kill(child, signal.SIGKILL)
    assert not left


@pytest.mark.parametrize("way", ["-", "file"])
def test_a_program_without_a_main_guard_runs_once(way: str, tmp_path: Path) -> None:
    """Workers never import the program they belong to, so it needs no guard, nor even a file."""
    text = PROGRAM.replace("ENDING", "pass")
    path = tmp_path / "program.py"
    path.write_text(text)
    answer = subprocess.run(
        [sys.executable, "-" if way == "-" else str(path)],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b"user code\n"
    assert answer.stderr == b""


def test_a_worker_whose_answer_nobody_reads_leaves_in_silence() -> None:
    """A parent that was killed has left an answer unread, which resets the connection under the worker."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = "import sys; from aioglacier.transfer.hashing.worker import main; main(int(sys.argv[1]))"
        worker = subprocess.Popen(
            [sys.executable, "-c", command, str(os.getpid())],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
    select.select([ours], [], [], 30)  # it has said that it is ready
    ours.close()
    _, complaints = worker.communicate(timeout=30)
    assert complaints == b""
    assert worker.returncode == 0
