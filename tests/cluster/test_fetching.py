"""Downloads through runners of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import ClusterError, GlacierError, NotSharedError, WorkerDiedError
from aioglacier.core.models import JobId
from aioglacier.core.ranges import ByteRange
from aioglacier.files.shared import SharedTarget
from aioglacier.transfer.download import download
from aioglacier.transfer.download.range_run import JobLook, RangeRun
from aioglacier.transfer.download.retrieval_source import JobSource
from tests.cluster.conftest import WHOLE, ScriptedRunner, spread
from tests.transfer.conftest import MIB, Served

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.client.job import Job
    from aioglacier.transfer.download.range_run import RangesDone
    from aioglacier.transfer.resources import Runner


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 1 MiB, so that a few MiB are several runs."""
    monkeypatch.setattr(download, "choose_piece_size", lambda _: MIB)


async def job_of(house: Served) -> Job:
    """Return a finished job whose output is the whole of an archive."""
    archive = await house.vault.upload(WHOLE)
    job = await house.vault.retrieve(archive.id, tier="Expedited")
    await job.wait_until_done()
    return job


def bytes_of(path: Path) -> bytes:
    """Read a file."""
    return path.read_bytes()


def names_in(folder: Path) -> list[str]:
    """List a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.mark.slow
async def test_a_file_is_fetched(runner: Runner, house: Served, tmp_path: Path) -> None:
    """All bytes come through the processes, each at its place, and the file gets its name at the end."""
    job = spread(house, runner).vault.job((await job_of(house)).id)
    fetching = await job.prepare_download(tmp_path / "film")
    await fetching.run()
    assert bytes_of(tmp_path / "film") == WHOLE
    assert names_in(tmp_path) == ["film"]
    counters = fetching.snapshot()
    assert (counters.done, counters.moved, counters.workers) == (len(WHOLE), len(WHOLE), 2)


@pytest.mark.slow
async def test_a_part_of_an_output_is_fetched_here(runner: Runner, house: Served, tmp_path: Path) -> None:
    """A range whose pieces only the catalog proves is no work for others."""
    archive = await house.vault.upload(WHOLE)
    job = await house.vault.retrieve(archive.id, byte_range=ByteRange(0, 4 * MIB))
    await job.wait_until_done()
    fetching = await spread(house, runner).vault.job(job.id).prepare_download(tmp_path / "film")
    await fetching.run()
    assert bytes_of(tmp_path / "film") == WHOLE[: 4 * MIB]


async def test_a_fetch_goes_on_after_a_loss(house: Served, tmp_path: Path) -> None:
    """Pieces that were recorded before all processes were lost are not fetched again."""
    runner, job_id = ScriptedRunner(house), (await job_of(house)).id
    runner.dies_after = 2
    job = spread(house, runner).vault.job(job_id)
    with pytest.raises(WorkerDiedError):
        await job.download(tmp_path / "film")
    assert not (tmp_path / "film").exists()  # a name in a test's folder
    counts = house.watch("GetJobOutput")
    await house.vault.job(job_id).download(tmp_path / "film")
    assert bytes_of(tmp_path / "film") == WHOLE
    assert 0 < counts()["GetJobOutput"] < 11


async def test_another_target_and_another_job_are_refused(runner: Runner, tmp_path: Path) -> None:
    """A process that would write to another file, or cannot see the job, says so before it fetches."""
    path = tmp_path / "film"
    path.write_bytes(b"x" * MIB)  # a small file
    source = JobSource("v", JobId("n" * 92), MIB, None, allows_unverified=True)
    target = SharedTarget(str(path), 1, MIB)

    async def take(done: RangesDone) -> None:
        raise AssertionError(done)

    await runner.open()
    for refused in (runner.check_shared(target), runner.run(RangeRun(target, source, (0, MIB)), take)):
        with pytest.raises(NotSharedError) as caught:
            await refused
        assert caught.value.field == "inode"
    with pytest.raises((ClusterError, GlacierError)):
        await runner.check(JobLook(source))
    assert bytes_of(path) == b"x" * MIB
