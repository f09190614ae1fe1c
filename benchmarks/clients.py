"""The ways of uploading that benchmarks compare, each run as a process of its own.

``python -m benchmarks.clients NAME URL FILE PART_SIZE CONCURRENCY`` uploads the file, "-" for standard input,
and prints a JSON object with the seconds and the CPU seconds of the upload itself, without interpreter and
imports.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks import peers
from benchmarks.meter import METER

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def floor(url: str, path: str, part_size: int, _concurrency: int) -> None:
    """The least that any client with hashlib must do: read, hash twice, send, in one thread."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    METER.start()
    connection = socket.create_connection((address.hostname, address.port))
    buffer = memoryview(bytearray(part_size))
    with Path(path).open("rb", buffering=0) as file:
        index = 0
        while count := file.readinto(buffer):
            payload = hashlib.sha256()
            leaves = []
            for at in range(0, count, MIB):
                leaf = buffer[at : min(at + MIB, count)]
                payload.update(leaf)
                leaves.append(hashlib.sha256(leaf).digest())
            head = (
                f"PUT /-/vaults/v/multipart-uploads/X HTTP/1.1\r\nHost: {address.netloc}\r\n"
                f"x-amz-content-sha256: {payload.hexdigest()}\r\n"
                f"x-amz-sha256-tree-hash: {leaves[0].hex()}\r\n"
                f"Content-Range: bytes {index}-{index + count - 1}/*\r\nContent-Length: {count}\r\n\r\n"
            )
            connection.sendall(head.encode())
            connection.sendall(buffer[:count])
            assert connection.recv(65536).startswith(b"HTTP/1.1 204")
            index += count
    connection.close()


def aioglacier_file(url: str, path: str, part_size: int, concurrency: int) -> None:
    """``Vault.upload`` of a path."""
    asyncio.run(_aioglacier(url, path, part_size, concurrency, "processes"))


def aioglacier_threads(url: str, path: str, part_size: int, concurrency: int) -> None:
    """``Vault.upload`` of a path, hashing in threads."""
    asyncio.run(_aioglacier(url, path, part_size, concurrency, "threads"))


async def _aioglacier(url: str, path: str, part_size: int, concurrency: int, hash_in: Any) -> None:
    import aioglacier  # noqa: PLC0415  # only the client that is measured is loaded

    limit = int(os.environ.get("BENCHMARK_MEMORY_LIMIT", 512 * MIB))
    async with aioglacier.connect(
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        memory_limit=limit,
        max_concurrency=concurrency,
        hash_in=hash_in,
    ) as glacier:
        vault = glacier.vault("v")
        source: Any = path if path != "-" else open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115, ASYNC230
        METER.start()
        async with _heartbeat():
            archive = await vault.upload(source, part_size=part_size)
        METER.stop(archive.size)


class _heartbeat:  # noqa: N801  # used as a block
    """Notes the longest time in which the event loop ran nothing else."""

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        METER.stalls = sorted(self._stalls)

    async def _beat(self) -> None:
        self._stalls: list[float] = []
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self._stalls.append(time.perf_counter() - before - 0.001)


CLIENTS: dict[str, Callable[[str, str, int, int], None]] = {
    "floor": floor,
    "aioglacier": aioglacier_file,
    "aioglacier-threads": aioglacier_threads,
    "boto3": peers.boto3_sequential,
    "boto3-threads": peers.boto3_upload,
    "aiobotocore": peers.aiobotocore_gather,
}


def main() -> None:
    """Run the client that the command line names."""
    name, url, path, part_size, concurrency = sys.argv[1:6]
    client = CLIENTS[name]
    client(url, path, int(part_size), int(concurrency))
    if not METER.report:
        METER.stop(Path(path).stat().st_size)
    print(json.dumps(METER.report))


if __name__ == "__main__":
    main()
