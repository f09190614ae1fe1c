# ruff: noqa: ASYNC240  # a test may block on small files of its own
"""One worker process as its parent sees it: silent, dead, none at all, and without secrets."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import anyio
import psutil
import pytest

from aioglacier.core.errors import WorkerDiedError
from aioglacier.transfer.hashing import worker_process as workerprocess
from aioglacier.transfer.hashing.workers import open_hasher
from tests.transfer.hashing.conftest import hash_with, pids

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.slow
async def test_a_frozen_worker_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that says nothing for too long is killed, and its job done by another."""
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        (pid,) = pids(hasher)
        monkeypatch.setattr(workerprocess, "SILENCE_SECONDS", 1.0)
        os.kill(pid, signal.SIGSTOP)
        await hash_with(hasher)
        assert not psutil.pid_exists(pid)
    assert "said nothing for 1 s" in caplog.text


async def test_three_deaths_over_one_job_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that kills every worker is given up, naming the exit code."""
    program = "print('{}', flush=True); import os; os.read(0, 1); os._exit(7)"
    monkeypatch.setattr(workerprocess, "_BOOT", program)
    async with open_hasher("processes", 1) as hasher:
        with pytest.raises(WorkerDiedError, match="3 hash workers in a row") as caught:
            await hash_with(hasher)
    assert caught.value.exit_code == 7


async def test_an_interpreter_that_is_none_makes_threads_take_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An embedding program as ``sys.executable`` costs one warning, not the upload."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with open_hasher("processes", 2) as hasher, anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(hash_with, hasher)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "hashing in threads instead" in caplog.text


@needs_proc
async def test_workers_know_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment and the command line of a worker hold nothing of ours but paths."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("MY_OWN_TOKEN", "wJalrXUtnFEMI")
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        (pid,) = pids(hasher)
        told = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
    assert all(b"wJalrXUtnFEMI" not in text for text in told)


async def test_workers_ignore_the_interrupt_of_a_terminal() -> None:
    """Ctrl-C is for the parent: a worker that gets it works on."""
    async with open_hasher("processes", 1) as hasher:
        await hash_with(hasher)
        before = pids(hasher)
        os.kill(before[0], signal.SIGINT)
        await hash_with(hasher)
        assert pids(hasher) == before
