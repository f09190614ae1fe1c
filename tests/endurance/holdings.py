"""The resources that this process holds, for comparison before and after."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024


@dataclass(frozen=True)
class Holdings:
    """Counts of everything that needs an owner.

    Attributes:
        descriptors: Open file descriptors.
        threads: Threads of Python.
        children: Child processes.
        tasks: Tasks of the running loop.
        segments: Names in /dev/shm that begin with ours.
        files: Names in the temporary folder that begin with ours.
        memory: Resident bytes of this process, shared ones included.
    """

    descriptors: int
    threads: int
    children: int
    tasks: int
    segments: int
    files: int
    memory: int

    @classmethod
    def now(cls) -> Holdings:
        """Count them after a garbage collection."""
        gc.collect()
        me = psutil.Process()
        shared = Path("/dev/shm")  # noqa: S108  # where the kernel shows them
        return cls(
            descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            threads=threading.active_count(),
            children=len(me.children(recursive=True)),
            tasks=len(asyncio.all_tasks()),
            segments=sum(1 for _ in shared.glob("aioglacier-*")) if shared.is_dir() else 0,
            files=sum(1 for _ in Path(tempfile.gettempdir()).glob("aioglacier-*")),
            memory=me.memory_info().rss,
        )

    def __str__(self) -> str:
        return (
            f"{self.descriptors} descriptors, {self.threads} threads, {self.children} children, "
            f"{self.tasks} tasks, {self.segments} segments, {self.files} temporary files, "
            f"{self.memory / MIB:.0f} MiB"
        )
