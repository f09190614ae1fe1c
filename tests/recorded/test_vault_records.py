"""Jobs, downloads and deletions on record."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import ArchiveState, JobState
from aioglacier.core.models import InventoryParameters, JobAction
from aioglacier.core.ranges import ByteRange
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House

if TYPE_CHECKING:
    from pathlib import Path


async def test_jobs_and_downloads_are_on_record(house: House, tmp_path: Path) -> None:
    """A job is on record with its nonce, its state and its download."""
    archive = await house.vault.upload(b"small")
    job = await house.vault.retrieve(archive.id)
    record = await house.catalog.jobs.find(house.records.key, job.id)
    assert record is not None
    assert record.state is JobState.OPEN
    assert (await job.describe()).description == f"aioglacier {record.nonce}"
    await job.wait_until_done()
    await job.download(tmp_path / "back")
    found = await house.catalog.jobs.find(house.records.key, job.id)
    assert found is not None
    assert found.state is JobState.SUCCEEDED
    assert await house.catalog.downloads.find_unfinished(str(tmp_path / "back")) is None
    await house.server.advance(30 * 3600)
    with pytest.raises(aioglacier.JobNotFoundError):
        await job.describe()
    found = await house.catalog.jobs.find(house.records.key, job.id)
    assert found is not None
    assert found.state is JobState.GONE


async def test_a_job_whose_answer_was_lost_is_known_by_its_nonce(house: House) -> None:
    """A job whose answer was lost is found by its nonce: one at the service, one on record (SV-10)."""
    archive = await house.vault.upload(b"small")
    house.server.faults.add(Fault("InitiateJob", FaultKind.RESET, moment=Moment.AFTER_COMMIT))
    job = await house.vault.retrieve(archive.id)
    assert [each.id async for each in house.vault.jobs()] == [job.id]
    assert await house.catalog.jobs.find(house.records.key, job.id)


@pytest.mark.parametrize("is_here", [True, False])
async def test_a_job_completes_the_intent_that_has_its_nonce(house: House, *, is_here: bool) -> None:
    """It stays one record with the range of the intent; an intent for another vault is another job."""
    archive = await house.vault.upload(data(2 * MIB))
    key = house.records.key if is_here else replace(house.records.key, vault="other")
    part = ByteRange(0, MIB)
    intent = await house.catalog.jobs.record_intent(
        key, JobAction.ARCHIVE_RETRIEVAL, archive_id=archive.id, byte_range=part, tier=aioglacier.Tier.BULK
    )
    job_id = await house.vault.context.gateway.initiate_archive_retrieval(
        "v", archive.id, tier=aioglacier.Tier.BULK, byte_range=part, description=f"aioglacier {intent.nonce}"
    )
    await house.records.note_job(await house.vault.job(job_id).describe())
    found = await house.catalog.jobs.find(house.records.key, job_id)
    assert found is not None
    assert (found.number == intent.number) is is_here
    assert (found.action, found.byte_range, found.tier) == (intent.action, part, aioglacier.Tier.BULK)
    assert ((await house.catalog.jobs.get(intent)).job_id == job_id) is is_here


async def test_a_suspect_archive_whose_deletion_is_refused_stays_suspect(house: House) -> None:
    """A refusal proves nothing about an archive that an inventory lacks."""
    archive = await house.vault.upload(b"small")
    key = house.records.key
    await house.catalog.archives.record_state(key, archive.id, ArchiveState.SUSPECT)
    house.server.faults.add(Fault("DeleteArchive", status=403, code="AccessDeniedException"))
    with pytest.raises(aioglacier.AccessDeniedError):
        await house.vault.delete_archive(archive.id)
    found = await house.catalog.archives.get(key, archive.id)
    assert found is not None
    assert found.state is ArchiveState.SUSPECT


async def test_a_deletion_is_on_record(house: House) -> None:
    """A deletion is recorded before and after; a refused one leaves the archive as it was."""
    archive = await house.vault.upload(b"small")
    house.server.faults.add(Fault("DeleteArchive", status=403, code="AccessDeniedException"))
    with pytest.raises(aioglacier.AccessDeniedError):
        await house.vault.delete_archive(archive.id)

    async def state() -> ArchiveState:
        record = await house.catalog.archives.get(house.records.key, archive.id)
        assert record is not None
        return record.state

    assert await state() is ArchiveState.STORED
    await house.vault.delete_archive(archive.id)
    assert await state() is ArchiveState.DELETED


@pytest.mark.slow
async def test_a_damaged_range_without_a_hash_of_the_service_is_fetched_again(
    house: House, tmp_path: Path
) -> None:
    """A range that is no node of the tree is verified by the leaf hashes on record (a12)."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    job = await house.vault.retrieve(archive.id, byte_range=(MIB, 4 * MIB))
    assert (await job.wait_until_done()).tree_hash is None
    house.server.faults.add(Fault("GetJobOutput", FaultKind.FLIP, after_bytes=5, count=1))
    await job.download(tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == data(SIZE)[MIB : 4 * MIB]
    house.server.faults.add(Fault("GetJobOutput", FaultKind.FLIP, after_bytes=5, count=3))
    with pytest.raises(aioglacier.IntegrityError, match="damaged 3 times"):
        await job.download(tmp_path / "again")
    assert not (tmp_path / "again").exists()


async def test_an_archive_that_the_service_does_not_have_is_deleted_on_record(house: House) -> None:
    """A deletion that finds nothing is recorded as one, and still reported."""
    archive = await house.vault.upload(b"small")
    house.server.faults.add(Fault("DeleteArchive", status=404, code="ResourceNotFoundException"))
    with pytest.raises(aioglacier.ArchiveNotFoundError):
        await house.records.delete(
            archive.id, lambda: house.vault.context.gateway.delete_archive("v", archive.id)
        )
    record = await house.catalog.archives.get(house.records.key, archive.id)
    assert record is not None
    assert record.state is ArchiveState.DELETED


async def test_leaves_are_known_for_all_of_a_range_or_not_at_all(house: House) -> None:
    """A part on record without its leaves makes those of the archive unknown."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    leaves = await house.records.leaves_of(archive.id, None)
    assert (len(leaves), await house.records.leaves_of(archive.id, ByteRange(MIB, 3 * MIB))) == (
        6 * 32,
        leaves[32:96],
    )
    record = await house.catalog.archives.get(house.records.key, archive.id)
    assert record is not None
    assert record.upload is not None
    with closing(sqlite3.connect(house.location)) as connection:
        connection.execute("UPDATE parts SET leaves = x'' WHERE part_index = 2")
        connection.commit()
    assert await house.records.leaves_of(archive.id, None) == b""
    await house.catalog.archives.record_state(house.records.key, archive.id, ArchiveState.SUSPECT)
    assert await house.records.leaves_of(archive.id, ByteRange(0, MIB)) == b""


async def test_a_download_that_failed_is_given_up_on_request(house: House, tmp_path: Path) -> None:
    """An unfinished download is known by its target and its bytes, until it is given up."""
    archive = await house.vault.upload(b"small")
    job = await house.vault.retrieve(archive.id)
    await house.records.begin_download(await job.wait_until_done(), tmp_path / "back")
    found = await house.records.find_abandoned(archive.id, None, tmp_path / "back")
    assert found is not None
    assert found.job_id == job.id
    assert await house.records.find_abandoned("another", None, tmp_path / "back") is None
    assert await house.records.find_abandoned(archive.id, ByteRange(0, MIB), tmp_path / "back") is None
    assert await house.records.find_abandoned(archive.id, None, tmp_path / "beside") is None
    await house.records.give_up_download(tmp_path / "back")
    await house.records.give_up_download(tmp_path / "back")
    assert await house.records.find_abandoned(archive.id, None, tmp_path / "back") is None


async def test_a_job_of_another_program_is_on_record_as_it_is(house: House) -> None:
    """A job that was not asked for here is recorded with its action, its range and its state."""
    archive = await house.vault.upload(house.file, part_size=MIB)
    gateway = house.vault.context.gateway
    retrieval = await gateway.initiate_archive_retrieval(
        "v",
        archive.id,
        tier=aioglacier.Tier.BULK,
        byte_range=ByteRange(MIB, 2 * MIB),
        description="of another",
    )
    inventory = await gateway.initiate_inventory_retrieval("v", InventoryParameters(limit=5))
    records = []
    for job_id in (retrieval, inventory):
        description = await house.vault.job(job_id).wait_until_done()
        record = await house.records.note_job(description)
        assert (record.key, record.job_id, record.state) == (house.records.key, job_id, JobState.SUCCEEDED)
        assert await house.records.note_job(description) == record
        records.append((record.action, record.archive_id, record.byte_range, record.tier))
    assert records[0] == (
        JobAction.ARCHIVE_RETRIEVAL,
        archive.id,
        ByteRange(MIB, 2 * MIB),
        aioglacier.Tier.BULK,
    )
    assert records[1][:3] == (JobAction.INVENTORY_RETRIEVAL, None, None)
