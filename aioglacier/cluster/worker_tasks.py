"""The functions that a worker process runs: checks of itself, and one task in an event loop of its own.

Dask loads these functions by name, so every worker needs this package. A function gets plain data and opens a
connection with the credentials that the worker finds in its own environment.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread
from distributed import get_worker
from distributed.worker import thread_state

from aioglacier.core.errors import ClusterError, GlacierError, NotSharedError, WorkerDiedError
from aioglacier.core.s3.objects import AUTO, BucketRef, ChecksumAlgorithm, ObjectSettings
from aioglacier.gateway.retried import open_retrying_gateway, open_retrying_s3_gateway
from aioglacier.tasks.groups import first_cause
from aioglacier.transfer.download.range_run import perform_ranges
from aioglacier.transfer.object_store import ObjectStore
from aioglacier.transfer.resources import open_resources
from aioglacier.transfer.runner import TASK_VERSION, PartRun, RangeRun
from aioglacier.transfer.store import GlacierStore
from aioglacier.transfer.upload.part_run import perform_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioglacier.cluster.site import Site
    from aioglacier.core.models import UploadId
    from aioglacier.files.shared import SharedFile, SharedTarget
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
    from aioglacier.transfer.runner import JobSource, RangesDone, RunDone
    from aioglacier.transfer.store import Destination

#: Seconds between two looks at whether a task is still wanted.
_LOOK_SECONDS: Final = 0.2

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


async def look_at_file(file: SharedFile | SharedTarget) -> str | None:
    """Return the fact in which a file differs here, ``None`` if it is the same."""
    return await anyio.to_thread.run_sync(file.difference_here)


async def look_at_upload(site: Site, destination: Destination, upload_id: UploadId) -> str | None:
    """Return why this process cannot send to an upload, ``None`` if it sees it. A vault charges nothing."""
    try:
        async with open_retrying_gateway(site.options(1)) as gateway:
            if destination.key is None:
                await gateway.list_parts(destination.name, upload_id, limit=1)
                return None
            async with open_retrying_s3_gateway(_s3_options(site), gateway) as s3:
                await s3.list_parts(_bucket(destination), destination.key, upload_id, limit=1)
    except GlacierError as error:
        return str(error)
    return None


async def look_at_job(site: Site, source: JobSource) -> str | None:
    """Return why this process cannot fetch a job's output, ``None`` if it sees the job."""
    try:
        async with open_retrying_gateway(site.options(1)) as gateway:
            await gateway.describe_job(source.vault, source.job_id)
    except GlacierError as error:
        return str(error)
    return None


def list_running() -> list[str]:
    """Return the keys of the tasks that this process does."""
    return sorted(_running)


def perform(task: PartRun | RangeRun, site: Site, slots: int) -> RunDone | RangesDone:
    """Do a task, in a thread of a worker.

    Raises:
        ClusterError: This process has another version than the one that gave the task.
        NotSharedError: The file is not the same one here.
        GlacierError: The task failed.
    """
    worker, key = get_worker(), thread_state.key
    if (task.version, site.version) != (TASK_VERSION, version("aioglacier")):
        raise ClusterError(
            f"worker {worker.address} has aioglacier {version('aioglacier')}, not {site.version}",
            worker=worker.address,
        )
    file = task.file if isinstance(task, PartRun) else task.target
    if difference := file.difference_here():  # a worker that came after the first look
        raise not_shared(file, worker.address, difference)

    def is_wanted() -> bool:
        state = worker.state.tasks.get(key)
        return (
            state is not None and state.state != "cancelled" and worker.status.name in {"running", "paused"}
        )

    _running.add(key)
    try:
        return asyncio.run(_perform(task, site, slots, is_wanted))
    except GlacierError as error:
        failure = error
    finally:
        _running.discard(key)
    # Connections and sockets hang on the causes, and would keep the error from travelling.
    failure.__cause__ = failure.__context__ = None
    raise failure.with_traceback(None)


async def _perform(
    task: PartRun | RangeRun, site: Site, slots: int, is_wanted: Callable[[], bool]
) -> RunDone | RangesDone:
    done: RunDone | RangesDone | None = None
    with first_cause():
        async with AsyncExitStack() as stack:
            options = site.options(slots)
            gateway = await stack.enter_async_context(open_retrying_gateway(options))
            opening = open_resources(site.limits(slots), "threads", gateway.congestion)
            resources = await stack.enter_async_context(opening)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, is_wanted, tasks.cancel_scope)
                if isinstance(task, RangeRun):
                    done = await perform_ranges(task, gateway, resources)
                else:
                    store = await stack.enter_async_context(_open_store(task, site, gateway))
                    done = await perform_run(task, store, resources)
                tasks.cancel_scope.cancel()
    if done is None:
        raise WorkerDiedError("the task was cancelled")
    return done


@asynccontextmanager
async def _open_store(
    task: PartRun, site: Site, gateway: RetryingGateway
) -> AsyncIterator[GlacierStore | ObjectStore]:
    name, key, algorithm, *_ = task.destination
    if key is None:
        yield GlacierStore(gateway, name, None)
        return
    async with open_retrying_s3_gateway(_s3_options(site), gateway) as s3:
        is_auto = algorithm == AUTO
        checksum = ChecksumAlgorithm.SHA256 if is_auto else ChecksumAlgorithm(algorithm)
        bucket, size, settings = _bucket(task.destination), task.part_size, ObjectSettings()
        yield ObjectStore(s3, bucket, key, settings, algorithm=checksum, falls_back=is_auto, part_size=size)


async def _watch(is_wanted: Callable[[], bool], scope: anyio.CancelScope) -> None:
    """Cancel the task when it is not wanted any more: Dask cannot stop a thread."""
    while is_wanted():  # noqa: ASYNC110  # Dask has no event for it
        await anyio.sleep(_LOOK_SECONDS)
    scope.cancel()


def not_shared(file: SharedFile | SharedTarget, worker: str, field: str) -> NotSharedError:
    """Return the error for a file that is another one on a worker."""
    what = "cannot be read there" if field == "path" else f"has another {field} there"
    return NotSharedError(
        f"{file.path!r} is not the same file on worker {worker}: it {what}. Other machines need the file on "
        "a file system that all of them share, under the same path",
        path=file.path,
        worker=worker,
        field=field,
    )


def _s3_options(site: Site) -> GatewayOptions:
    return replace(site.options(1), endpoint_url=site.s3_endpoint)


def _bucket(destination: Destination) -> BucketRef:
    return BucketRef(destination.name, destination.owner, destination.is_requester_pays)
