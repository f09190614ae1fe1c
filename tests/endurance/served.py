"""A local Glacier in a process of its own, so that its leaks and failures do not count as ours."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aioglacier
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier.catalog import Catalog
    from aioglacier.client.glacier import Glacier


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        url: Its endpoint.
    """

    url: str

    def connect(
        self, *, memory_limit: int, catalog: Catalog | None = None
    ) -> AbstractAsyncContextManager[Glacier]:
        """Connect to it from this process."""
        return aioglacier.connect(
            endpoint_url=self.url,
            s3_endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",  # any pair will do, the server checks none
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            limits=aioglacier.Limits(memory=memory_limit),
            catalog=catalog,
        )

    def control(self, method: str, path: str, content: object = None) -> Any:
        """Call a control endpoint: ``status``, ``faults``, ``clock`` or ``inventory``."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=body, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)


#: A server without fsync, which halves its cost.
_CARELESS = """
import sys, anyio
from aioglacier.server import LocalGlacier

async def main():
    async with LocalGlacier(sys.argv[1], job_delay=0, inventory_lag=0, is_durable=False) as server:
        print(server.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


@contextmanager
def serving_carelessly(folder: Path) -> Iterator[Served]:
    """Run a server on a folder without fsync, for tests in which no power fails."""
    command = ["-c", _CARELESS, str(folder)]
    streams = {"stdin": subprocess.PIPE, "stderr": 2}
    with forks().start(command, cwd=folder.parent, env=os.environ, **streams) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 20)
            assert ready, "the server did not start within 20 s"
            yield Served(process.stdout.readline().decode().strip())
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run ``aioglacier serve`` on a folder; jobs are done and inventories taken at once."""
    command = [sys.executable, "-m", "aioglacier", "serve", str(folder), "--job-delay", "0"]
    with subprocess.Popen(
        [*command, "--inventory-lag", "0", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 20)
            assert ready, "the server did not start within 20 s"
            yield Served(process.stdout.readline().decode().strip())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
