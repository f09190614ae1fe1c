"""The decisions of the command line, made by a program through the public library alone.

Two machines share a service and have a catalog each.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import Catalog
from aioglacier.server import Fault, LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MIB = 1024 * 1024
PARTS = 3
DATA = bytes(range(251)) * (PARTS * MIB // 251)


@dataclass(frozen=True)
class Machines:
    """One vault as two machines see it, and a file that both have."""

    server: LocalGlacier
    here: aioglacier.Vault
    there: aioglacier.Vault
    file: Path

    async def interrupted(self) -> str:
        """Begin to upload the file here, and be refused the last part; return the upload's id."""
        self.server.faults.add(
            Fault("UploadMultipartPart", where=f"bytes {2 * MIB}-", code="AccessDeniedException")
        )
        with pytest.raises(aioglacier.AccessDeniedError) as caught:
            async with self.here.open_or_resume(self.file, description="film", part_size=MIB) as upload:
                await upload.run()
        assert caught.value.upload_id is not None
        unfinished = await self.here.unfinished_upload(caught.value.upload_id)
        assert 0 < len([part async for part in unfinished.parts()]) < PARTS
        self.server.faults.add(Fault("UploadMultipartPart", first=1_000))  # never strikes, but counts
        return unfinished.id

    def count_parts(self) -> int:
        """Return how many parts were sent since the fault."""
        return int(self.server.faults.snapshot()[-1]["met"])


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    """Return two connections to one local Glacier, with a catalog each."""
    file = tmp_path / "film.mkv"
    file.write_bytes(DATA)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LocalGlacier(tmp_path / "depot", inventory_lag=0))
        vaults: list[aioglacier.Vault] = []
        for name in ("here", "there"):
            catalog = await stack.enter_async_context(Catalog.open(tmp_path / name / "catalog.db"))
            glacier = await stack.enter_async_context(
                aioglacier.connect(
                    endpoint_url=server.url,
                    region_name="us-east-1",
                    aws_access_key_id="key",
                    aws_secret_access_key="secret",
                    hash_in="threads",
                    limits=aioglacier.Limits(concurrency=1),
                    catalog=catalog,
                )
            )
            vaults.append(await glacier.create_vault("films"))
        here, there = vaults
        yield Machines(server, here, there, file)


async def test_an_upload_goes_on_where_it_stopped(machines: Machines) -> None:
    """The same call again sends the missing parts only, and a third time nothing."""
    upload_id = await machines.interrupted()
    async with machines.here.open_or_resume(machines.file, description="film") as upload:
        assert upload.history.continued is not None
        assert upload.history.continued.upload_id == upload_id
        archive = await upload.run()
    assert 0 < machines.count_parts() < PARTS
    assert archive.tree_hash == aioglacier.tree_hash(DATA)
    assert machines.here.records is not None
    await machines.here.records.uploads.note_reported(archive)
    async with machines.here.open_or_resume(machines.file, description="film") as upload:
        assert upload.is_stored
        assert await upload.run() == archive
    assert (await machines.here.describe()).archive_count == 1


@pytest.mark.slow
async def test_another_machine_goes_on_by_the_description(machines: Machines) -> None:
    """Without a record of the upload, its description finds it and its parts prove it."""
    upload_id = await machines.interrupted()
    async with machines.there.open_or_resume(machines.file, description="film", part_size=MIB) as upload:
        assert [found.upload.id for found in upload.candidates] == [upload_id]
        archive = await upload.run()
    assert 0 < machines.count_parts() < PARTS
    assert archive.description == "film"
    assert archive.tree_hash == aioglacier.tree_hash(DATA)
    assert [each async for each in machines.there.uploads()] == []
    assert (await machines.here.describe()).archive_count == 1


async def test_a_job_is_not_paid_twice(machines: Machines) -> None:
    """A job that is there is found for the same bytes and for fewer, from another machine, too."""
    archive = await machines.here.upload(machines.file)
    job = await machines.here.retrievals.find_or_start(archive.id, tier="Bulk")
    assert job.is_new
    for vault in (machines.here, machines.there):
        for byte_range in (None, (MIB, 2 * MIB)):
            found = await vault.retrievals.find_or_start(archive.id, byte_range=byte_range)
            assert (found.id, found.is_new) == (job.id, False)
    listing = await machines.here.retrievals.find_or_start_inventory()
    assert listing.is_new
    found = await machines.there.retrievals.find_or_start_inventory()
    assert (found.id, found.is_new) == (listing.id, False)
    assert len([each async for each in machines.here.jobs()]) == 2


async def test_a_job_that_came_to_nothing_is_paid_again_on_request_only(
    machines: Machines, tmp_path: Path
) -> None:
    """A lost job of a download is an error that names it, until another one is asked for."""
    archive = await machines.here.upload(machines.file)
    target = tmp_path / "back"
    job = await machines.here.retrievals.find_or_start(archive.id, target=target)
    assert machines.here.records is not None
    await machines.here.records.begin_download(await job.describe(), target)
    await machines.server.advance(48 * 3600)
    with pytest.raises(aioglacier.JobNotFoundError):
        await job.describe()
    with pytest.raises(aioglacier.JobFailedError, match="another one costs again") as caught:
        await machines.here.retrievals.find_or_start(archive.id, target=target)
    assert caught.value.job_id == job.id
    again = await machines.here.retrievals.find_or_start(archive.id, target=target, again=True)
    assert again.is_new
    assert again.id != job.id


async def test_unfinished_uploads_are_found_and_ended(machines: Machines) -> None:
    """Every unfinished upload is listed with what is needed to choose one, and can be aborted."""
    upload_id = await machines.interrupted()
    (upload,) = [each async for each in machines.there.uploads() if each.description == "film"]
    assert (upload.id, upload.vault, upload.part_size) == (upload_id, "films", MIB)
    await upload.abort()
    await upload.abort()
    assert [each async for each in machines.here.uploads()] == []


async def test_an_upload_is_locked_while_one_task_goes_on_with_it(machines: Machines) -> None:
    """A second task is refused the upload and its file, until the first has finished."""
    upload_id = await machines.interrupted()
    async with machines.here.lock_upload(upload_id, machines.file):
        with pytest.raises(aioglacier.UploadLockedError):
            async with machines.here.lock_upload(upload_id):
                pass
        with pytest.raises(aioglacier.UploadLockedError):
            async with machines.here.open_or_resume(machines.file, description="film"):
                pass
        archive = await machines.here.resume(upload_id, machines.file)
    assert archive.size == len(DATA)
    async with machines.here.lock_upload(upload_id):
        pass
