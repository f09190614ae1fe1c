"""How fast does the client read an inventory job, and does memory grow with it?

A server of its own process gives out an inventory of any length, by ranges, without ever holding it; the
client reads it through ``Job.inventory()``, archive by archive: 7 million archives, 2.4 GB, unless told
otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aioglacier
from benchmarks import measure
from benchmarks.inventory_parsing import peak_memory, write_json
from benchmarks.measure import MIB
from benchmarks.programs import start

_BLOCK_ARCHIVES = 10_000


class Inventory:
    """An inventory that repeats one block of entries; only the block is in memory."""

    def __init__(self, blocks: int) -> None:
        document = write_json(_BLOCK_ARCHIVES)
        start = document.index(b"[") + 1
        self._head, self._block = document[:start], document[start:-2] + b","
        self._tail = b"]}"
        self._repeated = len(self._block) * blocks - 1  # the last comma is not there
        self.size = len(self._head) + self._repeated + len(self._tail)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes of the document."""
        parts = []
        while start < stop:
            at = start - len(self._head)
            if at < 0:
                part = self._head[start : min(stop, len(self._head))]
            elif at < self._repeated:
                within = at % len(self._block)
                part = self._block[within : within + min(stop - start, self._repeated - at)]
            else:
                part = self._tail[at - self._repeated :][: stop - start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)


def serve(blocks: int) -> None:
    """Serve a finished job and its output until standard input ends."""
    inventory = Inventory(blocks)
    job = {
        "JobId": "job",
        "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/demo",
        "Action": "InventoryRetrieval",
        "StatusCode": "Succeeded",
        "Completed": True,
        "CreationDate": "2026-11-22T03:10:05.000Z",
        "CompletionDate": "2026-11-22T07:10:05.000Z",
        "InventorySizeInBytes": inventory.size,
        "InventoryRetrievalParameters": {"Format": "JSON"},
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """DescribeJob or GetJobOutput."""
            body, status, first, last = json.dumps(job).encode(), 200, "", ""
            if self.path.endswith("/output"):
                first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
                body, status = inventory.read(int(first), int(last) + 1), 206
            self.send_response(status)
            self.send_header("x-amzn-RequestId", "R" * 47)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{last}/{inventory.size}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


async def read(url: str) -> dict[str, float]:
    """Read the inventory once."""
    async with aioglacier.connect(
        region_name="us-east-1", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret"
    ) as glacier:
        job = glacier.vault("demo").job("job")
        size = (await job.describe()).output_size or 0
        archives = 0
        before = 0
        began, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        async for _ in job.inventory():
            archives += 1
            if archives == _BLOCK_ARCHIVES:
                before = peak_memory()
        seconds = time.perf_counter() - began
        usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {
        "archives": archives,
        "size": size,
        "megabytes_per_second": round(size / seconds / 1e6, 1),
        "megabytes_per_cpu_second": round(size / used / 1e6, 1),
        "memory_growth_mib": round((peak_memory() - before) / MIB, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks inventory_job", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--archives", type=int, default=7_000_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    blocks = max(2, (50_000 if options.quick else options.archives) // _BLOCK_ARCHIVES)
    command = [sys.executable, "-m", "benchmarks.inventory_job", "--serve", str(blocks)]
    server = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin
    assert server.stdout
    with server:
        url = server.stdout.readline().strip()
        figures = asyncio.run(read(url))
        server.stdin.close()
    assert figures["archives"] == blocks * _BLOCK_ARCHIVES
    measure.publish("inventory_job", figures)


if __name__ == "__main__":
    main()
