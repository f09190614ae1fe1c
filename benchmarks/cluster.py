"""What do other processes cost beside this one alone, and what does a task cost its coordinator?

The same file, cached, goes to the same sink by one process alone and through Dask to one worker, in turns.
CPU is that of the process and all its children, without the sink, and without the start of Dask, which is
shown beside it. Then tasks of one small part each show what a task costs the coordinator. The scheduler is
another process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from aioglacier.client.glacier import connect
from aioglacier.client.vault import Vault
from aioglacier.cluster.dask_runner import open_runner
from aioglacier.files.reading import FileIdentity
from aioglacier.files.shared import SharedFile
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.store import Destination
from aioglacier.transfer.upload.part_run import PartRun
from benchmarks import measure, turns
from benchmarks.clients import KEYS
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.transfer.resources import Runner
    from aioglacier.transfer.upload.part_run import RunDone


def _cpu_seconds(*others: int) -> float:
    """Return the CPU that this process and its children have used, without those named and their children."""
    total = 0.0
    spared = {pid for other in others for pid in _tree(other)}
    for pid in _tree(os.getpid()) - spared:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _tree(pid: int) -> set[int]:
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()


async def _compare(options: Any, url: str, path: str, sink: int) -> dict[str, Any]:
    """Return CPU seconds of both ways, and of the start of one worker."""
    place = GatewayOptions(region_name="us-east-1", endpoint_url=url)
    alone: list[float] = []
    spread: list[float] = []
    async with connect(region_name="us-east-1", endpoint_url=url) as glacier:
        vault = glacier.vault("v")
        before = _cpu_seconds(sink)
        async with open_runner(place, Limits(processes=1), smallest=0) as runner:
            await runner.open()
            start = _cpu_seconds(sink) - before
            context = replace(vault.context, resources=replace(vault.context.resources, runner=runner))
            for _ in range(options.rounds + 1):  # the first of each loads what it needs
                for client, found in ((vault, alone), (Vault(context), spread)):
                    before = _cpu_seconds(sink)
                    await client.upload(path, part_size=options.part_size)
                    found.append(_cpu_seconds(sink) - before)
    alone, spread = alone[1:], spread[1:]
    ratios = [there / here for there, here in zip(spread, alone, strict=True)]
    return {
        "alone_cpu_s": [measure.median(alone), *measure.spread(alone)],
        "spread_cpu_s": [measure.median(spread), *measure.spread(spread)],
        "ratio": [measure.median(ratios), *measure.spread(ratios)],
        "start_cpu_s": start,
    }


@asynccontextmanager
async def _elsewhere(folder: Path, url: str) -> AsyncIterator[Runner]:
    """Open a runner to a scheduler and a worker that are processes of their own."""
    about = folder / "scheduler.json"
    module = [sys.executable, "-W", "ignore", "-m"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as stack:

        def start(*words: str) -> None:
            process = stack.enter_context(subprocess.Popen([*module, *words], **quiet))
            stack.callback(process.kill)

        start(
            "distributed.cli.dask_scheduler",
            *("--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={about}"),
        )
        while not about.exists() or not about.read_text():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.05)
        address = json.loads(about.read_text())["address"]
        start("distributed.cli.dask_worker", address, "--nthreads=2", "--no-nanny", "--no-dashboard")
        place = GatewayOptions(region_name="us-east-1", endpoint_url=url)
        async with open_runner(place, Limits(), address=address) as runner:
            yield runner


async def _tasks(options: Any, url: str, path: str, folder: Path) -> dict[str, Any]:
    """Return milliseconds of the coordinator's CPU for a task."""
    shared = SharedFile.of(path, FileIdentity.of(os.stat(path)))  # noqa: PTH116  # before anything runs
    done: list[RunDone] = []

    async def take(answer: RunDone) -> None:
        await asyncio.sleep(0)
        done.append(answer)

    async with _elsewhere(folder, url) as runner:
        count = options.tasks

        async def give_out(first: int) -> None:
            for part in range(first, count, 4):
                index = part % (shared.size // MIB)
                await runner.run(PartRun(shared, Destination("v"), None, MIB, index, 1), take)

        await give_out(count - 4)  # loads what is needed
        done.clear()
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.gather(*(give_out(first) for first in range(4)))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return {
        "tasks": len(done),
        "coordinator_cpu_ms_a_task": cpu / len(done) * 1000,
        "tasks_a_second": len(done) / wall,
        "task_ms": measure.median([each.seconds * 1000 for each in done]),
        "worker_cpu_ms_a_task": measure.median([each.cpu_seconds * 1000 for each in done]),
    }


def main() -> None:
    """Measure and print."""
    parser = turns.parser("cluster", __doc__, rounds=3)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, default=16 * MIB)
    parser.add_argument("--tasks", type=int, default=400)
    options = parser.parse_args()
    if options.quick:
        options.size, options.rounds, options.tasks = 64 * MIB, 1, 20
    os.environ.update({name.upper(): value for name, value in KEYS.items()})
    with turns.opened(Sink()) as place:
        path = place.source(options.size)
        sink = next(
            child.pid for child in psutil.Process().children() if "benchmarks.sink" in child.cmdline()
        )
        found = asyncio.run(_compare(options, place.task.url, path, sink))
        found |= asyncio.run(_tasks(options, place.task.url, path, place.folder))
    measure.publish("cluster", {"size": options.size, "part_size": options.part_size, **found})


if __name__ == "__main__":
    main()
