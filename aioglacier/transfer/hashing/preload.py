"""Hash workers that are started before there is anyone to use them.

A worker takes 15 ms to start, and a command that uploads needs a fifth of a second before it has bytes to
hash: for what it loads meanwhile it can use one core only. So the command line starts a few on another one,
as soon as it knows that they will be needed, and the next hasher that is opened takes them over. Those that
nobody takes are ended.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aioglacier.transfer.hashing.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

_started: list[WorkerProcess] = []


@contextmanager
def workers_started_ahead(count: int) -> Iterator[None]:
    """Start workers for a hasher that is opened in the block; where that fails, the hasher will tell."""
    if sys.executable and not getattr(sys, "frozen", False):
        with suppress(OSError):
            _started.extend(WorkerProcess.launch() for _ in range(count))
    try:
        yield
    finally:
        while _started:
            _started.pop().end()


def take_started(most: int) -> list[WorkerProcess]:
    """The workers that were started ahead, which are the caller's now; surplus ones are left."""
    taken = _started[:most]
    del _started[:most]
    return taken
