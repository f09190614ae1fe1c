"""Finding workers, and refusing those that cannot work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier.cluster
from aioglacier.client.glacier import connect
from aioglacier.cluster.dask_runner import open_runner
from aioglacier.core.errors import ClusterError, ClusterUnreachableError, UploadNotFoundError, WorkerDiedError
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import tree_hash
from aioglacier.files.shared import SharedFolder
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.store import Destination
from aioglacier.transfer.upload.part_run import UploadLook
from tests.cluster.conftest import dask_runner
from tests.cluster.test_runners import begin, do
from tests.transfer.conftest import DATA, MIB, saved

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served

OPTIONS = GatewayOptions(region_name="us-east-1", endpoint_url="http://127.0.0.1:9")


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Dask the error says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    # Another test of this process may have loaded them, or none.
    monkeypatch.delitem(sys.modules, "aioglacier.cluster.worker_tasks", raising=False)
    monkeypatch.delattr(aioglacier.cluster, "worker_tasks", raising=False)
    with pytest.raises(ClusterError, match=r"pip install aioglacier\[dask\]"):
        async with open_runner(OPTIONS, Limits(), address="tcp://127.0.0.1:9"):
            pass


@pytest.mark.slow
async def test_a_scheduler_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is not opened, and the error names the address."""
    monkeypatch.setattr("aioglacier.cluster.dask_runner._PATIENCE_SECONDS", 0.3)
    with pytest.raises(ClusterUnreachableError, match=r"tcp://127\.0\.0\.1:9"):
        async with open_runner(OPTIONS, Limits(), address="tcp://127.0.0.1:9"):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nonsense://x", "tls://127.0.0.1:9", "that of a web server"])
async def test_an_address_of_no_scheduler_is_refused(address: str, house: Served) -> None:
    """It is no scheduler later either, so the error is another one than for a scheduler that is gone."""
    address = address if "://" in address else house.server.url.replace("http://", "tcp://")
    with pytest.raises(ClusterError, match=address) as raised:
        async with open_runner(OPTIONS, Limits(), address=address):
            pass
    assert not isinstance(raised.value, ClusterUnreachableError)


async def test_processes_here_are_not_started_before_there_is_work() -> None:
    """A connection that only lists vaults starts nothing."""
    async with open_runner(OPTIONS, Limits(processes=64)) as runner:
        assert runner.smallest > 0


@pytest.mark.slow
async def test_a_main_module_without_a_guard_does_nothing_twice(tmp_path: Path) -> None:
    """A process that is started for another one refuses to connect, and both errors name the guard."""
    program = tmp_path / "program.py"
    program.write_text(_WITHOUT_GUARD)
    done = await anyio.run_process([sys.executable, str(program)], check=False, cwd=tmp_path)
    *others, last = done.stderr.decode().splitlines()
    assert done.stdout == b"connected\n"
    assert "ClusterError: no worker process could be started" in last
    assert 'below if __name__ == "__main__":' in last
    assert any("this process is being started for another one" in line for line in others)


@pytest.mark.slow
async def test_processes_here_end_in_silence(tmp_path: Path) -> None:
    """Neither Dask nor the program writes anything when the connection closes."""
    program = tmp_path / "program.py"
    program.write_text(
        _WITHOUT_GUARD.replace("\nasyncio.run", '\nif __name__ == "__main__":\n    asyncio.run')
    )
    done = await anyio.run_process([sys.executable, str(program)], check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"connected\n", b"")


_WITHOUT_GUARD = """
import asyncio
from aioglacier.cluster.dask_runner import open_runner
from aioglacier.files.shared import SharedFolder
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits

async def work():
    async with open_runner(GatewayOptions(region_name="us-east-1"), Limits(processes=1)) as runner:
        print("connected", flush=True)
        await runner.open()

asyncio.run(work())
"""


async def test_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, worker_tasks: Any, house: Served, scheduler: str
) -> None:
    """A worker with another version of the package is named before it is given anything."""
    describe = worker_tasks.describe
    calls = iter([worker_tasks.WorkerFacts("0.0.1", 1, "3.11")])  # the first call is that of this process
    monkeypatch.setattr(worker_tasks, "describe", lambda: next(calls, describe()))
    with pytest.raises(ClusterError, match=r"and this process 0\.0\.1") as caught:
        async with dask_runner(house, scheduler):
            pass
    assert caught.value.worker is not None
    assert caught.value.worker.startswith("tcp://")


async def test_a_worker_without_this_package_is_named(
    monkeypatch: pytest.MonkeyPatch, worker_tasks: Any, house: Served, scheduler: str
) -> None:
    """Dask sends only the text of the error that such a worker has."""
    here = iter([worker_tasks.describe()])

    def describe() -> object:
        for facts in here:
            return facts
        raise Exception("ModuleNotFoundError: aioglacier")  # noqa: TRY002  # as Dask does

    monkeypatch.setattr(worker_tasks, "describe", describe)
    with pytest.raises(ClusterError, match=r"has not the aioglacier .*: ModuleNotFoundError") as caught:
        async with dask_runner(house, scheduler):
            pass
    assert caught.value.worker is not None


async def test_a_worker_that_cannot_see_the_upload_is_named(dask: Runner) -> None:
    """The error has the worker's address and what the service answered it."""
    await dask.open()
    with pytest.raises(ClusterError, match="with the credentials that it finds") as caught:
        await dask.check(UploadLook(Destination("v"), UploadId("n" * 92)))
    assert caught.value.worker is not None
    assert not isinstance(caught.value, UploadNotFoundError)


async def test_a_worker_that_never_answers_is_waited_for_in_vain_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch, worker_tasks: Any, dask: Runner, file: Path
) -> None:
    """It may be stopped; nothing would end the wait."""
    await dask.open()
    monkeypatch.setattr("aioglacier.cluster.dask_runner._ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(worker_tasks, "look_at_shared", _hesitate)
    with pytest.raises(WorkerDiedError, match=r"within 0\.1 s"):
        await dask.check_shared(SharedFolder.of(str(file.parent)))


async def test_a_small_answer_comes_without_being_asked_for(
    monkeypatch: pytest.MonkeyPatch, dask: Runner, house: Served, file: Path
) -> None:
    """It arrives with the news that the task is done, so no request for it follows."""
    task = await begin(house, file)
    await dask.open()
    monkeypatch.setattr("distributed.Client._gather_remote", _refuse)
    assert [part.part for part in (await do(dask, task)).parts] == [2, 3, 4]


async def test_a_large_answer_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, worker_tasks: Any, dask: Runner, house: Served, file: Path
) -> None:
    """The scheduler does not keep it."""
    monkeypatch.setattr(worker_tasks, "_LARGEST_EVENT", 0)
    task = await begin(house, file)
    await dask.open()
    assert [part.part for part in (await do(dask, task)).parts] == [2, 3, 4]
    monkeypatch.setattr("distributed.Client._gather_remote", _refuse)
    with pytest.raises(AssertionError, match="asked"):
        await do(dask, task)


async def _hesitate(*_arguments: object) -> None:
    await anyio.sleep(1)


async def _refuse(*_arguments: object) -> None:
    raise AssertionError("asked for an answer")


@pytest.mark.slow
async def test_an_object_goes_through_a_connection(
    monkeypatch: pytest.MonkeyPatch, house: Served, scheduler: str, tmp_path: Path
) -> None:
    """A connection with the address of a scheduler sends a large object by its workers, who have own keys."""
    monkeypatch.setattr("aioglacier.cluster.dask_runner._SMALLEST", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    path = saved(tmp_path / "film.mkv", DATA[: 11 * MIB])
    async with connect(
        region_name="us-east-1",
        endpoint_url=house.server.url,
        s3_endpoint_url=house.server.url,
        cluster=scheduler,
    ) as glacier:
        bucket = await glacier.create_bucket("museum", "GLACIER")
        upload = await bucket.prepare_upload(path, key="film.mkv", part_size=8 * MIB)
        archived = await upload.run()
        assert upload.snapshot().workers == 2
        assert archived.tree_hash == b"" or archived.tree_hash == tree_hash(DATA[: 11 * MIB])
        head = await bucket.head("film.mkv")
        assert head.size == 11 * MIB
        assert head.checksum == archived.checksum
        assert not [each async for each in bucket.uploads()]
