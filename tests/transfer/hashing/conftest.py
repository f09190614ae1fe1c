"""Jobs for workers, and the workers that did them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aioglacier.core.treehash import hash_part
from aioglacier.files.reading import FileIdentity
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom
from tests.transfer.conftest import DATA, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.workers import Hasher

#: Above what is hashed in a thread in any case.
SIZE = MIB + 1


@contextmanager
def filled(buffer: PartBuffer, data: bytes) -> Iterator[PartBuffer]:
    """A buffer that holds some bytes."""
    buffer.view[: len(data)] = data
    yield buffer
    buffer.close()


async def hash_with(hasher: Hasher, data: bytes = DATA[:SIZE]) -> None:
    """Have bytes hashed, and compare."""
    with filled(hasher.make_memory(len(data)), data) as buffer:
        assert await hasher.run(PartJob(len(data)), buffer) == hash_part(data)


def pids(hasher: Hasher) -> list[int]:
    """The processes of the workers that have nothing to do."""
    return [worker.pid for worker in hasher._idle]


def place_of(path: Path, offset: int = 0) -> ReadFrom:
    """Return the place to read a file as it is now."""
    return ReadFrom(str(path), offset, FileIdentity.of(path.stat()))
