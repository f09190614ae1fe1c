"""Small archives go without an engine, and what becomes of them is as with one."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.core.errors import (
    ConnectionLostError,
    InvalidParameterError,
    InvalidPlanError,
    UploadFailedError,
)
from aioglacier.core.treehash import tree_hash
from aioglacier.transfer.upload.small import is_small, upload_small
from tests.transfer.conftest import DATA, MIB, cancel_when_blocked, options, refused

if TYPE_CHECKING:
    from aioglacier.transfer.resources import TransferResources
    from tests.transfer.conftest import MemoryStore

BODY = DATA[:4096]


async def stay(_: int | str) -> None:
    """Never go on."""
    await anyio.sleep_forever()


@pytest.mark.parametrize("size", [1, 4096, 64 * 1024, 64 * 1024 + 1, MIB - 1, MIB])
async def test_small_bytes_are_stored_in_one_request(
    store: MemoryStore, resources: TransferResources, size: int
) -> None:
    """With the proof that an engine would bring, and without a buffer."""
    body = DATA[:size]
    archive = await upload_small(store, resources, options(), body)
    assert store.archives == [body]
    assert (archive.size, archive.tree_hash, archive.vault) == (size, tree_hash(body), "v")
    assert resources.connections.in_use == 0


def test_what_goes_another_way() -> None:
    """A source that is large, empty, of another length or changeable needs an engine."""
    assert is_small(BODY, None)
    assert is_small(BODY, len(BODY))
    for source in (b"", DATA[: MIB + 1], bytearray(BODY), memoryview(BODY), "text", iter([BODY])):
        assert not is_small(source, None)
    assert not is_small(BODY, 5)


async def test_a_part_size_that_is_none_is_refused(store: MemoryStore, resources: TransferResources) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(InvalidPlanError):
        await upload_small(store, resources, options(part_size=12345), BODY)
    assert not store.calls


async def test_errors_name_the_vault(store: MemoryStore, resources: TransferResources) -> None:
    """Trouble that outlasted the retries is an upload that failed; a refusal is itself."""

    async def lose(_: int | str) -> None:
        raise ConnectionLostError("it broke off", operation="UploadArchive", may_have_taken_effect=False)

    async def refuse(_: int | str) -> None:
        raise refused("UploadArchive", "no")

    store.before = lose
    with pytest.raises(UploadFailedError) as failed:
        await upload_small(store, resources, options(), BODY)
    assert isinstance(failed.value.__cause__, ConnectionLostError)
    store.before = refuse
    with pytest.raises(InvalidParameterError) as caught:
        await upload_small(store, resources, options(), BODY)
    assert failed.value.vault == caught.value.vault == "v"
    assert resources.connections.in_use == 0


@pytest.mark.parametrize("natively", [False, True])
async def test_cancelled_before_it_is_all_sent(
    store: MemoryStore, resources: TransferResources, natively: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends at once, by a scope or by its task, and nothing goes on behind."""
    before = asyncio.all_tasks()
    store.before = stay
    if natively:
        task = asyncio.ensure_future(upload_small(store, resources, options(), BODY))
        await wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_when_blocked, scope)
                await upload_small(store, resources, options(), BODY)
            assert scope.cancelled_caught
    assert not store.archives
    assert resources.connections.in_use == 0
    assert asyncio.all_tasks() == before
    assert not caplog.records


async def test_cancelled_too_late(
    store: MemoryStore, resources: TransferResources, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller waits for the answer, and the log names the archive."""
    answered = anyio.Event()

    async def wait(_: int | str) -> None:
        await answered.wait()

    store.after = wait
    with caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:

                async def cancel() -> None:
                    await cancel_when_blocked(scope)
                    await wait_all_tasks_blocked()
                    answered.set()

                tasks.start_soon(cancel)
                await upload_small(store, resources, options(), BODY)
            assert scope.cancelled_caught
    assert store.archives == [BODY]
    assert "cancelled too late: archive archive-1, 4096 bytes" in caplog.text


async def test_an_answer_that_fails_while_a_cancellation_waits(
    store: MemoryStore, resources: TransferResources, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged, and the cancellation goes on."""
    answered = anyio.Event()

    async def fail(_: int | str) -> None:
        await answered.wait()
        raise refused("UploadArchive", "too bad")

    store.after = fail
    task = asyncio.ensure_future(upload_small(store, resources, options(), BODY))
    await wait_all_tasks_blocked()
    task.cancel()
    await wait_all_tasks_blocked()
    assert not task.done()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "too bad" in caplog.text


async def test_cancelled_again_and_again(store: MemoryStore, resources: TransferResources) -> None:
    """Impatience ends the wait for an answer, and still leaves nothing behind."""
    before = asyncio.all_tasks()
    store.after = stay
    task = asyncio.ensure_future(upload_small(store, resources, options(), BODY))
    for _ in range(2):
        await wait_all_tasks_blocked()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


async def test_dropped_while_under_way(store: MemoryStore, resources: TransferResources) -> None:
    """There is a warning, and the request ends."""
    before = asyncio.all_tasks()
    store.before = stay
    coroutine = upload_small(store, resources, options(), BODY)
    coroutine.send(None)
    await wait_all_tasks_blocked()
    with pytest.warns(ResourceWarning, match="an unfinished archive was dropped"):
        coroutine.close()
    await wait_all_tasks_blocked()
    gc.collect()
    assert asyncio.all_tasks() == before
