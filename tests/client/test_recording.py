"""What a connection with a catalog records, and how it goes on by what is on record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

import aioglacier
from aioglacier.catalog import ArchiveState, Catalog, JobState, UploadState
from aioglacier.core.errors import (
    CatalogError,
    ConfigurationError,
    IntegrityError,
    OutcomeUnknownError,
    ResumeMismatchError,
    UploadLockedError,
)
from aioglacier.core.models import ArchiveId, StoredArchive, UploadId
from aioglacier.core.treehash import PartHashes, tree_hash
from aioglacier.recorded.resume import INVENTORY_ALLOWANCE, settle, settle_all
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from aioglacier.transfer.upload.writer import UploadOptions
from tests.cli.conftest import MIB, data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.catalog import UploadRecord
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.recorded.recording_store import RecordingStore
    from aioglacier.recorded.vault_records import VaultRecords

SIZE = 5 * MIB + 3


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look until it is so."""
    with anyio.fail_after(10):
        while not await condition():  # noqa: ASYNC110  # nothing tells
            await anyio.sleep(0.01)


async def done(writer: aioglacier.ArchiveWriter, parts: int) -> None:
    """Wait until the service has so many parts."""

    async def condition() -> bool:
        return writer.snapshot().parts_done >= parts

    await until(condition)


@dataclass
class House:
    """A local Glacier, a catalog, and a vault that is connected to both."""

    server: LocalGlacier
    vault: aioglacier.Vault
    records: VaultRecords
    file: Path

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self.records.catalog

    async def uploads(self) -> list[UploadRecord]:
        """Every unfinished upload on record."""
        return [upload async for upload in self.catalog.uploads.list_unfinished()]

    async def left_behind(self) -> UploadRecord:
        """An upload of the file that fails with its last part, as it is on record then."""
        self.server.faults.add(
            Fault("UploadMultipartPart", where=f"bytes {5 * MIB}-", status=403, code="AccessDeniedException")
        )
        with pytest.raises(aioglacier.AccessDeniedError):
            async with self.vault.open_or_resume(self.file, part_size=MIB) as upload:
                await upload.run()
        (record,) = await self.uploads()
        await until(lambda: self._has_parts(record, 5))
        return await self.catalog.uploads.get(record)

    async def _has_parts(self, record: UploadRecord, count: int) -> bool:
        return len([part async for part in self.catalog.uploads.list_parts(record.number)]) == count


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """All of it, and a file of six parts."""
    file = tmp_path / "film.mkv"
    file.write_bytes(data(SIZE))
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0) as server,
        Catalog.open(tmp_path / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            hash_in="threads",
            max_concurrency=1,
            catalog=catalog,
        ) as glacier,
    ):
        vault = await glacier.create_vault("v")
        assert vault.records is not None
        yield House(server, vault, vault.records, file)


async def test_an_upload_in_parts_is_on_record_with_every_hash(house: House) -> None:
    """The archive, its upload, and of each part the tree hash and the hash of every MiB."""
    archive = await house.vault.upload(house.file, part_size=2 * MIB, description="a film")
    record = await house.catalog.archives.get(house.records.place, archive.id)
    assert record is not None
    assert (record.archive, record.state) == (archive, ArchiveState.STORED)
    assert record.source == str(house.file)
    assert record.upload is not None
    parts = [part async for part in house.catalog.uploads.list_parts(record.upload)]
    content = data(SIZE)
    assert [part.tree_hash for part in parts] == [
        tree_hash(content[at : at + 2 * MIB]) for at in range(0, SIZE, 2 * MIB)
    ]
    assert b"".join(part.leaves for part in parts) == b"".join(aioglacier.chunk_hashes(content))
    assert not await house.uploads()


async def test_a_single_request_is_on_record(house: House) -> None:
    """Where it came from does not matter."""
    archive = await house.vault.upload(b"small", description="small")
    record = await house.catalog.archives.get(house.records.place, archive.id)
    assert record is not None
    assert (record.archive, record.source) == (archive, None)


async def test_an_archive_with_another_hash_is_suspect(house: House) -> None:
    """The error names the archive, the record says that it is not to be relied on, nothing goes (SV-06)."""
    house.server.faults.add(Fault("CompleteMultipartUpload", FaultKind.WRONG_HASH))
    with pytest.raises(IntegrityError) as caught:
        await house.vault.upload(house.file, part_size=MIB)
    assert caught.value.archive_id is not None
    record = await house.catalog.archives.get(house.records.place, ArchiveId(caught.value.archive_id))
    assert record is not None
    assert record.state is ArchiveState.SUSPECT
    assert (await house.vault.describe()).archive_count == 1
    assert not await house.uploads()


async def test_what_was_refused_is_not_taken_for_done(house: House) -> None:
    """A single request that the service refuses is recorded as failed, not as of unknown outcome."""
    house.server.faults.add(Fault("UploadArchive", status=403, code="AccessDeniedException"))
    with pytest.raises(aioglacier.AccessDeniedError):
        await house.vault.upload(b"small")
    assert not await house.uploads()


async def test_an_interrupted_file_goes_on(house: House) -> None:
    """Only what is missing is sent, whatever the description and part size were chosen by."""
    left = await house.left_behind()
    assert left.state is UploadState.OPEN
    async with house.vault.open_or_resume(house.file) as upload:
        assert upload.continued == left
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(data(SIZE))
    assert [each async for each in house.vault.uploads()] == []


async def test_another_part_size_or_description_is_refused(house: House) -> None:
    """Both values are named, and nothing is sent (SV-14)."""
    await house.left_behind()
    with pytest.raises(ResumeMismatchError, match="part size 1048576 bytes, but now it is 2097152 bytes"):
        async with house.vault.open_or_resume(house.file, part_size=2 * MIB):
            pass
    with pytest.raises(ResumeMismatchError, match="description '', but now it is 'other'"):
        async with house.vault.open_or_resume(house.file, description="other"):
            pass
    (upload,) = [each async for each in house.vault.uploads()]
    assert len([part async for part in upload.parts()]) == 5


async def test_a_file_that_is_another_one_is_refused(house: House) -> None:
    """The first bytes that differ are named, nothing is sent, and a restart begins anew (SV-15)."""
    left = await house.left_behind()
    house.file.write_bytes(data(2 * MIB) + data(SIZE - 2 * MIB, seed=2))
    with pytest.raises(ResumeMismatchError) as caught:
        async with house.vault.open_or_resume(house.file) as upload:
            await upload.run()
    assert str(caught.value.byte_range) == f"{2 * MIB}-{3 * MIB - 1}"
    async with house.vault.open_or_resume(house.file, restart=True) as upload:
        assert upload.aborted == left
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(house.file.read_bytes())
    assert [each async for each in house.vault.uploads()] == []


async def test_an_upload_that_expired_begins_anew(house: House) -> None:
    """It says how many bytes go again (SV-12)."""
    await house.left_behind()
    await house.server.advance(25 * 3600)
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.expired is not None
        assert upload.expired.size == 5 * MIB
        assert upload.is_new
        archive = await upload.run()
    assert archive.tree_hash == tree_hash(data(SIZE))
    assert (await house.vault.describe()).archive_count == 1


async def test_one_task_at_a_time_uploads_a_file(house: House) -> None:
    """A second one is refused at once (DC-07)."""
    async with house.vault.open_or_resume(house.file):
        with pytest.raises(UploadLockedError):
            async with house.vault.open_or_resume(house.file):
                pass


async def test_without_a_catalog_nothing_is_found_again(tmp_path: Path) -> None:
    """That is an error, and no silent second upload."""
    endpoint = f"local:{tmp_path / 'glacier'}"
    async with aioglacier.connect(endpoint_url=endpoint, hash_in="threads") as glacier:
        with pytest.raises(ConfigurationError, match="catalog"):
            glacier.vault("v").open_or_resume(tmp_path / "film.mkv")


# --- what is unclear


async def completing(house: House) -> UploadRecord:
    """An upload that was about to be completed, and is gone; nobody knows whether it was."""
    left = await house.left_behind()
    assert left.upload_id is not None
    record = await house.catalog.uploads.record_completing(left, size=SIZE, tree_hash=tree_hash(data(SIZE)))
    await house.vault.context.gateway.abort_multipart_upload("v", left.upload_id)  # past the records
    return record


async def test_an_unknown_outcome_is_never_uploaded_again_blindly(house: House) -> None:
    """Size, hash and the way to settle it are named, and nothing is sent (PR-03)."""
    await completing(house)
    with pytest.raises(OutcomeUnknownError) as caught:
        async with house.vault.open_or_resume(house.file):
            pass
    assert (caught.value.size, caught.value.tree_hash) == (SIZE, tree_hash(data(SIZE)))
    assert "inventory" in str(caught.value)
    assert [each async for each in house.vault.uploads()] == []


async def test_a_restart_decides_an_unknown_outcome(house: House) -> None:
    """Whoever asks for it takes it that there is no archive."""
    await completing(house)
    async with house.vault.open_or_resume(house.file, part_size=MIB, restart=True) as upload:
        assert upload.is_new
        await upload.run()
    assert (await house.vault.describe()).archive_count == 1
    assert not await house.uploads()


async def test_an_inventory_that_lists_it_settles_it(house: House) -> None:
    """An archive of that size and hash which nobody else made is the one."""
    record = await completing(house)
    other = await house.vault.upload(data(SIZE), part_size=MIB, description="somebody else's, on record")
    assert not await settle_all(house.records)
    found = aioglacier.Archive(ArchiveId("A" * 138), "v", SIZE, other.tree_hash, "", record.created)
    await house.catalog.archives.merge_inventory(
        house.records.place, [found], inventoried=record.active + timedelta(hours=1)
    )
    (settled,) = await settle_all(house.records)
    assert (settled.state, settled.archive_id) == (UploadState.COMPLETED, found.id)
    async with house.vault.open_or_resume(house.file) as upload:
        assert await upload.run() == found


async def test_an_inventory_of_three_days_later_that_does_not_list_it_settles_it(house: House) -> None:
    """An earlier one proves nothing; then the file is uploaded anew."""
    record = await completing(house)
    place = house.records.place
    for age in (timedelta(0), INVENTORY_ALLOWANCE - timedelta(seconds=1)):
        await house.catalog.archives.merge_inventory(place, [], inventoried=record.active + age)
        with pytest.raises(OutcomeUnknownError):
            await settle(house.vault.context.recorded(), record)
    await house.catalog.archives.merge_inventory(place, [], inventoried=record.active + INVENTORY_ALLOWANCE)
    async with house.vault.open_or_resume(house.file, part_size=MIB) as upload:
        assert upload.is_new
        await upload.run()
    assert (await house.vault.describe()).archive_count == 1


async def test_a_lost_answer_to_completing_costs_nothing(house: House) -> None:
    """It is asked for again, and answered with the same archive (SV-09)."""
    house.server.faults.add(Fault("CompleteMultipartUpload", FaultKind.RESET, moment=Moment.AFTER_COMMIT))
    archive = await house.vault.upload(house.file, part_size=MIB)
    assert await house.catalog.archives.get(house.records.place, archive.id)
    assert (await house.vault.describe()).archive_count == 1


# --- when nothing can be recorded


async def test_nothing_is_sent_any_more_when_nothing_can_be_recorded(house: House, tmp_path: Path) -> None:
    """The catalog is taken away meanwhile: no further part, no completion, no abort (DC-01, DC-10)."""
    with pytest.raises(CatalogError):  # noqa: PT012  # it may come from any of them
        async with house.vault.open_writer(part_size=MIB) as writer:
            await writer.write(data(2 * MIB))
            await done(writer, 1)
            (tmp_path / "catalog.db").rename(tmp_path / "elsewhere.db")
            while True:
                await writer.write(data(MIB))
    assert (await house.vault.describe()).archive_count == 0
    (upload,) = [each async for each in house.vault.uploads()]
    assert upload.part_size == MIB


async def test_a_single_request_that_cannot_be_recorded_makes_no_archive(
    house: House, tmp_path: Path
) -> None:
    """The last of it is not sent (DC-01)."""
    (tmp_path / "catalog.db").rename(tmp_path / "elsewhere.db")
    for size in (1, 300_000):
        with pytest.raises(CatalogError):
            await house.vault.upload(data(size))
    assert (await house.vault.describe()).archive_count == 0


async def test_a_single_request_is_recorded_when_its_last_bytes_go_out(house: House) -> None:
    """One that is cut off before has made nothing, and there is nothing to settle."""
    house.server.faults.add(
        Fault("UploadArchive", FaultKind.RESET, Moment.BODY, after_bytes=100_000, count=None)
    )
    with anyio.move_on_after(0.5):
        await house.vault.upload(data(4 * MIB))
    assert not await house.uploads()


# --- the store alone


class Sequence:
    """A store that gives ids in a sequence and, asked for anything else, waits for ever."""

    def __init__(self, *ids: str) -> None:
        self._ids = list(ids)

    async def initiate(self, part_size: int) -> UploadId:
        """The next id."""
        del part_size
        return UploadId(self._ids.pop(0))

    async def store_whole(
        self,
        body: Body,
        hashes: PartHashes,
        progress: Progress | None,
        before_last: BeforeLast | None = None,
    ) -> StoredArchive:
        """Hand half of it to the connection, and wait."""
        del hashes
        if before_last is not None:
            await before_last()
        if progress is not None:
            progress(body.nbytes // 2)
        await anyio.sleep_forever()
        raise AssertionError

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> None:
        """Wait."""
        del upload_id, start, body, hashes, progress
        await anyio.sleep_forever()

    async def complete(self, upload_id: UploadId, size: int, tree_hash: bytes) -> StoredArchive:
        """Wait."""
        del upload_id, size, tree_hash
        await anyio.sleep_forever()
        raise AssertionError

    async def abort(self, upload_id: UploadId) -> None:
        """Wait."""
        del upload_id
        await anyio.sleep_forever()


def recording(house: House, inner: Sequence) -> RecordingStore:
    """A new upload through a store."""
    return house.records.store(inner, UploadOptions("v"))


async def test_an_id_that_somebody_else_has_taken_is_not_used(house: House) -> None:
    """Of two who find each other's lost upload, each takes one (PR-02)."""
    first, second = recording(house, Sequence("one")), recording(house, Sequence("one", "two"))
    assert await first.initiate(MIB) == "one"
    assert await second.initiate(MIB) == "two"


async def test_a_single_request_that_was_cancelled_half_way_has_made_nothing(house: House) -> None:
    """Half a body is no archive, so its outcome is known."""
    body = memoryview(data(1000))
    hashes = PartHashes(b"", tree_hash(body), b"")
    with anyio.move_on_after(0.2) as scope:
        await recording(house, Sequence()).store_whole(body, hashes, None)
    assert scope.cancelled_caught
    assert not await house.uploads()


# --- streams


async def test_a_stream_goes_on_where_its_writer_says(house: House) -> None:
    """Fed again from ``position``, it becomes the same archive; nothing before it is read or sent again."""
    content = data(SIZE)
    with pytest.raises(RuntimeError):  # noqa: PT012  # the last of them
        async with house.vault.open_writer(part_size=MIB, description="tape", keep_unfinished=True) as writer:
            await writer.write(content[: 4 * MIB + 5])
            await done(writer, 4)
            raise RuntimeError
    assert writer.upload_id is not None
    async with house.vault.resume_writer(writer.upload_id) as resumed:
        assert resumed.position == 4 * MIB
        await resumed.write(content[resumed.position :])
    assert resumed.archive is not None
    assert (resumed.archive.size, resumed.archive.description) == (SIZE, "tape")
    assert resumed.archive.tree_hash == tree_hash(content)
    assert await house.catalog.archives.get(house.records.place, resumed.archive.id)


async def test_a_stream_with_parts_that_were_not_sent_from_here_is_refused(house: House) -> None:
    """What is on record and what the service has must agree where nothing is read again."""
    left = await house.left_behind()
    assert left.upload_id is not None
    await house.catalog.uploads.record_part(left, 1, size=MIB, tree_hash=bytes(32))
    with pytest.raises(ResumeMismatchError, match="part 1 of upload"):
        async with house.vault.resume_writer(left.upload_id):
            pass


# --- jobs and deletions


async def test_jobs_and_downloads_are_on_record(house: House, tmp_path: Path) -> None:
    """With the nonce in the job's description, and what became of it."""
    archive = await house.vault.upload(b"small")
    job = await house.vault.retrieve(archive.id)
    record = await house.catalog.jobs.find(house.records.place, job.id)
    assert record is not None
    assert record.state is JobState.OPEN
    assert (await job.describe()).description == f"aioglacier {record.nonce}"
    await job.wait_until_done()
    await job.download(tmp_path / "back")
    found = await house.catalog.jobs.find(house.records.place, job.id)
    assert found is not None
    assert found.state is JobState.SUCCEEDED
    assert await house.catalog.downloads.find_unfinished(str(tmp_path / "back")) is None
    await house.server.advance(30 * 3600)
    with pytest.raises(aioglacier.JobNotFoundError):
        await job.describe()
    found = await house.catalog.jobs.find(house.records.place, job.id)
    assert found is not None
    assert found.state is JobState.GONE


async def test_a_job_whose_answer_was_lost_is_known_by_its_nonce(house: House) -> None:
    """One job at the service, one on record (SV-10)."""
    archive = await house.vault.upload(b"small")
    house.server.faults.add(Fault("InitiateJob", FaultKind.RESET, moment=Moment.AFTER_COMMIT))
    job = await house.vault.retrieve(archive.id)
    assert [each.id async for each in house.vault.jobs()] == [job.id]
    assert await house.catalog.jobs.find(house.records.place, job.id)


async def test_a_deletion_is_on_record(house: House) -> None:
    """Before and after; one that is refused leaves the archive as it was."""
    archive = await house.vault.upload(b"small")
    house.server.faults.add(Fault("DeleteArchive", status=403, code="AccessDeniedException"))
    with pytest.raises(aioglacier.AccessDeniedError):
        await house.vault.delete_archive(archive.id)

    async def state() -> ArchiveState:
        record = await house.catalog.archives.get(house.records.place, archive.id)
        assert record is not None
        return record.state

    assert await state() is ArchiveState.STORED
    await house.vault.delete_archive(archive.id)
    assert await state() is ArchiveState.DELETED


async def test_the_same_folder_is_the_same_place_on_whatever_port(tmp_path: Path) -> None:
    """A local Glacier has another port each time, and its records are found again."""
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        for name in ("glacier", "./glacier/../glacier"):
            endpoint = f"local:{tmp_path / name}"
            async with aioglacier.connect(
                endpoint_url=endpoint, hash_in="threads", catalog=catalog
            ) as glacier:
                await (await glacier.create_vault("v")).upload(json.dumps(name).encode())
        (place,) = await catalog.archives.places("v")
        assert len([each async for each in catalog.archives.list_vault(place)]) == 2
