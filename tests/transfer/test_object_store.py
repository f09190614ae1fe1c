"""A bucket as a store: lost answers are settled, other writers are noticed, known parts are not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier
from aioglacier import (
    IntegrityError,
    InvalidParameterError,
    ObjectExistsError,
    ResumeMismatchError,
    UploadExpiredError,
    tree_hash,
)
from aioglacier.catalog import Catalog
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault, FaultKind, Moment
from tests.plain_store import plain_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from aioglacier import ArchivedObject, Bucket

MIB = 1024 * 1024
PART_SIZE = 8 * MIB
#: Two parts.
DATA = bytes(range(251)) * (PART_SIZE // 251 + 2)

both = pytest.mark.parametrize("checksum", ["SHA256", "CRC64NVME"])


class Stand:
    """A local Glacier with a bucket, and a connection to it."""

    def __init__(self, server: LocalGlacier, bucket: Bucket) -> None:
        self.server = server
        self.bucket = bucket

    def fault(
        self, operation: str, kind: FaultKind = FaultKind.STATUS, at: Moment = Moment.START, **more: Any
    ) -> None:
        """Let one request fail."""
        self.server.faults.add(Fault(operation, kind, at, **more))

    async def uploads(self) -> list[str]:
        """Return the keys of the unfinished uploads."""
        return [upload.key async for upload in self.bucket.uploads()]

    async def check(self, stored: ArchivedObject) -> None:
        """Check that the object is there and is the source, and that nothing is unfinished."""
        assert stored.tree_hash in {tree_hash(DATA), b""}
        async with (await self.bucket.retrieve(stored.key)).open_reader() as reader:
            assert await reader.read() == DATA
        assert await self.uploads() == []


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Return a local Glacier, in this process, with a bucket."""
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=0, is_durable=False) as server,
        aioglacier.connect(
            region_name="us-east-1",
            endpoint_url=server.url,
            s3_endpoint_url=server.url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            hash_in="threads",
        ) as glacier,
    ):
        yield Stand(server, await glacier.create_bucket("museum", "GLACIER_IR"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of two parts."""
    path = tmp_path / "film.mkv"
    path.write_bytes(DATA)
    return path


def stream() -> Iterator[bytes]:
    """Yield the data."""
    yield DATA


@pytest.mark.slow
@both
async def test_an_object_in_parts_is_proven(stand: Stand, path: Path, checksum: str) -> None:
    """A file and a stream become objects whose checksum S3 has computed too."""
    stored = await stand.bucket.upload(path, key="a", part_size=PART_SIZE, checksum=checksum)
    assert stored.checksum == (await stand.bucket.head("a")).checksum
    assert stored.checksum.parts == (2 if checksum == "SHA256" else None)
    await stand.check(stored)
    await stand.check(await stand.bucket.upload(stream(), key="b", checksum=checksum))


@both
async def test_a_part_that_breaks_off_is_sent_again(stand: Stand, path: Path, checksum: str) -> None:
    """The repetition is proven, also where the checksum is computed while the part is sent."""
    stand.fault("UploadPart", FaultKind.RESET, Moment.BODY, after_bytes=MIB)
    stored = await stand.bucket.upload(path, key="a", part_size=PART_SIZE, checksum=checksum)
    assert stored.checksum == (await stand.bucket.head("a")).checksum
    await stand.check(stored)


@pytest.mark.slow
@both
@pytest.mark.parametrize("moment", [Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT])
async def test_a_lost_answer_to_the_completion_is_settled(
    stand: Stand, path: Path, checksum: str, moment: Moment
) -> None:
    """Whether the lost request made the object or not, there is one, and no second."""
    stand.fault("CompleteMultipartUpload", FaultKind.RESET, moment)
    await stand.check(await stand.bucket.upload(path, key="a", part_size=PART_SIZE, checksum=checksum))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT])
async def test_a_lost_answer_to_a_put_is_settled(stand: Stand, moment: Moment) -> None:
    """The repetition meets our own object, whose token tells that it is ours."""
    stand.fault("PutObject", FaultKind.RESET, moment)
    stored = await stand.bucket.upload(b"once", key="a")
    assert stored.etag == (await stand.bucket.head("a")).etag


async def test_an_object_of_another_writer_is_not_taken_for_ours(stand: Stand) -> None:
    """The same bytes under the key prove nothing, if the token is another."""
    await stand.bucket.upload(b"once", key="a")
    stand.fault("PutObject", FaultKind.RESET)
    with pytest.raises(ObjectExistsError, match="overwrite=True"):
        await stand.bucket.upload(b"once", key="a")


async def test_a_key_that_is_taken_is_refused_before_a_part_is_sent(stand: Stand, path: Path) -> None:
    """No upload begins."""
    await stand.bucket.upload(b"x", key="a")
    stand.fault("UploadPart", status=400, count=None)
    with pytest.raises(ObjectExistsError):
        await stand.bucket.upload(path, key="a", part_size=PART_SIZE)
    assert await stand.uploads() == []


async def test_an_object_that_appears_meanwhile_is_not_replaced(stand: Stand) -> None:
    """The completion refuses, and the upload is aborted."""

    async def write() -> None:
        async with stand.bucket.open_writer("a") as writer:
            await writer.write(DATA)
            await stand.bucket.upload(b"x", key="a")

    with pytest.raises(ObjectExistsError):
        await write()
    assert (await stand.bucket.head("a")).size == 1
    assert await stand.uploads() == []


async def test_a_conflict_begins_the_upload_of_a_file_again(stand: Stand, path: Path) -> None:
    """S3 says that an upload in conflict cannot be completed any more; a stream cannot begin again."""
    conflict: dict[str, Any] = {"status": 409, "code": "ConditionalRequestConflict"}
    stand.fault("CompleteMultipartUpload", **conflict)
    await stand.check(await stand.bucket.upload(path, key="a", part_size=PART_SIZE))
    stand.fault("CompleteMultipartUpload", **conflict)
    with pytest.raises(UploadExpiredError):
        await stand.bucket.upload(stream(), key="b")
    assert await stand.uploads() == []


async def test_an_upload_that_was_aborted_elsewhere_is_an_error(stand: Stand) -> None:
    """A stream cannot go on without its former parts."""

    async def write() -> None:
        async with stand.bucket.open_writer("a") as writer:
            await writer.write(DATA)
            async for upload in stand.bucket.uploads():
                await upload.abort()
                await upload.abort()

    with pytest.raises(UploadExpiredError, match="no longer there"):
        await write()


async def break_off(stand: Stand, checksum: str) -> str:
    """Upload one part of two; return the upload's id."""

    async def write() -> None:
        async with stand.bucket.open_writer("a", checksum=checksum, keep_unfinished=True) as writer:
            await writer.write(DATA[: PART_SIZE + 1])
            while not writer.snapshot().parts_done:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.002)
            raise RuntimeError("the tape broke")

    with pytest.raises(RuntimeError) as caught:
        await write()
    upload = await anext(stand.bucket.uploads())
    assert f"upload {upload.id} was kept" in caught.value.__notes__[0]
    assert [part.number async for part in upload.parts()] == [1]
    return upload.id


@pytest.mark.slow
@both
@pytest.mark.parametrize("knows_key", [True, False])
async def test_a_resume_sends_only_missing_parts(
    stand: Stand, path: Path, checksum: str, knows_key: bool
) -> None:
    """Parts of which S3 lists the checksum are hashed here, compared and not sent."""
    upload_id = await break_off(stand, checksum)
    stand.fault("UploadPart", status=400, where="partNumber=1", count=None)
    await stand.check(await stand.bucket.resume(upload_id, path, key="a" if knows_key else None))


@both
async def test_a_resume_from_another_source_is_refused(stand: Stand, path: Path, checksum: str) -> None:
    """A wrong file sends nothing, and the upload can still be resumed from the right one, here a stream."""
    upload_id = await break_off(stand, checksum)
    path.write_bytes(b"other" + DATA[5:])  # noqa: ASYNC240  # a small file of the test's own
    with pytest.raises(ResumeMismatchError):
        await stand.bucket.resume(upload_id, path)
    await stand.check(await stand.bucket.resume(upload_id, stream()))


@both
async def test_an_object_may_have_no_bytes(stand: Stand, path: Path, tmp_path: Path, checksum: str) -> None:
    """S3 keeps empty objects: of a file, of nothing, and of a writer into which nothing was written."""
    path.write_bytes(b"")  # noqa: ASYNC240  # a small file of the test's own
    await stand.bucket.upload(path, key="file", checksum=checksum)
    await stand.bucket.upload(b"", key="bytes", checksum=checksum)
    async with stand.bucket.open_writer("writer", checksum=checksum) as writer:
        pass
    assert writer.archive.size == 0
    for key in ("file", "bytes", "writer"):
        restore = await stand.bucket.retrieve(key)
        async with restore.open_reader() as reader:
            assert await reader.read() == b""
        await restore.download(tmp_path / key)
        assert (tmp_path / key).stat().st_size == 0  # as above


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [True, False])
async def test_a_store_without_checksums_gets_md5_where_auto_allows(
    tmp_path: Path, path: Path, refuses: bool
) -> None:
    """Refused or ignored headers give way to MD5 and the entity tag; SHA256 alone stays an error."""
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=0, is_durable=False) as server,
        plain_store(server.url, refuses=refuses) as url,
        Catalog.open(tmp_path / "catalog.db") as catalog,
        aioglacier.connect(
            region_name="us-east-1",
            endpoint_url=server.url,
            s3_endpoint_url=url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            hash_in="threads",
            catalog=catalog,
            timeouts=aioglacier.Timeouts(give_up=10.0),
        ) as glacier,
    ):
        stand = Stand(server, await glacier.create_bucket("museum", "GLACIER_IR"))
        with pytest.raises(InvalidParameterError if refuses else IntegrityError):
            await stand.bucket.upload(path, key="a", part_size=PART_SIZE)
        for key, source in (("film", path), ("stream", stream()), ("small", b"once")):
            stored = await stand.bucket.upload(source, key=key, part_size=PART_SIZE, checksum="auto")
            assert (stored.checksum.algorithm, stored.checksum.parts) == (
                "MD5",
                None if key == "small" else 2,
            )
            target = tmp_path / key
            await (await stand.bucket.retrieve(key)).download(target)  # verified by the tree hash
            assert target.read_bytes() == (b"once" if key == "small" else DATA)
