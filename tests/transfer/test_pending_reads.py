"""A buffer is not given back while a thread still fills it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread, wait_all_tasks_blocked

from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import MemoryStore, options

if TYPE_CHECKING:
    from aioglacier.transfer.resources import TransferResources


class SlowFile:
    """A file whose read lasts until the test lets it end."""

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.go_on = threading.Event()

    def read(self, size: int, /) -> bytes:
        """Wait, then give bytes without end."""
        self.reading.set()
        self.go_on.wait()
        return bytes(size)


@pytest.mark.parametrize("natively", [False, True], ids=["scope", "task"])
async def test_a_buffer_is_not_given_back_while_a_thread_fills_it(
    store: MemoryStore, resources: TransferResources, *, natively: bool
) -> None:
    """However an upload is cancelled, it ends when the read that is under way has ended."""
    file = SlowFile()
    scope = anyio.CancelScope()

    async def upload() -> None:
        with scope:
            await SourceUpload(store, resources, options(), await as_source(file)).run()

    task = asyncio.ensure_future(upload())
    await to_thread.run_sync(file.reading.wait)
    if natively:
        task.cancel()
    else:
        scope.cancel()
    await wait_all_tasks_blocked()
    assert not task.done()
    assert resources.buffers.lent == 1
    file.go_on.set()
    await asyncio.wait([task])
    assert resources.buffers.lent == 0
    assert not store.calls
