"""A full disk, and files that differ from the records."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread
from botocore.exceptions import HTTPClientError

from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Make the writing of longer files fail in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_an_upload_that_finds_no_room_is_a_500_and_leaves_nothing(
    boto: Boto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The service cannot complete it now; the next one may succeed."""
    with no_file_longer_than(2 * MIB):
        answer = await boto.refused("upload_archive", body=bytes(8 * MIB))
    assert answer[:2] == (500, "ServiceUnavailableException")
    assert list((tmp_path / "glacier" / "incoming").iterdir()) == []
    assert (await boto("describe_vault"))["NumberOfArchives"] == 0
    caplog.clear()
    await boto.upload(bytes(8 * MIB))


@pytest.mark.slow
async def test_an_inventory_that_finds_no_room_fails_as_a_job(tmp_path: Path) -> None:
    """With a message, and the next one succeeds."""
    async with LocalGlacier(tmp_path) as server:
        await Boto(server.url)("create_vault")
    record_archives(tmp_path, 3000)
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        with no_file_longer_than(2 * MIB):
            job_id = await boto.job(Type="inventory-retrieval", Format="CSV")
            job = await boto("describe_job", jobId=job_id)
        assert (job["StatusCode"], job["StatusMessage"]) == ("Failed", "The job output could not be written.")
        assert len((await boto.inventory())["ArchiveList"]) == 3000
    assert list((tmp_path / "incoming").iterdir()) == []


def record_archives(directory: Path, count: int) -> None:
    """Put records of archives, each of more than a kilobyte, into a closed server's directory."""
    db = sqlite3.connect(directory / "glacier.sqlite3")
    with db:
        db.executemany(
            "INSERT INTO archives (id, vault, body, description, created, size, tree_hash) "
            "VALUES (?, 1, 0, ?, 0, 1, ?)",
            [(str(number), "d" * 1000, bytes(32)) for number in range(count)],
        )
        db.execute("UPDATE vaults SET live_archives = ?, changed = 1", (count,))
    db.close()


async def test_a_file_shorter_than_its_record_breaks_the_download(
    boto: Boto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The announced length cannot be kept, and the client notices."""
    archive_id = await boto.upload(bytes(3 * MIB))
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    (path,) = (tmp_path / "glacier" / "data").glob("*/*")
    with path.open("r+b") as file:
        file.truncate(2 * MIB + 5)
    answer = await boto("get_job_output", jobId=job_id)
    with pytest.raises(HTTPClientError):
        await to_thread.run_sync(answer["body"].read)
    assert "job output could not be read" in caplog.text
    caplog.clear()


async def test_a_missing_file_breaks_the_download_too(
    boto: Boto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other archives are served as always."""
    archive_id = await boto.upload(b"gone")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    (path,) = (tmp_path / "glacier" / "data").glob("*/*")
    path.unlink()
    with pytest.raises(HTTPClientError):
        await boto.output(job_id)
    caplog.clear()
    assert (await boto("describe_job", jobId=job_id))["StatusCode"] == "Succeeded"
