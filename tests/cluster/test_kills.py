"""Uploads through a real scheduler and worker processes, each of which is killed by -9."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.treehash import TreeHash, tree_hash
from aioglacier.server import Fault, LocalGlacier
from aioglacier.server.requests.faults import FaultKind
from aioglacier.testing.served import ServedGlacier, serving
from tests.cli.conftest import MIB, Cli, data, wait_for
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forking import Fork

SIZE = 64 * MIB


@dataclass
class Rack:
    """A Glacier, a scheduler and two workers."""

    glacier: ServedGlacier
    cli: Cli
    scheduler: Fork
    workers: list[Fork]

    def sent(self) -> int:
        """Parts that have reached the service."""
        return int(self.glacier.status()["faults"][0]["met"])

    def wait_until_sent(self, parts: int) -> None:
        """Wait until so many more parts have reached the service."""
        goal = self.sent() + parts
        wait_for(lambda: self.sent() >= goal, seconds=600)


@contextmanager
def started(*arguments: str, folder: Path, environment: dict[str, str]) -> Iterator[Fork]:
    """A process of Dask."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with forks("dask").start(arguments, cwd=folder, env=environment, **quiet) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """Everything on loopback, and a service that takes its time for a part."""
    with ExitStack() as stack:
        server = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
        glacier = stack.enter_context(serving(server))
        glacier.add_faults(Fault("UploadMultipartPart", kind=FaultKind.DELAY, seconds=0.1, count=1 << 30))
        arguments = ("aioglacier", "--endpoint-url", glacier.url, "--region", "us-east-1", "--json")
        cli = Cli(tmp_path, arguments, {**glacier.environment, "PYTHONWARNINGS": "default"}, "dask")
        environment = {**os.environ, **cli.env()}
        about = tmp_path / "scheduler.json"

        def start(*words: str) -> Fork:
            return stack.enter_context(started(*words, folder=tmp_path, environment=environment))

        scheduler = start(
            "scheduler", *("--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={about}")
        )
        wait_for(lambda: about.exists() and about.read_text() != "", seconds=60)
        address = json.loads(about.read_text())["address"]
        worker = ("worker", address, "--nthreads=1", "--no-nanny", "--no-dashboard")
        workers = [start(*worker), start(*worker)]
        cli("vault", "create", "v")
        yield Rack(
            glacier,
            Cli(tmp_path, (*arguments, "--cluster", address), cli.environment, "dask"),
            scheduler,
            workers,
        )


def write_film(path: Path, size: int, seed: int) -> bytes:
    """Write a file of blocks that all differ, and return its tree hash."""
    hasher, block = TreeHash(), bytearray(data(MIB, seed))
    with path.open("wb") as file:
        for number in range(size // MIB):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
            hasher.update(block)
    return hasher.digest()


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [SIZE, pytest.param(2048 * MIB, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_kills_of_coordinator_worker_and_scheduler(size: int, rack: Rack) -> None:
    """Whichever process is killed, the same command ends with one exact archive and no upload beside it."""
    folder, upload = rack.cli.folder, ("upload", "v", "--part-size=1MiB", "--again", "film")
    made = []

    film, wait = folder / "film", size // MIB // 6
    expected = [write_film(film, size, 1)]
    with rack.cli.started(*upload) as coordinator:
        rack.wait_until_sent(wait)
        coordinator.send_signal(signal.SIGKILL)
        coordinator.wait()
    before = rack.sent()
    made.append(rack.cli(*upload).record)
    assert rack.sent() - before < size // MIB  # what the workers had done was found

    expected.append(write_film(film, size, 2))
    with rack.cli.started(*upload) as coordinator:
        rack.wait_until_sent(wait)
        rack.workers[0].kill()
        out, err = coordinator.communicate()
    made.append(rack.cli.judge(coordinator.returncode, out, err, 0).record)

    expected.append(write_film(film, size, 3))
    with rack.cli.started(*upload) as coordinator:
        rack.wait_until_sent(wait)
        rack.scheduler.kill()
        out, err = coordinator.communicate()
    failed = rack.cli.judge(coordinator.returncode, out, err, 5).error
    assert failed["error"] == "UploadFailedError"
    assert failed["upload_id"]
    alone = Cli(folder, rack.cli.arguments[:-2], rack.cli.environment, "dask")
    made.append(alone(*upload).record)

    assert [bytes.fromhex(each["tree_hash"]) for each in made] == expected
    assert len({each["archive_id"] for each in made}) == 3
    status = rack.glacier.status()
    assert (status["archives"], status["uploads"]) == (3, 0)


@pytest.mark.slow
def test_a_worker_that_is_taken_for_dead_goes_on(rack: Rack) -> None:
    """A worker stops with a bundle, is given up, and goes on beside its successor: all is stored once."""
    tree = rack.cli.folder / "tree"
    tree.mkdir()
    for number in range(280):  # the coordinator packs the first 64 MiB itself
        (tree / f"f{number:03}").write_bytes(data(MIB // 2, number))
    with rack.cli.started("sync", "tree", "v") as coordinator:
        asyncio.run(_take_for_dead(rack.cli.arguments[-1]))
        out, err = coordinator.communicate()
    assert (
        rack.cli.judge(coordinator.returncode, out, err, 0).records[-1]["archived"] == 281
    )  # with the folder
    status = rack.glacier.status()
    assert status["uploads"] == 0
    assert rack.cli("sync", "tree", "v").records[-1]["archived"] == 0
    rack.cli("restore", "v", "back", "--yes")
    assert {path.name: path.read_bytes() for path in tree.iterdir()} == {
        path.name: path.read_bytes() for path in (rack.cli.folder / "back").iterdir()
    }


async def _take_for_dead(address: str) -> None:
    """Make the scheduler give up a worker that has a task, and does not notice it until later."""
    from distributed import Client  # noqa: PLC0415  # takes a second to load

    async def give_up(dask_scheduler: Any) -> None:
        workers = dask_scheduler.workers.values()
        while not any(each.processing for each in workers):  # noqa: ASYNC110  # Dask has no event for it
            await asyncio.sleep(0.01)
        worker = next(each for each in workers if each.processing)
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            await dask_scheduler.remove_worker(worker.address, stimulus_id="taken-for-dead", close=False)
        finally:
            os.kill(worker.pid, signal.SIGCONT)

    async with Client(address, asynchronous=True, set_as_default=False) as client:
        await client.run_on_scheduler(give_up)


@pytest.mark.slow
@pytest.mark.long
def test_the_recipe_runs_as_it_stands(tmp_path: Path) -> None:
    """The commands of the page archive a file on loopback."""
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()
    (recipe,) = re.findall(r"```sh\n(dask scheduler.*?)```", page, re.DOTALL)
    (tmp_path / "film.mkv").write_bytes(content := data(SIZE))
    server = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    with serving(server) as glacier:
        cli = Cli(tmp_path, ("--endpoint-url", glacier.url, "--region", "us-east-1"), glacier.environment)
        cli("vault", "create", "archive")
        folder = str(Path(sys.executable).parent)
        environment = cli.env({"PYTHONWARNINGS": "default", "PATH": f"{folder}:{os.environ['PATH']}"})
        command = ["bash", "-mc", recipe]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=120
        )
        assert tree_hash(content).hex() in done.stdout.decode(), done.stderr
        assert glacier.status()["archives"] == 1
