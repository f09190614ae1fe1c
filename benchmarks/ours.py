"""aioglacier as its users use it, for benchmarks.

Traits: "threads" and "processes" say where it hashes, "hashlib" does without the native core, "uvloop" runs
on that loop, "stream" uploads the blocks of a generator, "reader" downloads through a reader to nowhere,
"senders=2" lets two processes send as well.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

import aioglacier
from aioglacier.core.planning import part_ranges
from aioglacier.core.treehash import PartHashes
from benchmarks import crowd
from benchmarks.clients import KEYS
from benchmarks.meter import METER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from aioglacier.core.ranges import ByteRange
    from benchmarks.clients import Task

MIB = 1024 * 1024


def upload(task: Task) -> None:
    """Upload one archive."""
    _run(task, _upload(task))


def upload_small(task: Task) -> None:
    """Upload many small archives."""
    _run(task, _upload_small(task))


def send(task: Task) -> None:
    """Send the parts of a file whose hashes are known: the sink believes whatever they are said to be."""
    _run(task, _send(task))


def download(task: Task) -> None:
    """Download the output of a job to a file, or read it to the null device."""
    _run(task, _download(task))


def _run(task: Task, work: Coroutine[Any, Any, None]) -> None:
    if "uvloop" in task.traits:
        import uvloop  # noqa: PLC0415  # only where it is measured

        uvloop.run(work)
    else:
        asyncio.run(work)


def _connect(task: Task) -> Any:
    options: dict[str, Any] = {}
    for where in ("threads", "processes"):
        if where in task.traits:
            options["hash_in"] = where
    if task.concurrency is not None:
        options["max_concurrency"] = task.concurrency
    if senders := _senders(task):
        options["sender_processes"] = senders
    if task.memory_limit is not None:
        options["memory_limit"] = task.memory_limit
    return aioglacier.connect(endpoint_url=task.url, **KEYS, **options)


def _senders(task: Task) -> int:
    """How many processes are to send beside this one."""
    counts = [trait.removeprefix("senders=") for trait in task.traits if trait.startswith("senders=")]
    return int(counts[0]) if counts else 0


async def _upload(task: Task) -> None:
    async with _connect(task) as glacier:
        vault = glacier.vault("v")
        source: Any = task.path
        if "stream" in task.traits:
            source = _blocks(task.path)
        elif task.path == "-":
            source = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115, ASYNC230
        METER.start()
        async with METER.watching_loop():
            archive = await vault.upload(source, part_size=task.part_size)
        METER.stop(size=archive.size)


async def _blocks(path: str) -> AsyncIterator[bytes]:
    """What a file holds, as a program that makes bytes gives them: in blocks of 256 KiB."""
    with Path(path).open("rb", buffering=0) as file:  # noqa: ASYNC230  # the page cache has it
        while block := file.read(256 * 1024):
            yield block


async def _upload_small(task: Task) -> None:
    async with _connect(task) as glacier:
        vault = glacier.vault("v")
        body = os.urandom(task.size)

        async def send() -> None:
            await vault.upload(body)

        await crowd.run(task, send)


async def _send(task: Task) -> None:
    # What only this needs, so that the others load what their users load.
    from aioglacier.gateway.aws import open_gateway  # noqa: PLC0415
    from aioglacier.gateway.contract.options import GatewayOptions  # noqa: PLC0415
    from aioglacier.transfer.hashing.part_job import ReadFrom  # noqa: PLC0415
    from aioglacier.transfer.upload.open_file import OpenFile  # noqa: PLC0415
    from aioglacier.transfer.upload.senders import open_senders  # noqa: PLC0415
    from aioglacier.transfer.upload.sources import open_file  # noqa: PLC0415

    part_size = task.part_size or 16 * MIB
    known = PartHashes(bytes(32), bytes(32), b"")
    slots = anyio.Semaphore(task.concurrency or 4)
    async with AsyncExitStack() as stack:
        count = _senders(task)
        pool = await stack.enter_async_context(open_senders(count)) if count else None
        options = GatewayOptions(endpoint_url=task.url, relay=pool, **KEYS)
        gateway = await stack.enter_async_context(open_gateway(options))
        METER.start()
        file = OpenFile(await open_file(task.path))
        upload_id = await gateway.initiate_multipart_upload("v", part_size=part_size)

        async def put(part: ByteRange) -> None:
            place = ReadFrom(file.file.path, part.start, file.file.identity)
            async with slots, file.range(place, part.size) as body:
                await gateway.upload_multipart_part("v", upload_id, body, start=part.start, hashes=known)

        async with METER.watching_loop(), anyio.create_task_group() as tasks:
            for part in part_ranges(task.size, part_size):
                tasks.start_soon(put, part)
        METER.stop(size=task.size)


async def _download(task: Task) -> None:
    async with _connect(task) as glacier:
        job = glacier.vault("v").job(aioglacier.JobId(f"J{task.size}"))
        METER.start()
        async with METER.watching_loop():
            if "reader" in task.traits:
                with Path(os.devnull).open("wb", buffering=0) as file:  # noqa: ASYNC230
                    async with job.open_reader() as reader:
                        async for block in reader:
                            file.write(block)
            else:
                await job.download(task.path, overwrite=True)
        METER.stop()
