"""Sending job output: bytes out of files, by the kernel where nothing is to be done with them on the way.

Over TLS, and where a scripted fault changes the bytes or cuts them off, threads read them a block at a time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import anyio
from aiohttp import web
from anyio import to_thread

from aioglacier.core.limits import KIB, MIB
from aioglacier.server.requests.faults import FaultKind, RequestFaults, cut

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aioglacier.server.requests.call import Answer, Site
    from aioglacier.server.requests.faults import Fault
    from aioglacier.server.state.bodies import Slice

_logger: Final = logging.getLogger("aioglacier.server")

#: Bytes that are read from disk at once, and bytes that are given to the connection at once: a large first
#: number saves changes of thread. The second one is what a client has to take before it counts as gone, and
#: keeps the transport's buffer small.
_READ_SIZE: Final = MIB
_WRITE_SIZE: Final = 256 * KIB

_SHORT: Final = "a file is shorter than its record"


async def send_slices(
    site: Site, request: web.BaseRequest, answer: Answer, headers: dict[str, str], faults: RequestFaults
) -> web.StreamResponse:
    """Send an answer whose body lies in files; memory is one block, whatever its size.

    Raises:
        ConnectionDroppedError: A scripted fault cut the answer short.
    """
    response = web.StreamResponse(status=answer.status, headers=headers)
    slices = answer.slices or ()
    response.content_length = sum(one.size for one in slices)
    flip = faults.find(FaultKind.FLIP)
    truncate = faults.find(FaultKind.TRUNCATE)
    await response.prepare(request)
    try:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        is_plain = transport.get_extra_info("sslcontext") is None
        if flip is not None or truncate is not None or not is_plain:
            await _send_all(site, response, slices, flip, truncate)
        else:
            try:
                await _send_files(site, transport, slices)
            except NotImplementedError:  # uvloop, before it has sent anything
                await _send_all(site, response, slices, flip, truncate)
    except (OSError, EOFError) as error:
        # The head has been sent, so an error answer is no longer possible.
        if not isinstance(error, (ConnectionError, TimeoutError)):
            _logger.exception("job output could not be read")
        cut(request)
    if truncate is not None:
        await anyio.sleep(truncate.seconds)
        cut(request)
    await response.write_eof()
    return response


def date_header(site: Site) -> dict[str, str]:
    """Return the Date header of a server whose clock is ahead, none if it is not ahead.

    It is of the virtual clock, as all other dates: clients keep it as the date of an archive.
    """
    ahead = timedelta(seconds=site.settings.clock_skew_seconds + site.clock.offset_seconds)
    return {"Date": format_datetime(datetime.now(UTC) + ahead, usegmt=True)} if ahead else {}


def refusal_response(
    request: web.BaseRequest, status: int, body: bytes, headers: dict[str, str]
) -> web.StreamResponse:
    """Return the answer of a refusal, which ends the connection if the request's body will not be sent."""
    response = web.Response(status=status, body=body, headers=headers)
    if "Expect" in request.headers and not request.content.at_eof():
        response.force_close()  # else the next request on this connection would be read as the body
    return response


async def _send_files(site: Site, transport: asyncio.Transport, slices: tuple[Slice, ...]) -> None:
    """Let the kernel send the slices from the page cache."""
    loop = asyncio.get_running_loop()
    for one in slices:
        fd = await to_thread.run_sync(site.files.open, one.file, limiter=site.disk_limiter)
        with os.fdopen(fd, "rb", buffering=0) as file:
            stop = one.start + one.size
            for at in range(one.start, stop, _WRITE_SIZE):
                size = min(_WRITE_SIZE, stop - at)
                if transport.is_closing():  # the client is gone, for which sendfile has only a RuntimeError
                    raise ConnectionResetError
                with anyio.fail_after(site.settings.body_idle_seconds):
                    sent = await loop.sendfile(transport, file, at, size)
                if sent < size:
                    raise EOFError(_SHORT)


async def _send_all(
    site: Site,
    response: web.StreamResponse,
    slices: tuple[Slice, ...],
    flip: Fault | None,
    truncate: Fault | None,
) -> None:
    at = 0
    async with aclosing(read_slices(site, slices)) as blocks:
        async for block in blocks:
            data: bytes | bytearray = block
            if flip is not None and at <= flip.after_bytes < at + len(block):
                data = bytearray(block)
                data[flip.after_bytes - at] ^= 0xFF
            if truncate is not None and at + len(block) > truncate.after_bytes:
                data = data[: max(0, truncate.after_bytes - at)]
            for start in range(0, len(data), _WRITE_SIZE):
                with anyio.fail_after(site.settings.body_idle_seconds):
                    await response.write(memoryview(data)[start : start + _WRITE_SIZE])
            if len(data) < len(block):
                return
            at += len(block)


async def read_slices(site: Site, slices: tuple[Slice, ...]) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of slices, a block at a time."""
    for one in slices:
        file = await to_thread.run_sync(site.files.open, one.file, limiter=site.disk_limiter)
        try:
            for at in range(0, one.size, _READ_SIZE):
                size = min(_READ_SIZE, one.size - at)
                yield await to_thread.run_sync(_read, file, size, one.start + at, limiter=site.disk_limiter)
        finally:
            os.close(file)


def _read(file: int, size: int, at: int) -> bytes:
    os.lseek(file, at, os.SEEK_SET)  # one reader has the descriptor, and not every system has pread
    pieces = []
    while size:
        piece = os.read(file, size)
        if not piece:
            raise EOFError(_SHORT)
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
