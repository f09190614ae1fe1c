"""The functions that a worker process runs: checks of itself, and one task in an event loop of its own.

Dask loads these functions by name, so every worker needs this package. A function gets plain data and opens a
connection with the credentials that the worker finds in its own environment.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import anyio
import anyio.to_thread
from distributed import get_worker
from distributed.protocol.pickle import dumps
from distributed.worker import thread_state

from aioglacier.core.errors import ClusterError, GlacierError, NotSharedError, WorkerDiedError
from aioglacier.core.limits import KIB
from aioglacier.core.s3.objects import AUTO, BucketRef, ChecksumAlgorithm, ObjectSettings
from aioglacier.gateway.retried import RetriedServices, find_services
from aioglacier.tasks.groups import first_cause
from aioglacier.transfer.object_store import ObjectStore
from aioglacier.transfer.resources import TASK_VERSION, open_resources
from aioglacier.transfer.store import GlacierStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.cluster.site import Site
    from aioglacier.files.shared import Shared
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.gateway.vaults.gateway import Gateway
    from aioglacier.transfer.resources import Task, TransferResources
    from aioglacier.transfer.store import Destination

D = TypeVar("D")

#: Seconds between two looks at whether a task is still wanted.
_LOOK_SECONDS: Final = 0.2

#: Bytes of an answer that is also sent as an event. The scheduler keeps the last thousand of a client.
_LARGEST_EVENT: Final = 16 * KIB

#: The tasks that this process does now.
_running: Final[set[str]] = set()


class WorkerFacts(NamedTuple):
    """The things in which a worker must not differ from the process that gives it work."""

    package: str
    tasks: int
    python: str


def describe() -> WorkerFacts:
    """Describe this process."""
    return WorkerFacts(
        version("aioglacier"), TASK_VERSION, f"{sys.version_info.major}.{sys.version_info.minor}"
    )


async def look_at_shared(shared: Shared) -> str | None:
    """Return the fact in which a file or folder differs here, ``None`` if it is the same."""
    return await anyio.to_thread.run_sync(shared.difference_here)


async def look(task: Task[None], site: Site) -> str | None:
    """Do a task that only looks at something; return why that failed here, ``None`` if it did not."""
    try:
        with first_cause():
            async with AsyncExitStack() as stack:
                await task.perform(WorkerTools(site, 1, stack))
    except GlacierError as error:
        return str(error)
    return None


def list_running() -> list[str]:
    """Return the keys of the tasks that this process does."""
    return sorted(_running)


class Work:
    """A task and its ``Site`` for a worker. Dask looks for futures in tuples, and does not look in here.

    ``topic`` is that of the events with small answers.
    """

    __slots__ = ("site", "task", "topic")

    def __init__(self, task: Task[object], site: Site, topic: str) -> None:
        self.task = task
        self.site = site
        self.topic = topic


def perform(work: Work, slots: int) -> object:
    """Do a task in a thread of a worker.

    Raises:
        ClusterError: This process has another version than the one that gave the task.
        NotSharedError: The file is not the same one here.
        GlacierError: The task failed.
    """
    worker, key = get_worker(), thread_state.key
    task, site = work.task, work.site
    if (task.version, site.version) != (TASK_VERSION, version("aioglacier")):
        raise ClusterError(
            f"worker {worker.address} has aioglacier {version('aioglacier')}, not {site.version}",
            worker=worker.address,
        )
    shared = task.shared  # a worker may have come after the first look
    if shared is not None and (difference := shared.difference_here()):
        raise not_shared(shared, worker.address, difference)

    def is_wanted() -> bool:
        state = worker.state.tasks.get(key)
        return (
            state is not None and state.state != "cancelled" and worker.status.name in {"running", "paused"}
        )

    _running.add(key)
    try:
        done = asyncio.run(_perform(task, site, slots, is_wanted))
    except GlacierError as error:
        failure = error
    else:
        answer = dumps(done)
        if len(answer) <= _LARGEST_EVENT:
            worker.log_event(work.topic, (key, answer))
        return done
    finally:
        _running.discard(key)
    # Connections and sockets hang on the causes, and would keep the error from travelling.
    failure.__cause__ = failure.__context__ = None
    raise failure.with_traceback(None)


async def _perform(task: Task[D], site: Site, slots: int, is_wanted: Callable[[], bool]) -> D:
    done: list[D] = []
    with first_cause():
        # The stack outside: what a cancelled task has opened is closed in peace.
        async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, is_wanted, tasks.cancel_scope)
            done.append(await task.perform(WorkerTools(site, slots, stack)))
            tasks.cancel_scope.cancel()
    if not done:
        raise WorkerDiedError("the task was cancelled")
    return done[0]


class WorkerTools:
    """See ``Tools``. ``stack`` closes what was opened."""

    def __init__(self, site: Site, slots: int, stack: AsyncExitStack) -> None:
        """``slots`` is the number of tasks that all workers do at once."""
        self._site = site
        self._slots = slots
        self._stack = stack
        self._services: RetriedServices | None = None
        self._resources: TransferResources | None = None

    async def services(self) -> RetriedServices:
        """Return both services; each is opened when it is first used."""
        if self._services is None:
            options = self._site.options(self._slots)
            s3_options = replace(options, endpoint_url=self._site.s3_endpoint)
            self._services = await find_services(options, s3_options, self._stack)
        return self._services

    async def gateway(self) -> Gateway:
        """See ``Tools``."""
        return (await self.services()).vaults

    async def s3(self) -> S3Gateway:
        """See ``Tools``."""
        return (await self.services()).buckets

    async def resources(self) -> TransferResources:
        """See ``Tools``."""
        if self._resources is None:
            congestion = (await self.services()).congestion
            opening = open_resources(self._site.limits(self._slots), "threads", congestion)
            self._resources = await self._stack.enter_async_context(opening)
        return self._resources

    async def store(self, destination: Destination, part_size: int) -> GlacierStore | ObjectStore:
        """See ``Tools``."""
        name, key, algorithm, owner, is_requester_pays = destination
        if key is None:
            return GlacierStore(await self.gateway(), name, None)
        is_auto = algorithm == AUTO
        return ObjectStore(
            await self.s3(),
            BucketRef(name, owner, is_requester_pays),
            key,
            ObjectSettings(),
            algorithm=ChecksumAlgorithm.SHA256 if is_auto else ChecksumAlgorithm(algorithm),
            falls_back=is_auto,
            part_size=part_size,
        )


async def _watch(is_wanted: Callable[[], bool], scope: anyio.CancelScope) -> None:
    """Cancel the task when it is not wanted any more: Dask cannot stop a thread."""
    while is_wanted():  # noqa: ASYNC110  # Dask has no event for it
        await anyio.sleep(_LOOK_SECONDS)
    scope.cancel()


def not_shared(shared: Shared, worker: str, field: str) -> NotSharedError:
    """Return the error for a file or folder that is another one on a worker."""
    what = "cannot be read there" if field == "path" else f"has another {field} there"
    return NotSharedError(
        f"{shared.path!r} is not the same on worker {worker}: it {what}. Other machines need it on a file "
        "system that all of them share, under the same path",
        path=shared.path,
        worker=worker,
        field=field,
    )
