"""Tasks carried by Dask: to processes that are started on this machine, or by a scheduler to others.

Dask gives a task of a worker that died to another one, and forgets what it knew if its scheduler dies. So
nothing rests on its memory: see ``transfer.resources``.

A request for a result takes two messages, and a third of the coordinator's CPU for a task. So a worker sends
a small answer ahead, as an event in the stream that also says that the task is done. The coordinator asks for
larger answers, and for those whose event is missing.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import secrets
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from aioglacier.cluster.site import Site
from aioglacier.core.errors import ClusterError, ClusterUnreachableError, WorkerDiedError
from aioglacier.core.limits import MIB
from aioglacier.tasks.see_through import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.files.shared import Shared
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.transfer.budget.allowance import Limits
    from aioglacier.transfer.resources import Task

D = TypeVar("D")

#: Processes that have to be started first take some seconds of CPU, as long as a GiB.
_SMALLEST_LOCAL: Final = 1024 * MIB

#: Two runs of parts.
_SMALLEST: Final = 64 * MIB

#: Seconds to wait for a scheduler, and for its first worker.
_PATIENCE_SECONDS: Final = 20.0

#: Seconds to wait for what every worker is asked: the credentials that one looks for may be on a network.
_ANSWER_SECONDS: Final = 180.0

#: Seconds for which the number of workers is taken as known.
_COUNT_SECONDS: Final = 2.0

_LOOK_SECONDS: Final = 0.1

#: Dask looks at its processes for pages that are not shown here, a hundred times a second.
_QUIET: Final = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.nanny.pre-spawn-environ": {},  # which makes memory go back to the system at once
}

#: Dask would show the lines of this module that submit a task, and would look for them at each one.
_NO_SOURCE: Final = {"distributed.diagnostics.computations.nframes": 0}

_NO_PAGES: Final = "127.0.0.1:0"

_GUARD: Final = (
    "Each one loads the main module of the program, so a program with Limits(processes=...) needs its calls "
    'below if __name__ == "__main__":'
)


class DaskRunner:
    """See ``Runner``. Made by ``open_runner``."""

    def __init__(
        self, worker: Any, site: Site, address: str | None, processes: int, smallest: int | None
    ) -> None:
        """``worker`` has the functions that run in a worker."""
        default = _SMALLEST_LOCAL if address is None else _SMALLEST
        self.smallest: Final = default if smallest is None else smallest
        self._worker = worker
        self._site = site
        self._processes = processes
        self._address = address
        self._stack = AsyncExitStack()
        self._opening = anyio.Lock()
        self._client: Any = None
        self._answers: dict[str, bytes | None] = {}  # of the tasks that are being done, as they come
        self._slots = 0
        self._counted = 0.0

    async def open(self) -> int:
        """See ``Runner``."""
        async with self._opening:
            if self._client is None:
                with anyio.CancelScope(shield=True):  # or half of a cluster would stay
                    await self._start()
            if time.monotonic() > self._counted + _COUNT_SECONDS:
                await self._count()
            return self._slots

    async def check_shared(self, shared: Shared) -> None:
        """See ``Runner``."""
        answers = await self._ask_each(self._worker.look_at_shared, shared)
        for address, difference in answers.items():
            if difference is not None:
                raise self._worker.not_shared(shared, address, difference)

    async def check(self, task: Task[None]) -> None:
        """See ``Runner``."""
        for address, trouble in (await self._ask_each(self._worker.look, task, self._site)).items():
            if trouble is not None:
                raise ClusterError(
                    f"worker {address} cannot work with the credentials that it finds: {trouble}",
                    worker=address,
                )

    async def run(self, task: Task[D], take: Callable[[D], Awaitable[None]]) -> None:
        """See ``Runner``."""
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415  # loaded
        from distributed.comm.core import CommClosedError  # noqa: PLC0415
        from distributed.protocol.pickle import loads  # noqa: PLC0415

        key = f"{task.title}-{secrets.token_hex(4)}"
        # Dask would look for futures in a tuple of 8,000 paths for a second.
        work = self._worker.Work(task, self._site, self._client.id)
        future = self._client.submit(self._worker.perform, work, self._slots, key=key, pure=False)
        self._answers[key] = None
        try:
            await self._client.futures[key].wait()
            early = self._answers[key]
            done = await future if early is None else loads(early)
            await take(done)  # before the only other memory of it is released
        except asyncio.CancelledError:  # of this process; Dask's own is another class
            await self._stop(future)
            raise
        except (KilledWorker, CancelledError, CommClosedError) as error:
            raise WorkerDiedError("the Dask scheduler or its workers were lost") from error
        finally:
            del self._answers[key]
            future.release()

    def _take_early(self, event: tuple[float, Any]) -> None:
        """Keep the answer to a task that is still waited for; a task that was done twice has two."""
        _, message = event
        if isinstance(message, list | tuple):  # the scheduler's own are dicts
            key, answer = message
            if key in self._answers:
                self._answers[key] = answer

    def _end_early_answers(self) -> None:
        """End the subscription, or the scheduler would report in it that the client has left, and fail."""
        from distributed.client import ClosedClientError  # noqa: PLC0415  # loaded

        with suppress(ClosedClientError):  # the scheduler was lost
            self._client.unsubscribe_topic(self._client.id)

    async def _stop(self, future: Any) -> None:
        """Cancel a task and wait until no worker does it: an upload must not get parts after its end."""
        with anyio.move_on_after(GRACE_SECONDS, shield=True):
            with suppress(WorkerDiedError):
                await self._client.cancel([future], force=True)
                while await self._is_running(future.key):  # noqa: ASYNC110  # in another process
                    await anyio.sleep(_LOOK_SECONDS)

    async def _is_running(self, key: str) -> bool:
        return any(key in keys for keys in (await self._ask_each(self._worker.list_running)).values())

    async def _ask_each(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Call a function in every worker process; return the answers by address."""
        assert self._client is not None  # noqa: S101  # ``open`` comes first
        try:
            with anyio.fail_after(_ANSWER_SECONDS):
                answers = await self._client.run(function, *args, on_error="return")
        except TimeoutError:
            raise WorkerDiedError(
                f"not every worker answered within {_ANSWER_SECONDS:g} s; Dask's own page shows which hangs"
            ) from None
        except Exception as error:  # Dask raises what it likes for a worker that leaves meanwhile
            raise WorkerDiedError("the Dask scheduler or its workers were lost") from error
        for address, answer in answers.items():
            is_missing = isinstance(answer, ModuleNotFoundError | AttributeError | ImportError)
            # Dask often sends only the text of an error. A description fails only if it cannot be loaded.
            if function is self._worker.describe and not isinstance(answer, OSError):
                is_missing |= isinstance(answer, Exception)
            if is_missing:
                raise ClusterError(
                    f"worker {address} has not the aioglacier {self._site.version} of this process: {answer}",
                    worker=address,
                )
            if isinstance(answer, Exception):
                raise WorkerDiedError(f"worker {address} could not answer: {answer}") from answer
        return dict(answers)

    # --- opening

    async def _start(self) -> None:
        import dask.config  # noqa: PLC0415  # loaded
        from distributed import Client, LocalCluster  # noqa: PLC0415

        address: Any = self._address
        # A lost connection is an error of ours, and no page of tracebacks beside it.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        if address is None:
            logging.getLogger("distributed").setLevel(logging.CRITICAL)  # workers that end as they like
            with dask.config.set(_QUIET):
                cluster = LocalCluster(
                    n_workers=self._processes,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    # Or pages with the state of all would be served to every machine.
                    dashboard_address=_NO_PAGES,
                    worker_dashboard_address=_NO_PAGES,
                    scheduler_kwargs={"dashboard": False},
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                    asynchronous=True,
                )
                try:
                    address = await self._stack.enter_async_context(cluster)
                except RuntimeError as error:
                    raise ClusterError(f"no worker process could be started: {error} {_GUARD}") from error
        self._stack.enter_context(dask.config.set(_NO_SOURCE))
        try:
            client = Client(address, asynchronous=True, set_as_default=False, timeout=_PATIENCE_SECONDS)
            self._stack.push_async_callback(client.close)  # also one that finds no scheduler
            self._client = await client
            # Otherwise Dask measures each message, 0.2 ms a task, to find those that a thread should pack.
            client.scheduler_comm.comm.allow_offload = False
            client.subscribe_topic(client.id, self._take_early)
            self._stack.callback(self._end_early_answers)
            await self._client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
        except (ValueError, TypeError, ImportError, MemoryError) as error:
            # It takes the length of a message from whatever answers there.
            what = "another program answers there" if isinstance(error, MemoryError) else str(error)
            raise ClusterError(
                f"no Dask scheduler can be reached at {self._address}: {what}. An address is "
                "tcp://HOST:8786, or tls://HOST:8786 with the certificates in Dask's configuration"
            ) from error
        except (OSError, TimeoutError) as error:
            raise ClusterUnreachableError(
                f"no Dask scheduler with workers answers at {self._address}: {error}; check the address, or "
                "start them and run the command again"
            ) from error
        here = self._worker.describe()
        for address, there in (await self._ask_each(self._worker.describe)).items():
            if there != here:
                raise ClusterError(
                    f"worker {address} has aioglacier {there.package} (tasks {there.tasks}) on Python "
                    f"{there.python}, and this process {here.package} (tasks {here.tasks}) on {here.python}; "
                    "install the same everywhere",
                    worker=address,
                )
        await self._count()

    async def _count(self) -> None:
        assert self._client is not None  # noqa: S101  # opened
        self._slots = max(1, sum((await self._client.nthreads()).values()))
        self._counted = time.monotonic()

    async def aclose(self) -> None:
        """End the processes that were started here, and leave others."""
        await self._stack.aclose()


@asynccontextmanager
async def open_runner(
    options: GatewayOptions,
    limits: Limits,
    s3_endpoint: str = "",
    address: str | None = None,
    *,
    is_local: bool = False,
    smallest: int | None = None,
) -> AsyncIterator[DaskRunner]:
    """Open a runner: a scheduler is looked for at once, processes here are started when there is work.

    Args:
        options: Of the connection, with region and endpoint as they were found.
        limits: Of the connection.
        s3_endpoint: The endpoint of S3, "" for AWS's own.
        address: Of a scheduler, as tcp://HOST:8786; ``None`` for ``limits.processes`` on this machine.
        is_local: Whether the endpoint is a local Glacier, which needs no credentials.
        smallest: Bytes of a file that is worth it; ``None`` chooses.

    Raises:
        ClusterError: Dask is not installed, there is no scheduler, or a worker differs from this process; or
            this is one of the processes to be started, and it loads a main module that connects.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # At once: the program would do again, in each process, all that it does before its first large file.
        raise ClusterError(f"this process is being started for another one. {_GUARD}")
    site = Site.of(options, limits, s3_endpoint or None, is_local=is_local, is_here=address is None)
    worker = await _load_worker()
    runner = DaskRunner(worker, site, address, limits.processes or 1, smallest)
    try:
        if address is not None:
            await runner.open()
        yield runner
    finally:
        with anyio.CancelScope(shield=True):
            await runner.aclose()


async def _load_worker() -> Any:
    """Load the functions of a worker, and Dask with them, which takes a second."""

    def load() -> Any:
        try:
            from aioglacier.cluster import worker_tasks  # noqa: PLC0415  # see above
        except ImportError as error:
            raise ClusterError(
                f"other processes need Dask: pip install aioglacier[dask] ({error})"
            ) from error
        return worker_tasks

    return await anyio.to_thread.run_sync(load)
