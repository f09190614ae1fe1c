"""Jobs and downloads on record, so that nothing is paid for twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.catalog import Catalog, DownloadState, JobState, VaultKey
from aioglacier.catalog.records import JobRecord
from aioglacier.core.errors import CatalogError, CatalogMismatchError
from aioglacier.core.models import InventoryFormat, InventoryParameters, JobAction, JobId, Tier
from aioglacier.core.ranges import ByteRange
from tests.catalog.conftest import FILMS, NOON, PHOTOS, archive

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

FOLLOWING = {
    "intent": {"open", "failed", "gone"},
    "open": {"succeeded", "failed", "gone"},
    "succeeded": {"gone"},
    "failed": {"open", "gone"},
    "gone": set[str](),
}


async def test_the_life_of_a_job(catalog: Catalog) -> None:
    """Recorded before it is paid for, and found again by what it is about."""
    job = await catalog.jobs.record_intent(
        PHOTOS,
        JobAction.ARCHIVE_RETRIEVAL,
        archive_id=archive(1).id,
        byte_range=ByteRange(0, 1 << 20),
        tier=Tier.BULK,
    )
    assert (job.state, job.job_id, job.tier) == (JobState.INTENT, None, Tier.BULK)
    assert await catalog.jobs.find_nonce(job.nonce) == job
    job = await catalog.jobs.record_initiated(job, JobId("-j"))
    assert await catalog.jobs.find(PHOTOS, JobId("-j")) == job
    job = await catalog.jobs.record_state(job, JobState.SUCCEEDED)
    alike = (PHOTOS, archive(1).id, ByteRange(0, 1 << 20))
    assert await catalog.jobs.list_like(*alike) == [job]
    assert [one async for one in catalog.jobs.list_useful()] == [job]
    gone = await catalog.jobs.record_state(job, JobState.GONE, "its day is over")
    assert gone.outcome == "its day is over"
    assert await catalog.jobs.list_like(*alike) == []
    assert [one async for one in catalog.jobs.list_useful(PHOTOS)] == []
    assert await catalog.jobs.get(job) == gone


async def test_a_job_gives_what_lies_in_it(catalog: Catalog) -> None:
    """A job for a whole archive gives every range; another archive, vault or inventory is another job."""
    retrieval, inventory = JobAction.ARCHIVE_RETRIEVAL, JobAction.INVENTORY_RETRIEVAL
    part = ByteRange(1 << 20, 3 << 20)
    some = await catalog.jobs.record_intent(PHOTOS, retrieval, archive_id=archive(1).id, byte_range=part)
    listed = InventoryParameters(format=InventoryFormat.JSON, start_date=NOON, limit=10, marker="m")
    listing = await catalog.jobs.record_intent(PHOTOS, inventory, inventory=listed)
    assert listing.inventory == listed
    like = catalog.jobs.list_like
    assert await like(PHOTOS) == [listing]
    assert await like(PHOTOS, archive(1).id) == []
    assert await like(PHOTOS, archive(1).id, part) == [some]
    assert await like(PHOTOS, archive(1).id, ByteRange(1 << 20, 2 << 20)) == [some]
    assert await like(PHOTOS, archive(1).id, ByteRange(0, 2 << 20)) == []
    assert await like(PHOTOS, archive(1).id, ByteRange(2 << 20, 4 << 20)) == []
    whole = await catalog.jobs.record_intent(PHOTOS, retrieval, archive_id=archive(1).id, tier=Tier.BULK)
    assert await like(PHOTOS, archive(1).id) == [whole]
    assert await like(PHOTOS, archive(1).id, part) == [whole, some]
    assert await like(PHOTOS, archive(2).id) == []
    assert await like(FILMS, archive(1).id, part) == []


@pytest.mark.slow
@pytest.mark.parametrize("before", JobState)
async def test_only_steps_of_the_table_are_taken(catalog: Catalog, before: JobState) -> None:
    """A job that has failed never succeeds, and what is gone stays gone."""
    for after in list(JobState)[1:]:
        job = await catalog.jobs.record_intent(PHOTOS, JobAction.INVENTORY_RETRIEVAL)
        if before not in {"intent", "gone", "failed"}:
            await catalog.jobs.record_initiated(job, JobId(f"j{after}"))
        if before not in {"intent", "open"}:
            await catalog.jobs.record_state(job, before)
        if after in FOLLOWING[before] or after is before:
            assert (await catalog.jobs.record_state(job, after)).state is after
        else:
            with pytest.raises(CatalogError, match=f"is {before} and cannot become {after}"):
                await catalog.jobs.record_state(job, after)


async def test_a_job_has_one_id_and_one_vault(catalog: Catalog) -> None:
    """DC-09: another id, and the same id in another vault, are refused."""
    job = await catalog.jobs.record_intent(PHOTOS, JobAction.INVENTORY_RETRIEVAL)
    await catalog.jobs.record_initiated(job, JobId("one"))
    with pytest.raises(CatalogMismatchError, match="job one, but this is job two"):
        await catalog.jobs.record_initiated(job, JobId("two"))
    assert await catalog.jobs.find(PHOTOS, JobId("two")) is None
    with pytest.raises(CatalogMismatchError, match="us-east-1"):
        await catalog.jobs.find(VaultKey("photos", "us-east-1"), JobId("one"))


async def test_steps_of_many_jobs_at_once(catalog: Catalog) -> None:
    """They are written together, each with its own values; one that is refused harms no other."""
    retrieval = JobAction.ARCHIVE_RETRIEVAL
    jobs = await gathered(
        [catalog.jobs.record_intent(PHOTOS, retrieval, archive_id=archive(at).id) for at in range(20)]
    )
    assert [job.archive_id for job in jobs] == [archive(at).id for at in range(20)]
    jobs = await gathered([catalog.jobs.record_initiated(job, JobId(f"-{job.number}")) for job in jobs])
    assert [job.job_id for job in jobs] == [f"-{job.number}" for job in jobs]
    failed, succeeded = JobState.FAILED, JobState.SUCCEEDED
    steps = [catalog.jobs.record_state(job, failed, f"{job.number}") for job in jobs[:10]]
    steps += [catalog.jobs.record_state(job, succeeded) for job in jobs[10:]]
    refused = catalog.jobs.record_initiated(jobs[10], JobId("other"))
    *ended, error = await asyncio.gather(*steps, refused, return_exceptions=True)
    assert isinstance(error, CatalogMismatchError)
    assert ended == await gathered([catalog.jobs.get(job) for job in jobs])
    assert [job.state for job in ended if isinstance(job, JobRecord)] == [failed] * 10 + [succeeded] * 10
    assert [job.outcome for job in ended[:10] if isinstance(job, JobRecord)] == [
        f"{job.number}" for job in jobs[:10]
    ]


async def test_steps_of_one_job_at_once(catalog: Catalog) -> None:
    """The second step begins where the first one ends, also if both are written together."""
    job = await catalog.jobs.record_intent(PHOTOS, JobAction.INVENTORY_RETRIEVAL)
    other = await catalog.jobs.record_intent(PHOTOS, JobAction.INVENTORY_RETRIEVAL)
    steps = [
        catalog.jobs.record_initiated(other, JobId("-o")),
        catalog.jobs.record_initiated(job, JobId("-j")),
        catalog.jobs.record_state(job, JobState.SUCCEEDED),
        catalog.jobs.record_state(job, JobState.GONE),
    ]
    await gathered(steps)
    last = await catalog.jobs.get(job)
    assert (last.state, last.job_id) == (JobState.GONE, "-j")


async def gathered(records: Sequence[Coroutine[Any, Any, JobRecord]]) -> list[JobRecord]:
    """Make records at once."""
    return list(await asyncio.gather(*records))


async def test_the_life_of_a_download(catalog: Catalog) -> None:
    """Begun again it is the same one; ended it is not found any more."""
    job = await catalog.jobs.record_intent(PHOTOS, JobAction.ARCHIVE_RETRIEVAL, archive_id=archive(1).id)
    target = "/films/\udcff.mkv"
    download = await catalog.downloads.record_begun(job, target)
    assert await catalog.downloads.record_begun(job, target) == download
    assert await catalog.downloads.find_unfinished(target) == download
    assert await catalog.downloads.job_of(download) == job
    assert await catalog.downloads.find_unfinished("/films") is None
    ended = await catalog.downloads.record_ended(download, DownloadState.COMPLETED)
    assert (ended.state, ended.target) == (DownloadState.COMPLETED, target)
    assert await catalog.downloads.find_unfinished(target) is None
    assert await catalog.downloads.record_begun(job, target) != download
