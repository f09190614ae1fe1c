"""Retrievals: jobs, their output in ranges, inventories."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import (
    ArchiveNotFoundError,
    InvalidParameterError,
    InvalidRangeError,
    JobNotFoundError,
    JobNotReadyError,
    ResourceNotFoundError,
)
from aioglacier.core.limits import MIB
from aioglacier.core.models import (
    ArchiveId,
    InventoryFormat,
    InventoryParameters,
    JobAction,
    JobId,
    JobStatus,
    Tier,
)
from aioglacier.core.ranges import ByteRange, is_tree_hash_aligned
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from tests.conformance.conftest import Subject

HOUR = 3600


async def retrieved(subject: Subject, archive_id: ArchiveId, byte_range: ByteRange | None = None) -> JobId:
    """Return a finished retrieval."""
    job_id = await subject.gateway.initiate_archive_retrieval(
        subject.vault, archive_id, byte_range=byte_range
    )
    await subject.advance(5 * HOUR)
    return job_id


async def test_archive_retrieval_from_start_to_end(subject: Subject, body: bytes) -> None:
    """A job is in progress for hours, then it has succeeded and gives the bytes."""
    archive_id = await subject.store(body, "film")
    job_id = await subject.gateway.initiate_archive_retrieval(
        subject.vault, archive_id, tier=Tier.BULK, description="once more"
    )
    job = await subject.gateway.describe_job(subject.vault, job_id)
    assert (job.action, job.status) == (JobAction.ARCHIVE_RETRIEVAL, JobStatus.IN_PROGRESS)
    assert (job.archive_id, job.archive_size, job.tier) == (archive_id, len(body), Tier.BULK)
    assert (job.description, job.is_done, job.completed) == ("once more", False, None)
    assert job.archive_tree_hash == tree_hash(body)
    with pytest.raises(JobNotReadyError):
        await subject.fetch(job_id)
    await subject.advance(12 * HOUR)
    job = await subject.gateway.describe_job(subject.vault, job_id)
    assert (job.status, job.output_size, job.byte_range) == (
        JobStatus.SUCCEEDED,
        len(body),
        ByteRange(0, len(body)),
    )
    assert job.completed is not None
    async with subject.gateway.get_job_output(subject.vault, job_id) as output:
        assert (output.size, output.total) == (len(body), len(body))
        assert output.head == tree_hash(body)
        assert b"".join([block async for block in output]) == body


async def test_output_ranges_have_a_tree_hash_exactly_where_they_are_nodes(
    subject: Subject, body: bytes
) -> None:
    """For every range of whole MiB, the service sends a tree hash exactly if the range is a node."""
    job_id = await retrieved(subject, await subject.store(body))
    for first in range(7):
        for last in range(first, 7):
            range_ = ByteRange(first * MIB, min((last + 1) * MIB, len(body)))
            block, hash_ = await subject.fetch(job_id, range_)
            assert block == body[range_.start : range_.stop]
            expected = tree_hash(block) if is_tree_hash_aligned(range_, len(body)) else None
            assert hash_ == expected, range_


async def test_output_of_an_unaligned_range_has_no_tree_hash(subject: Subject, body: bytes) -> None:
    """A range that is no node is served without a tree hash."""
    job_id = await retrieved(subject, await subject.store(body))
    block, hash_ = await subject.fetch(job_id, ByteRange(5, 1029))
    assert (block, hash_) == (body[5:1029], None)


async def test_output_range_beyond_the_end(subject: Subject, body: bytes) -> None:
    """A range that ends past the output is cut; one that starts past it is refused."""
    job_id = await retrieved(subject, await subject.store(body))
    block, _ = await subject.fetch(job_id, ByteRange(6 * MIB, 9 * MIB))
    assert block == body[6 * MIB :]
    with pytest.raises(InvalidParameterError):
        await subject.fetch(job_id, ByteRange(9 * MIB, 10 * MIB))


async def test_output_of_a_retrieved_range_counts_from_its_start(subject: Subject, body: bytes) -> None:
    """A job for a node of the tree sends tree hashes for its own nodes."""
    archive_id = await subject.store(body)
    job_id = await retrieved(subject, archive_id, ByteRange(4 * MIB, len(body)))
    job = await subject.gateway.describe_job(subject.vault, job_id)
    assert job.tree_hash == tree_hash(body[4 * MIB :])
    assert job.archive_tree_hash == tree_hash(body)
    block, hash_ = await subject.fetch(job_id)
    assert (block, hash_) == (body[4 * MIB :], tree_hash(body[4 * MIB :]))
    block, hash_ = await subject.fetch(job_id, ByteRange(0, 2 * MIB))
    assert (block, hash_) == (body[4 * MIB : 6 * MIB], tree_hash(body[4 * MIB : 6 * MIB]))


async def test_output_of_a_retrieved_range_that_is_no_node(subject: Subject, body: bytes) -> None:
    """Such a job never has a tree hash, not even for a part that would be a node."""
    archive_id = await subject.store(body)
    job_id = await retrieved(subject, archive_id, ByteRange(MIB, 3 * MIB))
    assert (await subject.gateway.describe_job(subject.vault, job_id)).tree_hash is None
    assert await subject.fetch(job_id) == (body[MIB : 3 * MIB], None)
    assert await subject.fetch(job_id, ByteRange(0, MIB)) == (body[MIB : 2 * MIB], None)


async def test_retrieval_of_an_unaligned_range(subject: Subject, body: bytes) -> None:
    """A start between MiBs is refused before sending; the service refuses an end between MiBs."""
    archive_id = await subject.store(body)
    with pytest.raises(InvalidRangeError):
        await subject.gateway.initiate_archive_retrieval(
            subject.vault, archive_id, byte_range=ByteRange(1, MIB)
        )
    with pytest.raises(InvalidParameterError):
        await subject.gateway.initiate_archive_retrieval(
            subject.vault, archive_id, byte_range=ByteRange(0, MIB + 1)
        )


async def test_retrieval_of_an_archive_that_never_was(subject: Subject) -> None:
    """The error names the archive."""
    with pytest.raises(ArchiveNotFoundError):
        await subject.gateway.initiate_archive_retrieval(subject.vault, ArchiveId("A" * 138))


async def test_jobs_are_listed_by_filter_and_in_pages(subject: Subject) -> None:
    """Filters by completion and status; pages of one bring each job once."""
    archive_id = await subject.store(b"november")
    done = await retrieved(subject, archive_id)
    running = {await subject.gateway.initiate_archive_retrieval(subject.vault, archive_id) for _ in range(2)}

    async def listed(*, completed: bool | None = None, status: JobStatus | None = None) -> list[JobId]:
        found: list[JobId] = []
        marker = None
        while True:
            page = await subject.gateway.list_jobs(
                subject.vault, completed=completed, status=status, limit=1, marker=marker
            )
            found += [job.id for job in page.items]
            if page.marker is None:
                return found
            marker = page.marker

    assert sorted(await listed()) == sorted({done, *running})
    assert await listed(completed=True) == [done]
    assert await listed(status=JobStatus.SUCCEEDED) == [done]
    assert sorted(await listed(completed=False)) == sorted(running)
    assert sorted(await listed(status=JobStatus.IN_PROGRESS)) == sorted(running)


async def test_job_that_never_was(subject: Subject) -> None:
    """The error names the job."""
    with pytest.raises(JobNotFoundError):
        await subject.gateway.describe_job(subject.vault, JobId("A" * 92))
    with pytest.raises(JobNotFoundError):
        await subject.fetch(JobId("A" * 92))


async def test_job_is_forgotten_a_day_after_its_end(subject: Subject) -> None:
    """After its expiry, neither job nor output exists."""
    job_id = await retrieved(subject, await subject.store(b"november"))
    await subject.advance(30 * HOUR)
    with pytest.raises(JobNotFoundError):
        await subject.fetch(job_id)


async def test_job_fails_when_its_archive_is_deleted(subject: Subject) -> None:
    """A failed job states its reason and has no output."""
    archive_id = await subject.store(b"november")
    job_id = await subject.gateway.initiate_archive_retrieval(subject.vault, archive_id)
    await subject.gateway.delete_archive(subject.vault, archive_id)
    await subject.advance(5 * HOUR)
    job = await subject.gateway.describe_job(subject.vault, job_id)
    assert job.status is JobStatus.FAILED
    assert job.status_message
    with pytest.raises(JobNotReadyError):
        await subject.fetch(job_id)


async def test_inventory_before_the_first_one_was_made(subject: Subject) -> None:
    """A job without an inventory to retrieve fails."""
    with pytest.raises(ResourceNotFoundError):
        await subject.gateway.initiate_inventory_retrieval(subject.vault, InventoryParameters())


async def inventory(subject: Subject, parameters: InventoryParameters) -> tuple[bytes, str | None]:
    """Return an inventory and the marker of its next page."""
    job_id = await subject.gateway.initiate_inventory_retrieval(subject.vault, parameters)
    await subject.advance(5 * HOUR)
    job = await subject.gateway.describe_job(subject.vault, job_id)
    assert job.action is JobAction.INVENTORY_RETRIEVAL
    assert job.inventory is not None
    assert job.inventory.format is parameters.format
    block, hash_ = await subject.fetch(job_id)
    assert hash_ is None
    assert job.inventory_size == len(block)
    return block, job.inventory.marker


async def test_inventory_lists_what_was_there(subject: Subject) -> None:
    """The JSON inventory has the service's fields and the archives of the last inventory."""
    archive_id = await subject.store(b"november", 'raw, "2026"')
    await subject.advance(25 * HOUR)
    await subject.store(b"too late")
    document = json.loads((await inventory(subject, InventoryParameters()))[0])
    assert document["VaultARN"].endswith(f":vaults/{subject.vault}")
    [entry] = document["ArchiveList"]
    created = entry.pop("CreationDate")
    assert created.endswith("Z")
    assert entry == {
        "ArchiveId": archive_id,
        "ArchiveDescription": 'raw, "2026"',
        "Size": 8,
        "SHA256TreeHash": tree_hash(b"november").hex(),
    }


async def test_inventory_as_csv(subject: Subject) -> None:
    """The CSV inventory has one line for each archive, after the header."""
    archive_id = await subject.store(b"november", "plain")
    await subject.advance(25 * HOUR)
    block, _ = await inventory(subject, InventoryParameters(format=InventoryFormat.CSV))
    [entry] = csv.DictReader(block.decode().splitlines())
    assert (entry["ArchiveId"], entry["ArchiveDescription"], entry["Size"]) == (archive_id, "plain", "8")


async def test_inventory_in_pages(subject: Subject) -> None:
    """A limited inventory has a marker; a new job with it returns the rest."""
    archives = {await subject.store(bytes([number])) for number in range(1, 4)}
    await subject.advance(25 * HOUR)
    found: list[str] = []
    marker = None
    while True:
        block, marker = await inventory(subject, InventoryParameters(limit=2, marker=marker))
        found += [entry["ArchiveId"] for entry in json.loads(block)["ArchiveList"]]
        if marker is None:
            break
    assert sorted(found) == sorted(archives)
