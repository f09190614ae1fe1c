"""The hash worker: a process that is told where bytes lie and answers with their hashes.

Requests come as one line of JSON each on standard input, answers go as one line each to standard output; the
bytes themselves never travel. While a job runs, a line that says how far it is goes out about every second.

A worker must never outlive its parent, whatever kills that: it ends when its standard input does, and a
thread looks twice a second whether the parent is still the one it was started by, because a child of the
parent may hold the other end of that pipe open.

It loads four small modules of the package and none of what a client needs, which keeps its start at about
20 ms of CPU and its memory at about 10 MiB.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aioglacier.files.reading import FileChangedError, FileIdentity
from aioglacier.transfer.partjob import PartJob, ReadFrom, WriteTo, perform

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARENT_CHECK_SECONDS: Final = 0.5
_REPORT_SECONDS: Final = 1.0

#: Buffers kept mapped; mapping 64 MiB anew costs 16,384 page faults, about 3 ms.
_KEPT_MAPS: Final = 64


def main(parent: int) -> None:
    """Serve the process ``parent`` until it closes standard input or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    threading.Thread(target=leave_with_parent, args=(parent,), daemon=True).start()
    maps = _Maps()
    try:
        _answer({"ready": os.getpid()})
        for line in sys.stdin.buffer:
            _answer(_work(json.loads(line), maps))
    except ConnectionError:
        os._exit(0)  # the parent is gone, and so is whoever would read a message


def encode_request(serial: int, locator: str, capacity: int, job: PartJob) -> bytes:
    """One line that asks a worker to do a job on a buffer; no locator: on none, with what it reads."""
    length, read_from, write_to, with_payload = job
    request = [
        serial,
        locator,
        capacity,
        length,
        read_from and [_portable(read_from.path), read_from.offset, read_from.identity],
        write_to and [_portable(write_to.path), write_to.offset],
        with_payload,
    ]
    return json.dumps(request).encode() + b"\n"


def _portable(path: str) -> str:
    """A path as its bytes, one character each: the worker may spell names in another encoding."""
    return os.fsencode(path).decode("latin-1")


def _local(path: str) -> str:
    return os.fsdecode(path.encode("latin-1"))


def leave_with_parent(parent: int) -> None:
    """End this process soon after its parent has, whatever ended that."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(0)


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _work(request: list[Any], maps: _Maps) -> dict[str, Any]:
    serial, locator, capacity, length, read_from, write_to, with_payload = request
    job = PartJob(
        length,
        ReadFrom(_local(read_from[0]), read_from[1], FileIdentity(*read_from[2])) if read_from else None,
        WriteTo(_local(write_to[0]), write_to[1]) if write_to else None,
        with_payload,
    )
    try:
        with maps.view(serial, locator, capacity) as view:
            hashes = perform(job, view, _Reporter())
            return {"hashes": [part.hex() for part in hashes]}
    except MapError as error:
        return {"unmapped": str(error)}
    except FileChangedError as error:
        return {"changed": str(error)}
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror}


class MapError(Exception):
    """The part's memory cannot be reached from here."""


class _Reporter:
    """Says how far a job is, but not more often than needed."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _REPORT_SECONDS

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) >= self._due:
            self._due = now + _REPORT_SECONDS
            _answer({"done": done})


class _Maps:
    """The buffers this process has mapped, the least used forgotten first."""

    def __init__(self) -> None:
        self._maps: OrderedDict[int, mmap.mmap] = OrderedDict()

    @contextmanager
    def view(self, serial: int, locator: str, capacity: int) -> Iterator[memoryview | None]:
        """The buffer's memory, if there is one; what cannot be kept mapped is let go afterwards.

        Raises:
            MapError: It cannot be mapped.
        """
        if not locator:
            yield None
            return
        if locator.startswith("name:"):
            with _named_view(locator.removeprefix("name:"), capacity) as view:
                yield view
            return
        if serial in self._maps:
            self._maps.move_to_end(serial)
        else:
            if len(self._maps) >= _KEPT_MAPS:
                self._maps.popitem(last=False)[1].close()
            self._maps[serial] = _map(locator, capacity)
        with memoryview(self._maps[serial]) as view:
            yield view


def _map(locator: str, capacity: int) -> mmap.mmap:
    try:
        fd = os.open(locator, os.O_RDWR | os.O_CLOEXEC)
        try:
            return mmap.mmap(fd, capacity)
        finally:
            os.close(fd)
    except OSError as error:
        raise MapError(str(error)) from error


@contextmanager
def _named_view(name: str, capacity: int) -> Iterator[memoryview]:
    from multiprocessing import resource_tracker  # noqa: PLC0415  # only where memory has names
    from multiprocessing.shared_memory import SharedMemory  # noqa: PLC0415

    try:
        segment = SharedMemory(name)
    except OSError as error:
        raise MapError(str(error)) from error
    # Attaching registers the segment with a tracker of this process, which would remove it at exit although
    # it belongs to the parent (fixed by track=False in Python 3.13).
    resource_tracker.unregister(f"/{segment.name}" if os.name == "posix" else segment.name, "shared_memory")
    try:
        with memoryview(segment.buf or b"")[:capacity] as view:
            yield view
    finally:
        segment.close()
