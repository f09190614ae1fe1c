"""How fast is the local Glacier with every signature and hash checked, and do a million archives slow it?

Parts of one upload, signed before, arrive on a few connections; the server runs as a process of its own
and reports its CPU time. The floor does the necessary work in one thread: hash twice, write and sync.
Small archives, a KiB each, show what a request costs. ``--archives`` then fills the records directly with
a vault of that many and measures start, lists, inventory, upload and deletion beside a vault of a thousand.

    python -m benchmarks local_glacier                         1 GiB in parts, 1,000 small archives
    python -m benchmarks local_glacier --archives 1000000      the same, and a vault of a million
    python -m benchmarks local_glacier --quick                 16 MiB, 20 small archives, a vault of 100
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import random
import resource
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aioglacier.core.limits import VAULT as SERVICE
from aioglacier.core.treehash import TreeHash
from aioglacier.server import LocalGlacier
from benchmarks import measure, programs
from benchmarks.measure import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS: Final = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
REGION: Final = "us-east-1"
VAULT: Final = "/-/vaults/photos"
CONNECTIONS: Final = 4


# --- the server's process


async def serve(directory: str) -> None:
    """Serve until standard input ends; print the URL and the time to open, and the cost at the end."""
    began = time.perf_counter()
    async with LocalGlacier(
        directory, access_key_id=KEYS[0], secret_access_key=KEYS[1], job_delay=0, inventory_lag=0
    ) as server:
        opened = time.perf_counter() - began
        print(json.dumps({"url": server.url, "seconds": opened}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            assert line == "cost\n"
            usage = resource.getrusage(resource.RUSAGE_SELF)
            cost = {"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}
            print(json.dumps(cost), flush=True)


class Server:
    """A server in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        started = self._hear()
        self.url: str = started["url"]
        self.open_seconds: float = started["seconds"]

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        heard: dict[str, Any] = json.loads(self._process.stdout.readline())
        return heard

    def cost(self) -> tuple[float, int]:
        """Return the CPU seconds and the peak memory so far."""
        assert self._process.stdin
        self._process.stdin.write("cost\n")
        self._process.stdin.flush()
        heard = self._hear()
        return heard["cpu"], heard["peak"]


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """Run a server on a directory."""
    command = [sys.executable, "-m", "benchmarks.local_glacier", "--serve", str(directory)]
    with programs.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Server(process)
        assert process.stdin
        process.stdin.close()


# --- a client that costs little


class Client:
    """One connection; requests are signed by botocore before they are timed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)

    def sign(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> dict[str, str]:
        """The headers of a signed request."""
        sent = {"x-amz-glacier-version": "2012-06-01", **(headers or {})}
        request = AWSRequest(method=method, url=self._url + path, headers=sent, data=body)
        SigV4Auth(Credentials(*KEYS), "glacier", REGION).add_auth(request)
        return dict(request.headers)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        """Send a request; the answer must be good."""
        self._connection.request(method, path, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return {name.lower(): value for name, value in answer.getheaders()}, content

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        """Sign and send."""
        return self.send(method, path, self.sign(method, path, headers, body), body)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def hashes(body: bytes) -> dict[str, str]:
    """Return the two headers of an upload."""
    tree = TreeHash()
    tree.update(body)
    return {
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-sha256-tree-hash": tree.hexdigest(),
    }


def in_parallel(url: str, work: list[tuple[str, str, dict[str, str], bytes]]) -> float:
    """Send signed requests on a few connections; return the seconds."""
    failures: list[BaseException] = []

    def send_some(some: list[tuple[str, str, dict[str, str], bytes]]) -> None:
        client = Client(url)
        try:
            for one in some:
                client.send(*one)
        except BaseException as error:  # noqa: BLE001  # raised by the one who waits
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=send_some, args=(work[at::CONNECTIONS],)) for at in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - began


# --- measurements


def measure_parts(server: Server, size: int, part_size: int) -> dict[str, Any]:
    """Measure one upload in parts."""
    client = Client(server.url)
    body = random.Random(1).randbytes(MIB) * (part_size // MIB)
    headers = hashes(body)
    client("PUT", VAULT)
    answer, _ = client("POST", f"{VAULT}/multipart-uploads", {"x-amz-part-size": str(part_size)})
    path = f"{VAULT}/multipart-uploads/{answer['x-amz-multipart-upload-id']}"
    work = []
    for start in range(0, size, part_size):
        span = {"Content-Range": f"bytes {start}-{start + part_size - 1}/*"}
        work.append(("PUT", path, client.sign("PUT", path, headers | span, body), body))
    before, _ = server.cost()
    seconds = in_parallel(server.url, work)
    cpu, peak = server.cost()
    client("DELETE", path)
    client.close()
    return {
        "megabytes_per_second": round(size / seconds / 1e6, 1),
        "server_cpu_s_per_gib": round((cpu - before) / (size / GIB), 3),
        "server_peak_mib": round(peak / MIB),
    }


def measure_floor(folder: Path, size: int, part_size: int) -> dict[str, Any]:
    """Measure hashing twice, writing and syncing the same bytes in one thread, without receiving."""
    body = memoryview(random.Random(1).randbytes(MIB) * (part_size // MIB))
    began, cpu = time.perf_counter(), time.process_time()
    for index in range(size // part_size):
        payload = hashlib.sha256()
        file = os.open(folder / f"floor-{index}", os.O_WRONLY | os.O_CREAT)
        for at in range(0, part_size, MIB):
            leaf = body[at : at + MIB]
            os.write(file, leaf)
            payload.update(leaf)
            hashlib.sha256(leaf)
        os.fsync(file)
        os.close(file)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return {
        "megabytes_per_second": round(size / seconds / 1e6, 1),
        "cpu_s_per_gib": round(cpu / (size / GIB), 3),
    }


def measure_small(server: Server, count: int) -> dict[str, Any]:
    """Measure many archives of a KiB, each in its own request."""
    client = Client(server.url)
    path = f"{VAULT}/archives"
    work = []
    for number in range(count):
        body = b"%1024d" % number
        headers = hashes(body) | {"x-amz-archive-description": str(number)}
        work.append(("POST", path, client.sign("POST", path, headers, body), body))
    before, _ = server.cost()
    seconds = in_parallel(server.url, work)
    cpu, _ = server.cost()
    client.close()
    return {
        "archives_per_second": round(count / seconds),
        "server_cpu_ms_each": round((cpu - before) / count * 1000, 2),
    }


def measure_vault(directory: Path, archives: int) -> dict[str, Any]:
    """Measure a vault of many archives: milliseconds of each operation, seconds of the long ones."""
    with serving(directory) as server:
        Client(server.url)("PUT", VAULT)
    fill_seconds = fill(directory, archives)
    with serving(directory) as server:
        client = Client(server.url)
        answer = json.loads(client("GET", VAULT)[1])
        assert answer["NumberOfArchives"] == archives
        figures = {
            "archives": archives,
            "database_mib": round((directory / "glacier.sqlite3").stat().st_size / MIB, 1),
            "fill_seconds": round(fill_seconds, 1),
            "open_seconds": round(server.open_seconds, 3),
            "describe_vault_ms": _milliseconds(client, "GET", VAULT),
            "list_vaults_ms": _milliseconds(client, "GET", "/-/vaults"),
            "list_jobs_ms": _milliseconds(client, "GET", f"{VAULT}/jobs"),
        }
        body = json.dumps({"Type": "inventory-retrieval"}).encode()
        before, _ = server.cost()
        began = time.perf_counter()
        job = client("POST", f"{VAULT}/jobs", body=body)[0]["x-amz-job-id"]
        while not json.loads(client("GET", f"{VAULT}/jobs/{job}")[1])["Completed"]:
            pass  # each look waits for the job, up to ten seconds
        figures["inventory_job_seconds"] = round(time.perf_counter() - began, 2)
        began = time.perf_counter()
        output = client("GET", f"{VAULT}/jobs/{job}/output")[1]
        figures["inventory_output_seconds"] = round(time.perf_counter() - began, 2)
        figures["inventory_mb"] = round(len(output) / 1e6, 1)
        assert output.count(b'"ArchiveId"') == archives
        cpu, peak = server.cost()
        figures["inventory_server_cpu_seconds"] = round(cpu - before, 2)
        small = b"1"
        figures["upload_ms"] = _milliseconds(client, "POST", f"{VAULT}/archives", hashes(small), small)
        ids = [entry["ArchiveId"] for entry in json.loads(output)["ArchiveList"][-20:]]
        figures["delete_ms"] = measure.median(
            [_milliseconds(client, "DELETE", f"{VAULT}/archives/{one}", rounds=1) for one in ids]
        )
        figures["server_peak_mib"] = round(peak / MIB)
        client.close()
    return figures


def _milliseconds(
    client: Client,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    rounds: int = 20,
) -> float:
    times = []
    for _ in range(rounds):
        signed = client.sign(method, path, headers, body)
        began = time.perf_counter()
        client.send(method, path, signed, body)
        times.append((time.perf_counter() - began) * 1000)
    return measure.median(times)


def fill(directory: Path, archives: int) -> float:
    """Write many archives into the records of a closed local Glacier's only vault; return the seconds.

    They have no bytes: they can be listed and deleted, but not retrieved.
    """
    began = time.perf_counter()
    now = int(time.time() * 1000)
    size = 5_000_000
    seeded = random.Random(1)
    db = sqlite3.connect(directory / "glacier.sqlite3", isolation_level=None)
    db.execute("BEGIN")
    numbers = range(1, archives + 1)
    db.executemany("INSERT INTO bodies VALUES (?)", ((number,) for number in numbers))
    db.executemany(
        "INSERT INTO pieces (body, start, size, file, tree_hash, leaves) VALUES (?, 0, ?, ?, ?, ?)",
        (
            (number, size, f"{number:032x}", digest, digest * 5)
            for number in numbers
            for digest in (seeded.randbytes(32),)
        ),
    )
    db.executemany(
        "INSERT INTO archives (id, vault, body, description, created, size, tree_hash) "
        "VALUES (?, 1, ?, ?, ?, ?, ?)",
        (
            (
                secrets.token_urlsafe(104)[:138],
                number,
                f"photos/2026/IMG_{number:07}.jpg",
                now - number,
                size,
                seeded.randbytes(32),
            )
            for number in numbers
        ),
    )
    total = archives * (size + SERVICE.archive_overhead)
    db.execute(
        "UPDATE vaults SET live_archives = :archives, live_size = :total, run = 1, inventoried = :now, "
        "listed_number = :archives, listed_archives = :archives, listed_size = :total",
        {"archives": archives, "total": total, "now": now},
    )
    db.execute("COMMIT")
    db.close()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks local_glacier", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--archives", type=int, default=0)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--fill", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    if options.fill:
        fill(Path(options.fill), options.archives)
        return
    if options.quick:
        options.size, options.small, options.archives = 16 * MIB, 20, 100
    figures: dict[str, Any] = {
        "size": options.size,
        "part_size": options.part_size,
        "connections": CONNECTIONS,
    }
    with tempfile.TemporaryDirectory() as folder:
        figures["floor"] = measure_floor(Path(folder), options.size, options.part_size)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        figures["parts"] = measure_parts(server, options.size, options.part_size)
        figures["small"] = measure_small(server, options.small)
    if options.archives:
        figures["vaults"] = []
        for archives in sorted({min(1000, options.archives), options.archives}):
            with tempfile.TemporaryDirectory() as folder:
                figures["vaults"].append(measure_vault(Path(folder), archives))
    measure.publish("local_glacier", figures)


if __name__ == "__main__":
    main()
