"""Jobs and uploads come to their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

MIB = 1024 * 1024
HOUR = 3600


async def test_jobs_vanish_24_hours_after_completion(server: LocalGlacier, boto: Boto) -> None:
    """Description, list entry and output go together."""
    archive_id = await boto.upload(b"x")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    await server.advance(24 * HOUR - 60)
    assert await boto.output(job_id) == b"x"
    await server.advance(60)
    assert (await boto.refused("describe_job", jobId=job_id))[2] == f"The job ID was not found: {job_id}"
    assert (await boto.refused("get_job_output", jobId=job_id))[0] == 404
    assert (await boto("list_jobs"))["JobList"] == []


async def test_a_finished_job_outlives_its_archive(server: LocalGlacier, boto: Boto, tmp_path: Path) -> None:
    """The bytes stay until the job expires, and then go."""
    archive_id = await boto.upload_parts(b"x" * MIB + b"y", MIB, archiveDescription="kept")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    await boto("describe_job", jobId=job_id)
    await boto("delete_archive", archiveId=archive_id)
    await server.advance(HOUR)
    assert await boto.output(job_id) == b"x" * MIB + b"y"
    assert (await boto("get_job_output", jobId=job_id, range="bytes=0-0"))["archiveDescription"] == "kept"
    await server.advance(24 * HOUR)
    assert list((tmp_path / "glacier" / "data").glob("*/*")) == []


async def test_a_running_job_fails_when_its_archive_is_deleted(
    faithful: LocalGlacier, slow_boto: Boto
) -> None:
    """It ends on time, as Failed, without output."""
    archive_id = await slow_boto.upload(b"x")
    job_id = await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    await slow_boto("delete_archive", archiveId=archive_id)
    await faithful.advance(4 * HOUR)
    job = await slow_boto("describe_job", jobId=job_id)
    assert (job["StatusCode"], job["Completed"]) == ("Failed", True)
    assert job["StatusMessage"]
    assert (await slow_boto.refused("get_job_output", jobId=job_id))[0] == 400
