"""The hash worker: a process that reads where bytes lie and answers with their hashes.

Requests come on standard input, each a line of numbers and of names in hexadecimal; answers go to standard
output, a line of JSON each; the bytes themselves never travel. While a job runs, a line that says how far it
is goes out about every second.

A worker must never outlive its parent, whatever kills that: it ends when its standard input does, and a
thread looks twice a second whether the parent is still the one it was started by, because a child of the
parent may hold the other end of that pipe open.

It loads five small modules of the package and hardly any of the standard library: an interpreter alone takes
9 ms of CPU to start, this one with typing, json, signal, threading and contextlib took 31, and takes 17. So
what those would do is done here with what they are made of. Its memory is about 10 MiB.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what signal is made of
import mmap
import os
import sys
import time
from _thread import start_new_thread

from aioglacier.files.reading import FileChangedError, FileIdentity
from aioglacier.transfer.hashing.part_job import PartJob, ReadFrom, perform

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_PARENT_CHECK_SECONDS: Final = 0.5
_REPORT_SECONDS: Final = 1.0

#: Buffers kept mapped; mapping 64 MiB again costs 16,384 page faults, about 3 ms.
_KEPT_MAPS: Final = 64

#: The mapped buffers by serial, the least recently used first.
_maps: Final[dict[int, mmap.mmap]] = {}


def main(parent: int) -> None:
    """Serve the process ``parent`` until it closes standard input or is gone."""
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    start_new_thread(leave_with_parent, (parent,))
    try:
        _answer('{"ready": %d}' % os.getpid())  # noqa: UP031  # braces
        for request in sys.stdin.buffer:
            _answer(_work(request))
    except ConnectionError:
        os._exit(0)  # the parent is gone, so no process would read a message


def encode_request(serial: int, locator: str, capacity: int, job: PartJob) -> bytes:
    """Return the line that asks a worker to do a job on a buffer, or without a locator on a file alone.

    Paths go as their bytes: the worker may spell names in another encoding.
    """
    length, read_from, hashes, may_map = job
    fields = [serial, capacity, length, hashes, int(may_map), os.fsencode(locator).hex()]
    if read_from is not None:
        fields += [os.fsencode(read_from.path).hex(), read_from.offset, *read_from.identity]
    return b"%s\n" % ",".join(map(str, fields)).encode()


def leave_with_parent(parent: int) -> None:
    """End this process soon after its parent has ended for any reason."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(0)


def _answer(answer: str) -> None:
    sys.stdout.buffer.write(answer.encode() + b"\n")
    sys.stdout.buffer.flush()


def _work(request: bytes) -> str:
    serial, capacity, length, kind, may_map, locator, *source = request.decode().rstrip().split(",")
    read_from = None
    if source:
        path, offset, *identity = source
        read_from = ReadFrom(_name(path), int(offset), FileIdentity(*map(int, identity)))
    job = PartJob(int(length), read_from, kind, may_map == "1")
    try:
        view = _view(int(serial), _name(locator), int(capacity)) if locator else None
    except OSError as error:
        return _tell(unmapped=str(error))
    try:
        hashes = perform(job, view, _reporter())
    except FileChangedError as error:
        return _tell(changed=str(error))
    except OSError as error:
        return _tell(errno=error.errno, strerror=error.strerror)
    finally:
        if view is not None:
            view.release()  # or the map could not be closed
    return '{"hashes": ["%s", "%s", "%s", "%s"]}' % tuple(map(bytes.hex, hashes))  # noqa: UP031  # braces


def _name(hexadecimal: str) -> str:
    return os.fsdecode(bytes.fromhex(hexadecimal))


def _tell(**answer: str | int | None) -> str:
    import json  # noqa: PLC0415  # few workers meet an error

    return json.dumps(answer)


def _reporter() -> Callable[[int], None]:
    """Return a function that reports the progress of a job, at most once a second."""
    due = time.monotonic() + _REPORT_SECONDS

    def report(done: int) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:
            due = now + _REPORT_SECONDS
            _answer('{"done": %d}' % done)  # noqa: UP031  # braces

    return report


def _view(serial: int, locator: str, capacity: int) -> memoryview:
    """Return the memory of a buffer, mapped now or before."""
    map_ = _maps.pop(serial, None)
    if map_ is None:
        if len(_maps) >= _KEPT_MAPS:
            _maps.pop(next(iter(_maps))).close()
        fd = os.open(locator, os.O_RDWR)
        try:
            map_ = mmap.mmap(fd, capacity)
        finally:
            os.close(fd)
    _maps[serial] = map_  # last, as the latest used
    return memoryview(map_)
