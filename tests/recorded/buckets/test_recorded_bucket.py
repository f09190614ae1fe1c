"""Records of uploads to buckets, and the outcome of those that a crash has cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import ArchiveState, Catalog, UploadState
from aioglacier.core.errors import AccessDeniedError, ResumeMismatchError, UploadFailedError
from aioglacier.core.treehash import hash_part
from aioglacier.recorded.outcome import Made, NeverMade, Open, find_outcome, give_up
from aioglacier.recorded.resume import open_or_resume
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault
from aioglacier.transfer.upload.small import upload_small
from tests.cli.conftest import MIB, data
from tests.recorded.conftest import done, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import ArchiveId
    from aioglacier.recorded.buckets.object_options import ObjectOptions
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket

PART = 8 * MIB


@dataclass
class Museum:
    """A bucket on a local server, below a prefix, with a catalog."""

    server: LocalGlacier
    bucket: aioglacier.Bucket
    place: RecordedBucket

    async def record(self, key: str = "film") -> tuple[ArchiveState, str] | None:
        """Return state and class of an object on record."""
        archives = self.place.catalog.archives
        id_: ArchiveId = key  # type: ignore[assignment]  # a key is an id
        found = await archives.get(self.place.key, id_)
        facts = await archives.object_facts(self.place.key, id_)
        return (found.state, facts.storage_class) if found is not None and facts is not None else None

    async def has_part(self) -> bool:
        """Whether a part of an unfinished upload is on record, which happens after its acknowledgement."""
        uploads = self.place.catalog.uploads
        return any(
            [
                True
                async for upload in uploads.list_unfinished()
                async for _ in uploads.list_parts(upload.number)
            ]
        )

    async def intend(self, options: ObjectOptions, size: int, *, tree_hash: bytes | None) -> UploadRecord:
        """Record an upload as a process does before it is killed."""
        return await self.place.catalog.uploads.record_intent(
            self.place.key, part_size=PART, size=size, tree_hash=tree_hash, target=options.target
        )


@pytest.fixture
async def museum(tmp_path: Path) -> AsyncIterator[Museum]:
    """Return a bucket that is recorded."""
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=0) as server,
        Catalog.open(str(tmp_path / "catalog.db")) as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            s3_endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            hash_in="threads",
            limits=aioglacier.Limits(concurrency=1),
            catalog=catalog,
        ) as glacier,
    ):
        await glacier.create_bucket("museum")
        bucket = glacier.bucket("museum", "GLACIER_IR", "scans/")
        yield Museum(server, bucket, bucket.context.recorded())


async def test_an_object_is_recorded_under_its_place(museum: Museum) -> None:
    """The place holds the prefix, so the key below it is the id, and deleting is recorded."""
    assert museum.place.key.vault == museum.place.name == "s3://museum/scans/"
    stored = await museum.bucket.upload(b"x" * 100, key="film", description="a film")
    assert (stored.id, stored.vault, stored.url) == ("film", "s3://museum/scans/", "s3://museum/scans/film")
    found = await museum.place.catalog.archives.get(museum.place.key, stored.id)
    assert found is not None
    assert (found.archive.tree_hash, found.archive.description) == (stored.tree_hash, "a film")
    assert await museum.record() == (ArchiveState.STORED, "GLACIER_IR")
    await museum.bucket.delete("film")
    assert await museum.record() == (ArchiveState.DELETED, "GLACIER_IR")


async def test_an_object_without_a_tree_hash_is_recorded(museum: Museum) -> None:
    """CRC64NVME makes no tree hash, and an empty object has no parts."""
    stored = await museum.bucket.upload(b"x" * 100, key="film", checksum="CRC64NVME")
    found = await museum.place.catalog.archives.get(museum.place.key, stored.id)
    assert found is not None
    assert found.archive.tree_hash == stored.tree_hash == b""
    await museum.bucket.upload(b"", key="empty")
    assert await museum.record("empty") == (ArchiveState.STORED, "GLACIER_IR")


@pytest.mark.slow
async def test_an_upload_of_a_file_goes_on_where_it_stopped(museum: Museum, tmp_path: Path) -> None:
    """The parts at the service are compared with the file and not sent again."""
    file = tmp_path / "film"
    file.write_bytes(data(2 * PART + 5))
    museum.server.faults.add(Fault("UploadPart", first=3, status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        async with museum.bucket.open_or_resume(file, key="film", part_size=PART) as upload:
            await upload.run()
    with pytest.raises(ResumeMismatchError, match="GLACIER_IR"):
        async with museum.bucket.open_or_resume(file, key="film", storage_class="GLACIER"):
            pass
    async with museum.bucket.open_or_resume(file, key="film") as upload:
        assert upload.history.continued is not None
        archive = await upload.run()
        assert upload.snapshot().parts_done == 3
    assert archive.size == 2 * PART + 5
    await museum.place.records.uploads.note_reported(archive)
    async with museum.bucket.open_or_resume(file, key="film") as upload:
        assert upload.is_stored
    async with museum.bucket.open_or_resume(file, key="another") as upload:
        assert upload.archive is None


async def test_an_object_that_is_gone_is_uploaded_again(museum: Museum, tmp_path: Path) -> None:
    """A record alone does not prove that another program left the object there."""
    file = tmp_path / "film"
    file.write_bytes(b"film")
    async with museum.bucket.open_or_resume(file, key="film") as upload:
        await museum.place.records.uploads.note_reported(await upload.run())
    await museum.place.gateway.delete_object(museum.place.ref, "scans/film")
    async with museum.bucket.open_or_resume(file, key="film") as upload:
        assert not upload.is_stored
        await upload.run()
    assert (await museum.bucket.head("film")).size == 4


@pytest.mark.slow
async def test_a_random_key_of_a_former_run_goes_on(museum: Museum, tmp_path: Path) -> None:
    """Callers that choose keys at random find the upload by its file."""
    file = tmp_path / "film"
    file.write_bytes(data(PART + 5))
    museum.server.faults.add(Fault("UploadPart", first=2, status=403, code="AccessDenied"))
    options = museum.place.upload_options(name="one", part_size=PART, keep_unfinished=True)
    with pytest.raises(AccessDeniedError):
        async with open_or_resume(museum.place, file, options, takes_any_key=True) as upload:
            await upload.run()
    options = museum.place.upload_options(name="two", keep_unfinished=True)
    async with open_or_resume(museum.place, file, options, takes_any_key=True) as upload:
        assert (await upload.run()).id == "one"


@pytest.mark.parametrize(("exists", "is_ours"), [(True, True), (True, False), (False, False)])
async def test_the_head_tells_what_became_of_a_request(museum: Museum, exists: bool, is_ours: bool) -> None:
    """The token in the metadata decides; the service knows an object at once."""
    options = museum.place.upload_options(name="film")
    if exists:
        other = museum.place.upload_options(name="film")
        store = museum.place.object_store(options if is_ours else other)
        await upload_small(store, museum.place.resources, options, b"film")
    record = await museum.intend(options, 4, tree_hash=aioglacier.tree_hash(b"film"))
    assert record.state is UploadState.COMPLETING
    outcome = await find_outcome(museum.place, record)
    if is_ours:
        assert isinstance(outcome, Made)
        assert await museum.record() == (ArchiveState.STORED, "GLACIER_IR")
    else:
        assert isinstance(outcome, NeverMade)


async def test_an_upload_whose_id_was_lost_is_found_by_its_key(museum: Museum) -> None:
    """An upload of the key without parts is as good as a new one, and giving it up removes it."""
    options = museum.place.upload_options(name="film")
    record = await museum.intend(options, 4, tree_hash=None)
    upload_id = await museum.place.object_store(options).initiate(PART)
    outcome = await find_outcome(museum.place, record)
    assert isinstance(outcome, Open)
    assert outcome.upload_id == upload_id
    ended = await give_up(museum.place, outcome.record, "on request")
    assert ended.state is UploadState.ABORTED
    assert [each async for each in museum.place.list_uploads()] == []


async def test_a_completion_that_was_cut_off_is_repeated(museum: Museum) -> None:
    """The parts that S3 lists complete the upload."""
    options = museum.place.upload_options(name="film", part_size=PART)
    record = await museum.intend(options, 4, tree_hash=None)
    store = museum.place.store(options, record=record)
    upload_id = await store.initiate(PART)
    body, hashes = memoryview(b"film"), hash_part(b"film")
    await store.put_part(upload_id, 0, body, hashes, None)
    uploads = museum.place.catalog.uploads
    opened = await uploads.get(record.number)
    completing = await uploads.record_completing(opened, size=4, tree_hash=hashes.tree_hash)
    outcome = await find_outcome(museum.place, completing)
    assert isinstance(outcome, Made)
    assert (await museum.bucket.head("film")).size == 4


@pytest.mark.slow
async def test_a_stream_goes_on_where_it_stopped(museum: Museum) -> None:
    """The catalog has the tree hashes of the parts that do not come by again."""
    whole = data(2 * PART + 5)
    async with museum.bucket.open_writer("film", keep_unfinished=True) as writer:
        await writer.write(whole[: PART + 3])
        await done(writer, 1)
        await until(museum.has_part)
        writer.drain(0)
        with pytest.raises(UploadFailedError):
            await writer.complete()
    assert writer.upload_id is not None
    async with museum.bucket.resume_writer(writer.upload_id) as writer:
        assert writer.position == PART
        await writer.write(whole[PART:])
    assert writer.archive.tree_hash == aioglacier.tree_hash(whole)
