"""Threads that store what arrives: each MiB is hashed and, while it is in the CPU's cache, written.

Parts that are sent are hashed in processes; what arrives is hashed in threads. This process has received it:
its pages are private and huge here, while each worker would map shared ones again, and no process has to be
started and talked to. Both were a tenth of the CPU time of a download of a GiB. Hashing and writing let go of
the GIL.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.treehash import combine, tree_hash

if TYPE_CHECKING:
    from concurrent.futures import Future


class StoringThreads:
    """Stores up to ``count`` slices at once, the others in the order they came. Threads start when needed."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="aioglacier-store")

    def store(self, data: memoryview, file: int, offset: int) -> Future[bytes]:
        """Begin ``store``; the future has the slice's tree hash, or an ``OSError``.

        Until then data and file are in use: a caller that leaves before awaits ``withdraw``.
        """
        return self._threads.submit(store, data, file, offset)

    def close(self) -> None:
        """End the threads; they have nothing to do any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def store(data: memoryview, file: int, offset: int) -> bytes:
    """Write bytes to a place of an open file, and return their tree hash.

    Raises:
        OSError: They cannot be written.
    """
    leaves = []
    for at in range(0, len(data), LEAF_SIZE):
        leaf = data[at : at + LEAF_SIZE]
        leaves.append(tree_hash(leaf))
        _write(leaf, file, offset + at)
    return combine(leaves)


def _write(leaf: memoryview, file: int, offset: int) -> None:
    while leaf:
        count = os.pwrite(file, leaf, offset)
        leaf = leaf[count:]
        offset += count
