"""The sender: a process that is told a signed request and where its body lies, and sends it.

Jobs come as one line of JSON each on the socket that is its standard input, one after the other; answers go
back as one line each. While a job runs, a line ten times a second says how much has gone out, or just that
the process is alive. It has nothing to sign with: a signed head is good for one request, for minutes, and the
token of temporary keys, which is in it, for nothing without its secret.

Like a hash worker it ends with its parent; unlike one it loads aiohttp, which takes a fifth of a second and
about 25 MiB.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import anyio

from aioglacier.gateway.http.sending import do_job, open_wire
from aioglacier.transfer.hashing.worker import leave_with_parent

if TYPE_CHECKING:
    from aioglacier.gateway.http.wire import Wire

_REPORT_SECONDS: Final = 0.1

#: A job is a signed head and a path.
_LONGEST_JOB: Final = 1024 * 1024


def main(parent: int) -> None:
    """Serve the process ``parent`` until it closes the socket or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its senders
    threading.Thread(target=leave_with_parent, args=(parent,), daemon=True).start()
    try:
        asyncio.run(_serve())
    except* ConnectionError:
        os._exit(0)  # the parent is gone, and so is whoever would read a message


async def _serve() -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=0), limit=_LONGEST_JOB)
    await _say(writer, {"ready": os.getpid()})
    async with AsyncExitStack() as stack:
        wire = None
        while line := await reader.readline():
            job = json.loads(line)
            if wire is None:
                wire = await stack.enter_async_context(open_wire(job["to"]))
            await _say(writer, await _Reporter(writer).watch(wire, job))


class _Reporter:
    """Says how far a job is."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._moved = 0

    async def watch(self, wire: Wire, job: dict[str, Any]) -> dict[str, Any]:
        """Do the job, and return its answer."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report)
            answer = await do_job(wire, job, self._count)
            tasks.cancel_scope.cancel()
        return answer

    def _count(self, moved: int) -> None:
        self._moved += moved

    async def _report(self) -> None:
        while True:
            await anyio.sleep(_REPORT_SECONDS)
            await _say(self._writer, {"done": self._moved})


async def _say(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()
