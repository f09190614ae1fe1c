"""The other ways of uploading a file to Glacier from Python, as their users would write them.

Each reads the file part by part and sends it with the library's own call; a few parts are under way at once
where the name says so. The tree hash of a part comes from ``botocore.utils``, and is given to the call, which
would otherwise compute it once more; the whole is combined from the parts.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aioglacier.core.treehash import combine
from benchmarks.meter import METER

_KEYS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def _tree_hash(body: bytes) -> str:
    from botocore.utils import calculate_tree_hash  # noqa: PLC0415  # only the client that is measured is loaded

    calculate: Any = calculate_tree_hash
    tree_hash: str = calculate(io.BytesIO(body))
    return tree_hash


def _arguments(start: int, size: int, tree_hash: str) -> dict[str, Any]:
    return {
        "vaultName": "v",
        "uploadId": "A" * 92,
        "range": f"bytes {start}-{start + size - 1}/*",
        "checksum": tree_hash,
    }


def _finish(hashes: dict[int, str], size: int) -> dict[str, Any]:
    whole = combine(bytes.fromhex(hashes[start]) for start in sorted(hashes))
    return {"vaultName": "v", "uploadId": "A" * 92, "archiveSize": str(size), "checksum": whole.hex()}


def boto3_upload(url: str, path: str, part_size: int, threads: int) -> None:
    """boto3 in a pool of threads; one thread is the sequential way."""
    import boto3  # noqa: PLC0415  # only the client that is measured is loaded

    client: Any = boto3.client("glacier", endpoint_url=url, **_KEYS)
    METER.start()
    client.initiate_multipart_upload(vaultName="v", partSize=str(part_size))
    size = Path(path).stat().st_size
    hashes: dict[int, str] = {}

    def send(start: int) -> None:
        with Path(path).open("rb") as file:
            file.seek(start)
            body = file.read(part_size)
        hashes[start] = _tree_hash(body)
        client.upload_multipart_part(body=body, **_arguments(start, len(body), hashes[start]))

    with ThreadPoolExecutor(threads) as pool:
        pending = set()
        for start in range(0, size, part_size):
            pending.add(pool.submit(send, start))
            if len(pending) >= threads:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in pending:
            future.result()
    client.complete_multipart_upload(**_finish(hashes, size))


def boto3_sequential(url: str, path: str, part_size: int, _concurrency: int) -> None:
    """boto3, one part after the other."""
    boto3_upload(url, path, part_size, 1)


def aiobotocore_gather(url: str, path: str, part_size: int, concurrency: int) -> None:
    """aiobotocore, several parts gathered at a time."""
    asyncio.run(_aiobotocore(url, path, part_size, concurrency))


async def _aiobotocore(url: str, path: str, part_size: int, concurrency: int) -> None:
    from aiobotocore.session import get_session  # noqa: PLC0415

    size = Path(path).stat().st_size  # noqa: ASYNC240  # as a user of it would
    hashes: dict[int, str] = {}
    async with AsyncExitStack() as stack:
        session: Any = get_session()
        client = await stack.enter_async_context(session.create_client("glacier", endpoint_url=url, **_KEYS))
        METER.start()
        await client.initiate_multipart_upload(vaultName="v", partSize=str(part_size))
        file = stack.enter_context(io.FileIO(path))
        for first in range(0, size, part_size * concurrency):
            calls = []
            for start in range(first, min(size, first + part_size * concurrency), part_size):
                body = file.read(part_size)
                hashes[start] = _tree_hash(body)
                calls.append(
                    client.upload_multipart_part(body=body, **_arguments(start, len(body), hashes[start]))
                )
            await asyncio.gather(*calls)
        await client.complete_multipart_upload(**_finish(hashes, size))
