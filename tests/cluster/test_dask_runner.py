"""Finding workers, and refusing those that cannot work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import aioglacier.cluster
from aioglacier.cluster.dask_runner import open_runner
from aioglacier.cluster.worker_tasks import WorkerFacts, describe
from aioglacier.core.errors import ClusterError, UploadNotFoundError
from aioglacier.core.models import UploadId
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.store import Destination
from tests.cluster.conftest import dask_runner

if TYPE_CHECKING:
    from aioglacier.transfer.runner import Runner
    from tests.transfer.conftest import Served

OPTIONS = GatewayOptions(region_name="us-east-1", endpoint_url="http://127.0.0.1:9")


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Dask the error says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "aioglacier.cluster.worker_tasks")
    monkeypatch.delattr(aioglacier.cluster, "worker_tasks")
    with pytest.raises(ClusterError, match=r"pip install aioglacier\[dask\]"):
        async with open_runner(OPTIONS, Limits(), address="tcp://127.0.0.1:9"):
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
async def test_a_scheduler_that_is_not_there_is_reported(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is not opened, and the error names the address."""
    monkeypatch.setattr("aioglacier.cluster.dask_runner._PATIENCE_SECONDS", 0.3)
    with pytest.raises(ClusterError, match=address):
        async with open_runner(OPTIONS, Limits(), address=address):
            pass


async def test_processes_here_are_not_started_before_there_is_work() -> None:
    """A connection that only lists vaults starts nothing."""
    async with open_runner(OPTIONS, Limits(processes=64)) as runner:
        assert runner.smallest > 0


async def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, house: Served) -> None:
    """A worker with another version of the package is named before it is given anything."""
    calls = iter([WorkerFacts("0.0.1", 1, "3.11")])  # the first call is that of this process
    monkeypatch.setattr("aioglacier.cluster.worker_tasks.describe", lambda: next(calls, describe()))
    with pytest.raises(ClusterError, match=r"and this process 0\.0\.1") as caught:
        async with dask_runner(house):
            pass
    assert caught.value.worker is not None
    assert caught.value.worker.startswith("tcp://")


async def test_a_worker_that_cannot_see_the_upload_is_named(dask: Runner) -> None:
    """The error has the worker's address and what the service answered it."""
    await dask.open()
    with pytest.raises(ClusterError, match="with the credentials that it finds") as caught:
        await dask.check_upload(Destination("v"), UploadId("n" * 92))
    assert caught.value.worker is not None
    assert not isinstance(caught.value, UploadNotFoundError)
