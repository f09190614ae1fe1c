"""Uploads are on record before the service can act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import CatalogError, IntegrityError
from aioglacier.core.models import Archive, ArchiveId, UploadId
from aioglacier.core.spending import Budget
from aioglacier.core.treehash import PartHashes, tree_hash
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from aioglacier.transfer.store import VAULT_RULES
from aioglacier.transfer.upload.writer import UploadOptions
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import SIZE, House, done

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.recorded.recording_store import RecordingStore


@pytest.mark.slow
async def test_an_upload_in_parts_is_on_record_with_every_hash(house: House) -> None:
    """The catalog has the archive, its upload, and the tree hash and leaf hashes of each part."""
    archive = await house.vault.upload(house.file, part_size=2 * MIB, description="a film")
    record = await house.catalog.archives.get(house.records.key, archive.id)
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
    """An archive of a single request is on record like one in parts."""
    archive = await house.vault.upload(b"small", description="small")
    record = await house.catalog.archives.get(house.records.key, archive.id)
    assert record is not None
    assert (record.archive, record.source) == (archive, None)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "UploadArchive"])
async def test_an_archive_with_another_hash_is_suspect(house: House, operation: str) -> None:
    """The error names the archive, and the record marks it as suspect; nothing is deleted (SV-06)."""
    house.server.faults.add(Fault(operation, FaultKind.WRONG_HASH))
    whole = operation == "UploadArchive"
    with pytest.raises(IntegrityError) as caught:
        await house.vault.upload(b"small" if whole else house.file, part_size=None if whole else MIB)
    assert caught.value.archive_id is not None
    record = await house.catalog.archives.get(house.records.key, ArchiveId(caught.value.archive_id))
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


@pytest.mark.slow
async def test_a_lost_answer_to_completing_costs_nothing(house: House) -> None:
    """A completion whose answer was lost is repeated and gives the same archive (SV-09)."""
    house.server.faults.add(Fault("CompleteMultipartUpload", FaultKind.RESET, moment=Moment.AFTER_COMMIT))
    archive = await house.vault.upload(house.file, part_size=MIB)
    assert await house.catalog.archives.get(house.records.key, archive.id)
    assert (await house.vault.describe()).archive_count == 1


@pytest.mark.slow
async def test_what_an_upload_costs_is_on_record_with_its_steps(house: House) -> None:
    """A kill before the block of the budget ends hides no request that was answered."""

    async def paid() -> dict[str, int]:
        report = await house.catalog.reports.vault(house.records.key)
        return {each.operation: each.requests for each in report.spent}

    async with house.vault.spending(Budget(load_prices("us-east-1"))):
        await house.left_behind()
        assert await paid() == {"InitiateMultipartUpload": 1, "UploadMultipartPart": 5}
        await house.vault.upload(b"small")
        assert (await paid())["UploadArchive"] == 1
    assert (await paid())["UploadMultipartPart"] == 6  # one was refused


@pytest.mark.slow
async def test_nothing_is_sent_any_more_when_nothing_can_be_recorded(house: House, tmp_path: Path) -> None:
    """Without the catalog no further part, no completion and no abort is sent (DC-01, DC-10)."""
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
    """A single request without a record does not send its last bytes (DC-01)."""
    (tmp_path / "catalog.db").rename(tmp_path / "elsewhere.db")
    for size in (1, 300_000):
        with pytest.raises(CatalogError):
            await house.vault.upload(data(size))
    assert (await house.vault.describe()).archive_count == 0


@pytest.mark.slow
async def test_a_single_request_is_recorded_when_its_last_bytes_go_out(house: House) -> None:
    """A request that is cut off before its last bytes leaves nothing to settle."""
    house.server.faults.add(
        Fault("UploadArchive", FaultKind.RESET, Moment.BODY, after_bytes=100_000, count=None)
    )
    with anyio.move_on_after(0.5):
        await house.vault.upload(data(4 * MIB))
    assert not await house.uploads()


class Sequence:
    """A store that gives ids in a sequence and waits for ever in every other method."""

    rules = VAULT_RULES

    def __init__(self, *ids: str) -> None:
        self._ids = list(ids)

    async def initiate(self, part_size: int) -> UploadId:
        """Return the next id."""
        del part_size
        return UploadId(self._ids.pop(0))

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> Archive:
        """Hand half of the body to the connection, and wait."""
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

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: object = ()
    ) -> Archive:
        """Wait."""
        del upload_id, size, tree_hash, receipts
        await anyio.sleep_forever()
        raise AssertionError

    async def abort(self, upload_id: UploadId) -> None:
        """Wait."""
        del upload_id
        await anyio.sleep_forever()


def recording(house: House, inner: Sequence) -> RecordingStore[Archive]:
    """Return a store that records a new upload."""
    return house.records.store(inner, UploadOptions("v"))


async def test_an_id_that_somebody_else_has_taken_is_not_used(house: House) -> None:
    """Two processes that find the same lost upload take one each (PR-02)."""
    first, second = recording(house, Sequence("one")), recording(house, Sequence("one", "two"))
    assert await first.initiate(MIB) == "one"
    assert await second.initiate(MIB) == "two"


async def test_a_single_request_that_was_cancelled_half_way_has_made_nothing(house: House) -> None:
    """A single request cancelled half-way has made no archive, and its record says so."""
    body = memoryview(data(1000))
    hashes = PartHashes(b"", tree_hash(body), b"")
    with anyio.CancelScope() as scope:
        await recording(house, Sequence()).store_whole(body, hashes, lambda _: scope.cancel())
    assert scope.cancelled_caught
    assert not await house.uploads()


async def test_a_stream_is_on_record_with_the_file_that_it_was_made_from(house: House) -> None:
    """The archive of an encrypted file names the file; its upload is a stream's, which cannot go on."""
    for size in (1, 2 * MIB):
        upload = await house.vault.prepare_upload(
            iter([data(size)]), part_size=MIB, recorded_source=house.file
        )
        archive = await upload.run()
        record = await house.catalog.archives.get(house.records.key, archive.id)
        assert record is not None
        assert record.source == str(house.file)
    async with house.vault.open_or_resume(house.file, part_size=MIB, again=False) as upload_:
        assert not upload_.is_stored
