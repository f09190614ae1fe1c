"""Output on its way out."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from anyio import fail_after

from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto

if TYPE_CHECKING:
    from pathlib import Path


HEAD = "Host: localhost\r\nx-amz-glacier-version: 2012-06-01\r\n"


@pytest.mark.slow
async def test_a_client_that_takes_no_output_is_cut_off(tmp_path: Path) -> None:
    """A client that stops reading 24 MiB loses its connection."""
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0, body_idle_seconds=0.3) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=await boto.upload(bytes(24 * 2**20)))
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(f"GET /-/vaults/v/jobs/{job_id}/output HTTP/1.1\r\n{HEAD}\r\n".encode())
            received = len(await stream.receive())
            await anyio.sleep(1.0)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError), fail_after(10):
                while True:
                    received += len(await stream.receive())
        assert received < 24 * 2**20


@pytest.mark.slow
async def test_a_client_that_leaves_is_no_error_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that is reset before or while its output is sent leaves nothing in the log."""
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=await boto.upload(bytes(2**21)))
        request = f"GET /-/vaults/v/jobs/{job_id}/output HTTP/1.1\r\n{HEAD}\r\n".encode()
        for turns in range(60):  # one of them comes between two blocks
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                client.sendall(request)
                for _ in range(turns % 30):
                    await anyio.lowlevel.checkpoint()
        await boto("describe_vault")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
