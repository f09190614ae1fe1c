"""Archives that move to a bucket through runners of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.bulk.archives.output_run import OutputRun, OutputSpreader
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import ClusterError, GlacierError, IntegrityError, WorkerDiedError
from aioglacier.core.models import JobId, Tier, UploadId
from aioglacier.core.spending import Budget
from aioglacier.migrate import Migration, MigrationOptions
from aioglacier.transfer.download.retrieval_source import JobSource
from aioglacier.transfer.store import Destination
from tests.cluster.conftest import HereRunner, ScriptedRunner, spread_glacier
from tests.transfer.conftest import DATA, MIB

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.client.glacier import Glacier
    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served

#: Three parts of 8 MiB, and one request.
LARGE = (DATA * 3)[: 20 * MIB + 5]
SMALL = DATA[: MIB + 1]


async def fill(glacier: Glacier, runner: Runner, name: str) -> Migration:
    """Put two archives into a vault, and return their migration to a bucket."""
    vault = await glacier.create_vault(name)
    await vault.upload(LARGE, description="large")
    await vault.upload(SMALL, description="small")
    await glacier.create_bucket(name)
    return migration(glacier, runner, name)


def migration(glacier: Glacier, runner: Runner, name: str) -> Migration:
    """Return a migration by jobs that are done at once."""
    bucket = glacier.bucket(name, "DEEP_ARCHIVE", owner="012345678901")
    if isinstance(runner, HereRunner):
        runner.tools.s3_gateway = bucket.context.gateway
    budget = Budget(load_prices("us-east-1"), None)
    options = MigrationOptions(pace=PaceOptions(tier=Tier.EXPEDITED))
    return Migration(glacier.vault(name), bucket, budget, options)


async def content_of(glacier: Glacier, name: str, key: str) -> bytes:
    """Read an object that was moved."""
    retrieval = await glacier.bucket(name).retrieve(key, tier="Standard")
    await retrieval.wait_until_done()
    async with retrieval.open_reader() as reader:
        return await reader.read()


async def test_archives_are_moved_by_the_workers(
    runner: Runner, house: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts of a large archive go by tasks, a small one goes from here; both are proven, once."""
    name = f"move-{type(runner).__name__.lower()}"
    tasks: list[object] = []
    send = OutputSpreader.send

    async def noting(self: OutputSpreader, *args: object) -> object:
        tasks.append(args[2])
        return await send(self, *args)  # type: ignore[arg-type]  # they are passed on

    monkeypatch.setattr(OutputSpreader, "send", noting)
    counts = house.watch("InitiateJob", "CreateMultipartUpload", "CompleteMultipartUpload")
    async with spread_glacier(house, runner, tmp_path) as glacier:
        moving = await fill(glacier, runner, name)
        done = await moving.run()
        assert (done.restored, done.restored_size, done.failed) == (2, len(LARGE) + len(SMALL), 0)
        assert done.workers == 2
        assert len(tasks) == 1
        assert await content_of(glacier, name, "large") == LARGE
        assert await content_of(glacier, name, "small") == SMALL
        assert not [each async for each in glacier.bucket(name).uploads()]
        again = await migration(glacier, runner, name).run()
        assert (again.restored, again.there) == (0, 2)
    # Each run first tries whether it may begin an upload; the vault had one, too.
    assert counts() == {"InitiateJob": 2, "CreateMultipartUpload": 1 + 2, "CompleteMultipartUpload": 1 + 1}


async def test_a_move_goes_on_after_a_loss(house: Served, tmp_path: Path) -> None:
    """Parts that were recorded before all processes were lost are not sent again, also without workers."""
    runner = ScriptedRunner(house)
    runner.dies_after = 1
    async with spread_glacier(house, runner, tmp_path) as glacier:
        moving = await fill(glacier, runner, "lost")
        with pytest.raises(WorkerDiedError):
            await moving.run()
        counts = house.watch("UploadPart", "InitiateJob", "CreateMultipartUpload")
        runner.smallest = 1 << 40
        done = await migration(glacier, runner, "lost").run()
        assert (done.restored + done.there, done.failed) == (2, 0)
        assert await content_of(glacier, "lost", "large") == LARGE
    assert counts() == {"UploadPart": 2, "InitiateJob": 0, "CreateMultipartUpload": 1}  # to try the right


async def test_a_part_that_the_vault_does_not_vouch_for_is_not_sent(
    house: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker compares a part with the promised hash first."""
    runner = HereRunner(house)
    async with spread_glacier(house, runner, tmp_path) as glacier:
        moving = await fill(glacier, runner, "damaged")

        async def lie(*_: object) -> bytes:
            return b"\0" * 32

        monkeypatch.setattr("aioglacier.bulk.archives.job_bytes.JobBytes._fetch", lie)
        counts = house.watch("UploadPart", "CompleteMultipartUpload")
        await moving.run()
        failures = {path: type(error) for path, error in moving.failures}
        assert failures[b"large"] is IntegrityError
    assert counts() == {"UploadPart": 0, "CompleteMultipartUpload": 0}


async def test_workers_that_cannot_see_the_job_are_refused(runner: Runner) -> None:
    """The look before the first part names the trouble."""
    source = JobSource("v", JobId("n" * 92), 20 * MIB, None, allows_unverified=False)
    await runner.open()
    with pytest.raises((ClusterError, GlacierError)):
        await OutputSpreader(runner)._check(source, Destination("v"), UploadId("n" * 92))


def test_a_run_knows_its_bytes_and_its_name() -> None:
    """The last run is shorter, and a dashboard shows parts and key."""
    source = JobSource("v", JobId("j"), len(LARGE), None, allows_unverified=False)
    run = OutputRun(source, Destination("b", "old/film"), UploadId("u"), 8 * MIB, 1, 2)
    assert run.size == len(LARGE) - 8 * MIB
    assert run.title == "move-parts-1-to-2-of-film"
