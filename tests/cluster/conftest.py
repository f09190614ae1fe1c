"""Runners of every kind: in this process, in this process by a script, and by Dask over TCP."""

from __future__ import annotations

import importlib
import logging
import pickle
import secrets
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest

from aioglacier.catalog import Catalog
from aioglacier.client.glacier import connect
from aioglacier.cluster.dask_runner import open_runner
from aioglacier.core.errors import WorkerDiedError
from aioglacier.core.s3.objects import BucketRef, ObjectSettings
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.object_store import ObjectStore
from aioglacier.transfer.store import GlacierStore
from tests.transfer.conftest import DATA, MIB, Served, saved, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.files.shared import Shared
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.resources import Runner, Task, TransferResources
    from aioglacier.transfer.store import ArchiveStore, Destination

D = TypeVar("D")

#: Two parts of 8 MiB.
SMALL_MEMORY = 16 * MIB

#: Ten parts and a bit.
WHOLE = DATA[: 10 * MIB + 7]


def load_worker_tasks() -> Any:
    """Return the module of workers, which imports Dask: a second for every process that collects tests."""
    return importlib.import_module("aioglacier.cluster.worker_tasks")


class HereTools:
    """The tools of a task, with the resources of a client.

    Attributes:
        s3_gateway: For tasks that go to a bucket.
    """

    s3_gateway: S3Gateway | None = None

    def __init__(self, served: Served) -> None:
        self._served = served

    async def gateway(self) -> Gateway:
        """Return that of the client."""
        return self._served.gateway

    async def s3(self) -> S3Gateway:
        """Return that of the bucket."""
        assert self.s3_gateway is not None
        return self.s3_gateway

    async def resources(self) -> TransferResources:
        """Return that of the client."""
        return replace(self._served.resources, runner=None)

    async def store(self, destination: Destination, part_size: int) -> ArchiveStore[object]:
        """Return a vault or a bucket."""
        name, key, _, owner, _ = destination
        if key is None:
            return GlacierStore(self._served.gateway, name, None)
        ref = BucketRef(name, owner)
        return ObjectStore(await self.s3(), ref, key, ObjectSettings(), part_size=part_size)


class HereRunner:
    """Does each task in this process, with the resources of a client.

    Attributes:
        answers: The answers given.
        tasks: The tasks that were given.
        tools: What they are done with.
    """

    smallest = 0

    def __init__(self, served: Served) -> None:
        self.answers: list[object] = []
        self.tasks: list[Task[Any]] = []
        self.tools = HereTools(served)

    async def open(self) -> int:
        """Two at once."""
        return 2

    async def check(self, task: Task[None]) -> None:
        """Look."""
        await task.perform(self.tools)

    async def check_shared(self, shared: Shared) -> None:
        """Look at a file or folder."""
        if difference := shared.difference_here():
            raise load_worker_tasks().not_shared(shared, "here", difference)

    async def run(self, task: Task[D], take: Callable[[D], Awaitable[None]]) -> None:
        """Do a task."""
        self.tasks.append(task)
        done = await self.do(task)
        await take(done)
        self.answers.append(done)

    async def do(self, task: Task[D]) -> D:
        """Do a task whose description has travelled."""
        there = pickle.loads(pickle.dumps(task))  # noqa: S301  # made here
        if there.shared is not None:
            await self.check_shared(there.shared)
        done: D = pickle.loads(pickle.dumps(await there.perform(self.tools)))  # noqa: S301  # made here
        return done


class ScriptedRunner(HereRunner):
    """Loses the answer of every third task and does it again, does every third twice, delays every third.

    A bundle that has to be packed again is not disturbed again.

    Attributes:
        dies_after: Tasks after which all processes are lost.
    """

    dies_after = 1 << 30

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        self._begun = 0
        self._packed: set[str] = set()
        self._others_done = anyio.Event()

    async def run(self, task: Task[D], take: Callable[[D], Awaitable[None]]) -> None:
        """Do a task with some trouble."""
        number, self._begun = self._begun, self._begun + 1
        if number >= self.dies_after:
            await self._others_done.wait()
            raise WorkerDiedError("the workers were lost")
        is_again = task.title.startswith("pack-") and task.title in self._packed
        self._packed.add(task.title)
        match 2 if is_again else number % 3:
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
    async with open_runner(
        options, Limits(), served.server.url, address, is_local=True, smallest=0
    ) as runner:
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


@asynccontextmanager
async def spread_glacier(
    house: Served, runner: Runner, folder: Path, memory: int = 128 * MIB
) -> AsyncIterator[Glacier]:
    """A client with a catalog, whose work goes through a runner."""
    async with (
        Catalog.open(folder / "catalog.db") as catalog,
        connect(
            region_name="us-east-1",
            endpoint_url=house.server.url,
            s3_endpoint_url=house.server.url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            limits=Limits(memory=memory),
            catalog=catalog,
        ) as glacier,
    ):
        glacier._resources = replace(glacier._resources, runner=runner)
        yield glacier


@asynccontextmanager
async def folder_vault(house: Served, runner: Runner, folder: Path) -> AsyncIterator[Vault]:
    """A vault of its own in a client whose parts of bundles fit the budget of a task in this process."""
    async with spread_glacier(house, runner, folder, SMALL_MEMORY) as glacier:
        yield await glacier.create_vault(f"v-{secrets.token_hex(4)}")
