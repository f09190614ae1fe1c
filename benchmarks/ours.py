"""aioglacier, used as its users use it.

Traits: "threads" and "processes" say where it hashes, "hashlib" does without the native core, "uvloop" runs
on that loop, "stream" and "writer" upload the blocks of a generator, and "reader" downloads through a reader
to nowhere.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aioglacier
from benchmarks import crowd
from benchmarks.clients import KEYS
from benchmarks.meter import METER
from benchmarks.s3_answers import BUCKET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from benchmarks.clients import Task

MIB = 1024 * 1024


def upload(task: Task) -> None:
    """Upload one archive."""
    _run(task, _upload(task))


def upload_object(task: Task) -> None:
    """Upload one object to a bucket; with the trait "crc64nvme", with that checksum."""
    _run(task, _upload_object(task))


def upload_small(task: Task) -> None:
    """Upload many small archives."""
    _run(task, _upload_small(task))


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
    # A gateway is loaded with its first request. Other clients load theirs before the clock starts.
    for module in ("vaults.gateway", "vaults.caller", "s3.gateway", "s3.caller"):
        importlib.import_module(f"aioglacier.gateway.{module}")
    options: dict[str, Any] = {}
    for where in ("threads", "processes"):
        if where in task.traits:
            options["hash_in"] = where
    limits = aioglacier.Limits(memory=task.memory_limit, concurrency=task.concurrency)
    return aioglacier.connect(
        endpoint_url=task.url, s3_endpoint_url=task.url, limits=limits, **KEYS, **options
    )


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


async def _upload_object(task: Task) -> None:
    checksum = "CRC64NVME" if "crc64nvme" in task.traits else "SHA256"
    async with _connect(task) as glacier:
        bucket = glacier.bucket(BUCKET, "DEEP_ARCHIVE")
        source: Any = _blocks(task.path) if "writer" in task.traits else task.path
        METER.start()
        stored = await bucket.upload(source, key="k", part_size=task.part_size, checksum=checksum)
        METER.stop(size=stored.size)


async def _blocks(path: str) -> AsyncIterator[bytes]:
    """Yield a file's content in blocks of 256 KiB, as a program that produces bytes does."""
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
