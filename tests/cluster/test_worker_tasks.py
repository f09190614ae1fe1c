"""The functions of workers, as a worker runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import ClusterError
from tests.cluster.test_runners import begin, do, look

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served


@pytest.mark.slow
async def test_a_task_of_another_version_is_refused(
    worker_tasks: Any, dask: Runner, house: Served, file: Path
) -> None:
    """A worker that came after the first look refuses tasks that it may not understand."""
    task = (await begin(house, file))._replace(version=0)
    await dask.open()
    with pytest.raises(ClusterError, match="has aioglacier") as caught:
        await do(dask, task)
    assert caught.value.worker is not None
    assert not worker_tasks.list_running()


@pytest.mark.parametrize(
    ("field", "words"), [("path", "it cannot be read there"), ("mtime", "it has another mtime there")]
)
def test_a_file_that_differs_is_described(worker_tasks: Any, field: str, words: str, file: Path) -> None:
    """The message names file, worker and fact, and what other machines need."""
    error = worker_tasks.not_shared(look(file), "tcp://10.0.0.7:4000", field)
    assert words in str(error)
    assert "tcp://10.0.0.7:4000" in str(error)
    assert (error.path, error.field) == (str(file), field)


async def test_a_worker_looks_at_a_file_without_stopping_its_loop(worker_tasks: Any, file: Path) -> None:
    """The same file has no difference."""
    assert await worker_tasks.look_at_shared(look(file)) is None
