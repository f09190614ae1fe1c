"""Threads that hash parts to be sent, and that hash and write the bytes that arrive.

Both release the GIL. Bytes that arrive are always stored here and not by worker processes: this process has
received them into private, huge pages, while each worker would have to map shared ones. Starting and asking
processes was a tenth of the CPU time of a download of a GiB.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.treehash import combine, tree_hash
from aioglacier.files.reading import write_at
from aioglacier.tasks.threads import wait_until_ended, withdraw

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from aioglacier.core.crc import CrcHasher
    from aioglacier.core.treehash import PartHasher

T = TypeVar("T")


class HashThreads:
    """Runs up to ``count`` functions at once, others in the order they came. Threads start when needed."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="aioglacier-hash")

    async def run(self, function: Callable[[], T], *, give_up: Callable[[], None] | None = None) -> T:
        """Call a function in a thread; if this is cancelled, it waits for the function's end first.

        ``give_up`` is called before that wait, to make it short.
        """
        call = self._pool.submit(function)
        try:
            await wait_until_ended(call)
        except asyncio.CancelledError:
            if give_up is not None:
                give_up()
            await withdraw([call])
            raise
        return call.result()

    def store(
        self, data: memoryview, file: int, offset: int, hasher: PartHasher | CrcHasher | None = None
    ) -> Future[bytes]:
        """Begin ``store``; the future has the slice's tree hash, or an ``OSError``.

        Until then data and file are in use: a caller that leaves before awaits ``withdraw``.
        """
        return self._pool.submit(store, data, file, offset, hasher)

    def close(self) -> None:
        """End the threads, which must have nothing to do any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)  # a thread may hang on a dead disk


def store(data: memoryview, file: int, offset: int, hasher: PartHasher | CrcHasher | None = None) -> bytes:
    """Write bytes to a place of an open file, and return their tree hash, or give them to ``hasher``.

    Raises:
        OSError: They cannot be written.
    """
    leaves = []
    for at in range(0, len(data), LEAF_SIZE):
        leaf = data[at : at + LEAF_SIZE]
        if hasher is None:
            leaves.append(tree_hash(leaf))
        else:
            hasher.update(leaf)
        _write(leaf, file, offset + at)  # at once: the leaf is still in the CPU's cache
    return combine(leaves) if hasher is None else b""


def _write(leaf: memoryview, file: int, offset: int) -> None:
    while leaf:
        count = write_at(file, leaf, offset)
        leaf = leaf[count:]
        offset += count
