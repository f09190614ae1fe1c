"""The parties of a move: two servers that can be killed and started again, and the program."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.endurance.served import Served
from tests.forking import forks
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

VAULT: Final = "old"
TARGET: Final = "s3://museum/old"
OWNER: Final = "210987654321"

#: A run that takes longer hangs.
LONGEST_SECONDS: Final = 1800

#: The program has so many connections; with this memory, each carries a part of 16 MiB at most.
_CONNECTIONS: Final = 4
_MEMORY_MIB: Final = 256

#: What an archive can lose at a kill: the bytes that are fetched or sent, and not on record.
_UNRECORDED: Final = """
SELECT a.size, coalesce(m.part_size, a.size), m.state,
    (SELECT count(*) FROM moved_parts AS p WHERE p.moved = m.number)
FROM moved AS m JOIN archives AS a ON a.number = m.archive WHERE m.state IN ('ready', 'open', 'completing')
"""

#: Faults that only count how often an operation was asked for.
COUNTED: Final = ("InitiateJob", "GetJobOutput", "UploadPart", "PutObject")

_SERVER: Final = """
import sys, anyio
from aioglacier.server import LocalGlacier

async def main():
    folder, account, port = sys.argv[1:]
    async with LocalGlacier(
        folder, port=int(port), account_id=account, job_delay=0, inventory_lag=0, is_durable=False
    ) as server:
        print(server.port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


class Host:
    """A server that can be killed and started again on the same port."""

    def __init__(self, folder: Path, account: str) -> None:
        self._folder, self._account, self._port = folder, account, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._faults: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.start()

    @property
    def served(self) -> Served:
        """The running server."""
        return Served(f"http://127.0.0.1:{self._port}")

    def start(self) -> None:
        """Start it, with the faults that it had."""
        command = [sys.executable, "-c", _SERVER, str(self._folder), self._account, str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        if self._faults:
            self.served.control("POST", "faults", self._faults)

    def kill(self) -> None:
        """Kill it, as ``kill -9`` would, and keep what it has counted."""
        if self._process is None or self._process.poll() is not None:
            return
        self._count()
        self._process.kill()
        self._process.communicate()

    def trouble(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Set the faults, and count operations from now on."""
        self._count()
        self.served.control("DELETE", "faults")
        counters = [{"operation": name, "kind": "delay", "count": None} for name in COUNTED]
        self._faults = [*counters, *({"count": None} | dict(fault) for fault in faults)]
        self.served.control("POST", "faults", self._faults)

    def _count(self) -> None:
        for each in self.served.control("GET", "status")["faults"]:
            if each["kind"] == "delay":
                self.counts[each["operation"]] += each["met"]
                self.counts[f"{each['operation']} bytes"] += each["met_size"]
            else:
                self.counts[f"{each['operation']} {each['kind']}"] += each["struck"]
                self.counts[f"{each['operation']} struck"] += each["struck_size"]


class Tenant:
    """The program with a catalog, beside two servers."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self._folder, self._source, self._target = folder, source, target

    def start(self, *words: str, crash_at: str = "") -> Any:
        """Start the program."""
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "AIOGLACIER_CRASH_AT": crash_at,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        options = [f"--endpoint-url={self._source}", "--region=us-east-1", "--json", "--quiet"]
        options += [f"--concurrency={_CONNECTIONS}", f"--memory-limit={_MEMORY_MIB}MiB"]
        options += [f"--catalog={self._folder / 'catalog.db'}"]
        return forks().start([*options, *words], cwd=self._folder, env=environment)

    def run(self, *words: str) -> tuple[int, list[dict[str, Any]], str]:
        """Run the program; return its exit code, its records and its messages."""
        return ended(self.start(*words), LONGEST_SECONDS)

    def in_flight(self) -> int:
        """Return the bytes that a kill at this moment loses: of each archive the parts under way."""
        with closing(sqlite3.connect(self._folder / "catalog.db", timeout=60)) as catalog:
            rows = catalog.execute(_UNRECORDED).fetchall()
        return sum(
            # An archive of one part is on record before it is sent.
            size if size <= part_size else min(size - parts * part_size, _CONNECTIONS * part_size)
            for size, part_size, state, parts in rows
            if size <= part_size or state != "completing"
        )

    def move_words(self, *words: str, owner: str = OWNER) -> list[str]:
        """Return the words of a command about the vault and the bucket."""
        return ["migrate", *words, VAULT, TARGET, f"--to-endpoint-url={self._target}", f"--to-owner={owner}"]


def ended(process: Any, seconds: float) -> tuple[int, list[dict[str, Any]], str]:
    """Wait for the end of a run, and kill it after so many seconds."""
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate(timeout=60)
    records = [json.loads(line) for line in (out or b"").splitlines() if line.endswith(b"}")]
    return process.returncode or 0, records, (err or b"").decode()


@contextmanager
def killing(
    hosts: Sequence[Host], tenant: Tenant, counts: Counter[str], chance: random.Random
) -> Iterator[None]:
    """Kill a server some seconds after the beginning of the block, and start it again."""
    host = chance.choice(hosts)

    def strike() -> None:
        counts["in flight"] += tenant.in_flight()
        host.kill()
        host.start()

    timer = threading.Timer(chance.uniform(0.5, 4), strike)
    timer.start()
    try:
        yield
    finally:
        timer.join()
