"""A large body passes through a small server."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest
from anyio import create_task_group, to_thread

from aioglacier.core.treehash import TreeHash
from tests.server.conftest import Boto, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


class Zeros(io.RawIOBase):
    """A seekable file of zeros without a file on disk."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a narrower buffer
        """Return zeros."""
        count = min(len(buffer), self._size - self._at)
        buffer[:count] = bytes(count)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position."""
        self._at = offset + {0: 0, 1: self._at, 2: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seekable(self) -> bool:
        """Return true."""
        return True

    def readable(self) -> bool:
        """Return true."""
        return True


@pytest.mark.timeout(300)
async def test_uploads_and_downloads_of_large_bodies_need_few_mebibytes(tmp_path: Path) -> None:
    """Two uploads of 96 MiB at once, and a download: the server grows by less than 64 MiB."""
    size = 96 * MIB
    whole = TreeHash()
    for _ in range(size // MIB):
        whole.update(bytes(MIB))
    with serving(tmp_path) as (process, url):
        boto = Boto(url)
        await boto("create_vault")
        await boto.upload(b"warm")
        server = psutil.Process(process.pid)
        before = server.memory_info().rss
        ids: list[str] = []

        async def upload() -> None:
            ids.append(await boto.upload(Zeros(size), checksum=whole.hexdigest()))

        async with create_task_group() as tasks:
            tasks.start_soon(upload)
            tasks.start_soon(upload)
        after_upload = server.memory_info().rss
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=ids[0])
        body = (await boto("get_job_output", jobId=job_id))["body"]
        received = TreeHash()
        while block := await to_thread.run_sync(partial(body.read, MIB)):
            received.update(block)
        after_download = server.memory_info().rss
    assert received.digest() == whole.digest()
    assert max(after_upload, after_download) - before < 64 * MIB
