"""Workers that were started before there was a hasher."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from aioglacier.core.treehash import hash_part
from aioglacier.transfer.budget.buffers import PartBuffer
from aioglacier.transfer.hashing.part_job import PartJob
from aioglacier.transfer.hashing.preload import workers_started_ahead
from aioglacier.transfer.hashing.workers import ProcessHasher, open_hasher

if TYPE_CHECKING:
    from aioglacier.transfer.hashing.workers import Hasher

DATA = os.urandom(1024 * 1024 + 1)


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


async def hash_data(hasher: Hasher) -> set[int]:
    """Have bytes hashed, and return who was idle afterwards."""
    assert isinstance(hasher, ProcessHasher)
    buffer = PartBuffer(hasher.make_memory(len(DATA)), len(DATA))
    buffer.view[:] = DATA
    try:
        assert await hasher.run(PartJob(len(DATA)), buffer) == hash_part(DATA)
    finally:
        buffer.close()
    return {worker.pid for worker in hasher._idle}


async def test_a_hasher_takes_the_workers_that_were_started_ahead() -> None:
    """No other is started while one of them is unused, and all are gone with the hasher."""
    before = children()
    with workers_started_ahead(2):
        started = children() - before
        assert len(started) == 2
        async with open_hasher("processes", 2) as hasher:
            assert await hash_data(hasher) < started
            assert children() - before == started
        assert children() == before


async def test_workers_that_nobody_takes_are_ended() -> None:
    """None where nothing was opened, and those beyond what the hasher may have."""
    before = children()
    with pytest.raises(ZeroDivisionError), workers_started_ahead(1):
        assert 1 / 0
    assert children() == before
    with workers_started_ahead(2):
        async with open_hasher("processes", 1) as hasher:
            await hash_data(hasher)
        assert len(children() - before) == 1
    assert children() == before


async def test_a_worker_that_died_before_it_was_used_is_replaced() -> None:
    """It is nobody's fault, and no reason to hash in threads."""
    before = children()
    with workers_started_ahead(1):
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        async with open_hasher("processes", 1) as hasher:
            assert len(await hash_data(hasher)) == 1
