"""Runners of every kind: in this process, in this process by a script, and by Dask over TCP."""

from __future__ import annotations

import importlib
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.cluster.dask_runner import open_runner
from aioglacier.core.errors import WorkerDiedError
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.range_run import perform_ranges
from aioglacier.transfer.store import GlacierStore
from aioglacier.transfer.upload.part_run import perform_run
from tests.transfer.conftest import DATA, MIB, Served, saved, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.core.models import UploadId
    from aioglacier.files.shared import SharedFile, SharedTarget
    from aioglacier.transfer.runner import JobSource, PartRun, RangeRun, RangesDone, RunDone, Runner
    from aioglacier.transfer.store import Destination


#: Ten parts and a bit.
WHOLE = DATA[: 10 * MIB + 7]


def load_worker_tasks() -> Any:
    """Return the module of workers, which imports Dask: a second for every process that collects tests."""
    return importlib.import_module("aioglacier.cluster.worker_tasks")


class HereRunner:
    """Does each task in this process, with the resources of a client.

    Attributes:
        answers: The answers given.
        running: Tasks that are done now.
    """

    smallest = 0

    def __init__(self, served: Served) -> None:
        self.answers: list[RunDone] = []
        self.running = 0
        self._served = served

    async def open(self) -> int:
        """Two at once."""
        return 2

    async def check_job(self, source: JobSource) -> None:
        """Look at the job."""
        await self._served.gateway.describe_job(source.vault, source.job_id)

    async def check_file(self, file: SharedFile | SharedTarget) -> None:
        """Look at the file."""
        if difference := file.difference_here():
            raise load_worker_tasks().not_shared(file, "here", difference)

    async def check_upload(self, destination: Destination, upload_id: UploadId) -> None:
        """Look at the upload."""
        await self._served.gateway.list_parts(destination.name, upload_id, limit=1)

    async def run(self, task: PartRun, take: Callable[[RunDone], Awaitable[None]]) -> None:
        """Do a task."""
        await self.check_file(task.file)
        done = await self.do(task)
        await take(done)
        self.answers.append(done)

    async def fetch(self, task: RangeRun, take: Callable[[RangesDone], Awaitable[None]]) -> None:
        """Fetch pieces."""
        await self.check_file(task.target)
        await take(await perform_ranges(task, self._served.gateway, self._served.resources))

    async def do(self, task: PartRun) -> RunDone:
        """Do a task, and keep the answer."""
        self.running += 1
        try:
            store = GlacierStore(self._served.gateway, task.destination.name, None)
            return await perform_run(task, store, self._served.resources)
        finally:
            self.running -= 1


class ScriptedRunner(HereRunner):
    """Loses the answer of every third task and does it again, does every third twice, delays every third.

    Attributes:
        dies_after: Tasks after which all processes are lost.
    """

    dies_after = 1 << 30

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        self._begun = 0
        self._others_done = anyio.Event()

    async def run(self, task: PartRun, take: Callable[[RunDone], Awaitable[None]]) -> None:
        """Do a task with some trouble."""
        await self.check_file(task.file)
        number, self._begun = self._begun, self._begun + 1
        if number >= self.dies_after:
            await self._others_done.wait()
            raise WorkerDiedError("the workers were lost")
        match number % 3:
            case 0:
                await self.do(task)
            case 1:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.do, task)
                    tasks.start_soon(self.do, task)
            case _:
                with anyio.move_on_after(0.05):
                    await self._others_done.wait()
        await super().run(task, take)
        self._others_done.set()

    async def fetch(self, task: RangeRun, take: Callable[[RangesDone], Awaitable[None]]) -> None:
        """Lose an answer, then fetch twice at once."""
        number, self._begun = self._begun, self._begun + 1
        if number >= self.dies_after:
            await self._others_done.wait()
            raise WorkerDiedError("the workers were lost")
        await super().fetch(task, _lose)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(super().fetch, task, _lose)
            await super().fetch(task, take)
        self._others_done.set()


async def _lose(_: object) -> None:
    """Forget an answer."""


@pytest.fixture
def worker_tasks() -> Any:
    """The module of workers."""
    return load_worker_tasks()


@asynccontextmanager
async def dask_scheduler() -> AsyncIterator[str]:
    """A scheduler and a worker in this process, which talk over TCP as others do; gives the address."""
    from distributed import Scheduler, Worker  # noqa: PLC0415  # takes a second to load

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    host = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    async with Scheduler(port=0, **host) as scheduler, Worker(scheduler.address, nthreads=2, **host):
        yield scheduler.address


@asynccontextmanager
async def dask_runner(served: Served, address: str) -> AsyncIterator[Runner]:
    """A runner for a local Glacier."""
    options = GatewayOptions(region_name="us-east-1", endpoint_url=served.server.url)
    async with open_runner(options, Limits(), address=address, is_local=True, smallest=0) as runner:
        yield runner


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A local Glacier and a client, for all tests of a module."""
    folder = tmp_path_factory.mktemp("glacier")
    async with serve(folder, Limits(memory=24 * MIB, hash_workers=2), "threads") as served:
        yield served


@pytest.fixture(scope="module")
async def scheduler(anyio_backend: str) -> AsyncIterator[str]:
    """The address of a scheduler whose worker does two tasks at once."""
    del anyio_backend
    async with dask_scheduler() as address:
        yield address


@pytest.fixture(scope="module")
async def dask(house: Served, scheduler: str) -> AsyncIterator[Runner]:
    """Dask."""
    async with dask_runner(house, scheduler) as runner:
        yield runner


@pytest.fixture(params=["here", "scripted", "dask"])
def runner(request: pytest.FixtureRequest, house: Served) -> Runner:
    """Each kind of runner."""
    if request.param == "dask":
        found: Runner = request.getfixturevalue("dask")
        return found
    return HereRunner(house) if request.param == "here" else ScriptedRunner(house)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ten parts and a bit."""
    return saved(tmp_path / "film.mkv", WHOLE)


def spread(served: Served, runner: Runner) -> Served:
    """The same client, whose files go through a runner."""
    resources = replace(served.resources, runner=runner)
    vault = type(served.vault)(replace(served.vault.context, resources=resources))
    return Served(served.server, served.gateway, resources, vault)
