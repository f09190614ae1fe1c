"""Other clients, used as their documentation shows.

botocore computes payload hash and tree hash of each body itself. Completing needs the tree hash of the whole,
and the one thing that boto3 has for it is ``botocore.utils.calculate_tree_hash``, which reads the file once
more. With the trait "combined" it is combined from the hashes that the answers name instead, by code of the
user's own: the most that can be made of these clients. "sequential" sends one part after the other.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aioglacier.core.treehash import combine
from benchmarks import crowd
from benchmarks.clients import KEYS
from benchmarks.meter import METER, percentiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.clients import Task

MIB = 1024 * 1024


def _part(start: int, body: bytes) -> dict[str, Any]:
    return {
        "vaultName": "v",
        "uploadId": "A" * 92,
        "range": f"bytes {start}-{start + len(body) - 1}/*",
        "body": body,
    }


def _finish(task: Task, hashes: dict[int, str]) -> dict[str, Any]:
    if "combined" in task.traits:
        whole = combine(bytes.fromhex(hashes[start]) for start in sorted(hashes)).hex()
    else:
        from botocore.utils import calculate_tree_hash  # noqa: PLC0415  # only the client that is measured is loaded

        calculate: Any = calculate_tree_hash
        with Path(task.path).open("rb") as file:
            whole = calculate(file)
    return {"vaultName": "v", "uploadId": "A" * 92, "archiveSize": str(task.size), "checksum": whole}


def _boto3(task: Task) -> Any:
    import boto3  # noqa: PLC0415

    return boto3.client("glacier", endpoint_url=task.url, **KEYS)


def _in_threads(threads: int, work: Callable[[int], None], items: range) -> None:
    """Process items in a pool of threads, with at most as many waiting items as threads."""
    with ThreadPoolExecutor(threads) as pool:
        pending = set()
        for item in items:
            pending.add(pool.submit(work, item))
            if len(pending) >= threads:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in pending:
            future.result()


def boto3_upload(task: Task) -> None:
    """boto3 in a pool of threads."""
    client = _boto3(task)
    part_size = task.part_size or MIB
    hashes: dict[int, str] = {}

    def send(start: int) -> None:
        with Path(task.path).open("rb") as file:
            file.seek(start)
            body = file.read(part_size)
        hashes[start] = client.upload_multipart_part(**_part(start, body))["checksum"]

    METER.start()
    client.initiate_multipart_upload(vaultName="v", partSize=str(part_size))
    threads = 1 if "sequential" in task.traits else task.concurrency or 1
    _in_threads(threads, send, range(0, task.size, part_size))
    client.complete_multipart_upload(**_finish(task, hashes))


def boto3_small(task: Task) -> None:
    """boto3 in a pool of threads, an archive a call."""
    client = _boto3(task)
    body = os.urandom(task.size)
    seconds = []

    def send(_: int) -> None:
        before = time.perf_counter()
        client.upload_archive(vaultName="v", body=body)
        seconds.append(time.perf_counter() - before)

    send(0)
    METER.start()
    _in_threads(task.concurrency or 1, send, range(task.count))
    METER.stop(each_ms=percentiles(seconds))


def boto3_download(task: Task) -> None:
    """boto3 in a pool of threads, one range for each call; it verifies nothing."""
    client = _boto3(task)
    piece_size = 16 * MIB
    Path(task.path).touch()

    def fetch(start: int) -> None:
        stop = min(start + piece_size, task.size)
        span = f"bytes={start}-{stop - 1}"
        answer = client.get_job_output(vaultName="v", jobId=f"J{task.size}", range=span)
        with Path(task.path).open("r+b") as file:
            file.seek(start)
            file.write(answer["body"].read())

    METER.start()
    _in_threads(task.concurrency or 1, fetch, range(0, task.size, piece_size))


def aiobotocore_upload(task: Task) -> None:
    """aiobotocore, several parts gathered at a time."""
    asyncio.run(_aiobotocore_upload(task))


async def _aiobotocore(stack: AsyncExitStack, task: Task) -> Any:
    from aiobotocore.session import get_session  # noqa: PLC0415

    session: Any = get_session()
    return await stack.enter_async_context(session.create_client("glacier", endpoint_url=task.url, **KEYS))


async def _aiobotocore_upload(task: Task) -> None:
    part_size, concurrency = task.part_size or MIB, task.concurrency or 1
    hashes: dict[int, str] = {}
    async with AsyncExitStack() as stack:
        client = await _aiobotocore(stack, task)
        file = stack.enter_context(io.FileIO(task.path))

        async def send(start: int) -> None:
            body = file.read(part_size)
            hashes[start] = (await client.upload_multipart_part(**_part(start, body)))["checksum"]

        METER.start()
        async with METER.watching_loop():
            await client.initiate_multipart_upload(vaultName="v", partSize=str(part_size))
            for first in range(0, task.size, part_size * concurrency):
                starts = range(first, min(task.size, first + part_size * concurrency), part_size)
                await asyncio.gather(*(send(start) for start in starts))
            await client.complete_multipart_upload(**_finish(task, hashes))
        METER.stop()


def aiobotocore_small(task: Task) -> None:
    """aiobotocore, many at once, an archive a call."""
    asyncio.run(_aiobotocore_small(task))


async def _aiobotocore_small(task: Task) -> None:
    async with AsyncExitStack() as stack:
        client = await _aiobotocore(stack, task)
        body = os.urandom(task.size)

        async def send() -> None:
            await client.upload_archive(vaultName="v", body=body)

        await crowd.run(task, send)


def aiohttp_small(task: Task) -> None:
    """POST by aiohttp with a minimal signature: the floor of an asynchronous client."""
    asyncio.run(_aiohttp_small(task))


async def _aiohttp_small(task: Task) -> None:
    import aiohttp  # noqa: PLC0415

    from benchmarks.lean import signed_headers  # noqa: PLC0415

    body = os.urandom(task.size)
    url = f"{task.url}/-/vaults/v/archives"
    connector = aiohttp.TCPConnector(limit=task.concurrency or 1)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send() -> None:
            async with session.post(url, data=body, headers=signed_headers(task.url, body)) as answer:
                assert answer.status == 201
                await answer.read()

        await crowd.run(task, send)


def glacier_upload(task: Task) -> None:
    """The package glacier_upload, in threads; what it prints goes nowhere."""
    from glacier_upload.upload import upload_archive  # noqa: PLC0415

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        METER.start()
        upload_archive("v", [task.path], "benchmark", (task.part_size or MIB) // MIB, task.concurrency, None)
        METER.stop()
