"""One suite for the places that keep archives: a vault and a bucket do the same for the same words."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier
from aioglacier import (
    ByteRange,
    InvalidPartSizeError,
    LengthMismatchError,
    ResourceNotFoundError,
    ResumeMismatchError,
    SourceUnreadableError,
    TargetError,
    UploadNotFoundError,
    tree_hash,
)
from aioglacier.server import LocalGlacier
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier import Archive, ArchivedObject, ArchiveWriter, Bucket, Retrieval, Vault
    from aioglacier.catalog import Catalog

MIB = 1024 * 1024
PART_SIZE = 8 * MIB
#: Two parts.
DATA = bytes(range(251)) * (PART_SIZE // 251 + 2)


class VaultPlace:
    """A vault, under the words that both kinds of place have."""

    #: Whether the service tells the hashes of parts; SeaweedFS does not.
    tells_parts = True

    def __init__(self, place: Vault) -> None:
        self.place: Vault | Bucket = place
        self._vault = place

    def open_writer(self, **more: Any) -> AbstractAsyncContextManager[ArchiveWriter[Any]]:
        """Open a writer."""
        return self._vault.open_writer(part_size=PART_SIZE, **more)

    async def upload(self, source: Any, **more: Any) -> Archive | ArchivedObject:
        """Upload a source."""
        return await self._vault.upload(source, **{"part_size": PART_SIZE, **more})

    async def retrieve(self, archive_id: str, **more: Any) -> Retrieval[object]:
        """Retrieve what was stored."""
        return await self._vault.retrieve(archive_id, **more)

    async def delete(self, archive_id: str) -> None:
        """Delete what was stored."""
        await self._vault.delete_archive(archive_id)


class BucketPlace(VaultPlace):
    """A bucket, under the same words."""

    def __init__(self, place: Bucket, *, tells_parts: bool = True) -> None:
        self.place = place
        self.tells_parts = tells_parts
        self._bucket = place

    def open_writer(self, **more: Any) -> AbstractAsyncContextManager[ArchiveWriter[Any]]:
        """Open a writer."""
        return self._bucket.open_writer("films/1907", **more)

    async def upload(self, source: Any, **more: Any) -> ArchivedObject:
        """Upload a source."""
        return await self._bucket.upload(source, **{"key": "films/1907", "part_size": PART_SIZE, **more})

    async def retrieve(self, archive_id: str, **more: Any) -> Retrieval[object]:
        """Retrieve what was stored."""
        return await self._bucket.retrieve(archive_id.removeprefix(self._bucket.prefix), **more)

    async def delete(self, archive_id: str) -> None:
        """Delete what was stored."""
        await self._bucket.delete(archive_id.removeprefix(self._bucket.prefix))


@asynccontextmanager
async def connected(
    url: str, *keys: str, catalog: Catalog | None = None
) -> AsyncIterator[aioglacier.Glacier]:
    """Return a connection to servers of ours."""
    access_key, secret_key = keys or ("local", "local")
    async with aioglacier.connect(
        region_name="us-east-1",
        endpoint_url=url,
        s3_endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        hash_in="threads",
        catalog=catalog,
    ) as glacier:
        yield glacier


@pytest.fixture(scope="module")
def weed() -> Iterator[str]:
    """Yield the URL of SeaweedFS."""
    with seaweedfs() as url:
        yield url


@pytest.fixture(
    params=[
        "vault",
        "GLACIER_IR",
        "GLACIER",
        "DEEP_ARCHIVE",
        pytest.param("seaweedfs", marks=pytest.mark.slow),
    ]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VaultPlace]:
    """Return a vault and a bucket of each class on the local server, and a bucket of SeaweedFS."""
    if request.param == "seaweedfs":
        async with connected(request.getfixturevalue("weed"), ACCESS_KEY, SECRET_KEY) as glacier:
            await glacier.create_bucket("places")  # one for all: each takes seven of its volumes
            below = glacier.bucket("places", "GLACIER_IR", f"{uuid.uuid4().hex}/")
            yield BucketPlace(below, tells_parts=False)
        return
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=0, is_durable=False) as server,
        connected(server.url) as glacier,
    ):
        if request.param == "vault":
            yield VaultPlace(await glacier.create_vault("museum"))
        else:
            yield BucketPlace(await glacier.create_bucket("museum", request.param))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of two parts."""
    path = tmp_path / "film.mkv"
    path.write_bytes(DATA)
    return path


def stream(data: bytes = DATA) -> Iterator[bytes]:
    """Yield data in blocks that respect no boundary."""
    for start in range(0, len(data), 999_983):
        yield data[start : start + 999_983]


async def unfinished(place: VaultPlace) -> list[Any]:
    """Return the unfinished uploads."""
    return [upload async for upload in place.place.uploads()]


async def check(place: VaultPlace, archive: Archive | ArchivedObject, data: bytes = DATA) -> None:
    """Check that an archive is proven, comes back, and left nothing unfinished."""
    assert (archive.size, archive.tree_hash) == (len(data), tree_hash(data))
    retrieval = await place.retrieve(archive.id)
    await retrieval.wait_until_done()
    async with retrieval.open_reader() as reader:
        assert await reader.read() == data
    assert await unfinished(place) == []


@pytest.mark.parametrize("size", [1, PART_SIZE, len(DATA)])
async def test_a_writer_makes_an_archive(place: VaultPlace, size: int) -> None:
    """A stream of any length is proven and comes back."""
    async with place.open_writer() as writer:
        for block in stream(DATA[:size]):
            await writer.write(block)
        assert writer.position == size
    assert (writer.upload_id is None) == (size <= PART_SIZE)
    await check(place, writer.archive, DATA[:size])


async def test_a_file_and_a_small_body_make_archives(place: VaultPlace, path: Path) -> None:
    """A file is read in parts; bytes go in one request."""
    await check(place, await place.upload(path, expected_size=len(DATA)))
    await place.delete("films/1907") if isinstance(place, BucketPlace) else None
    await check(place, await place.upload(b"small"), b"small")


async def test_an_exception_makes_no_archive(place: VaultPlace) -> None:
    """The upload is aborted, and the error is the caller's own."""

    async def write() -> None:
        async with place.open_writer() as writer:
            await writer.write(DATA)
            raise RuntimeError("the tape broke")

    with pytest.raises(RuntimeError, match="the tape broke"):
        await write()
    assert await unfinished(place) == []


async def break_off(place: VaultPlace) -> str:
    """Upload one part of two, and return the id of the upload that is kept."""

    async def write() -> None:
        async with place.open_writer(keep_unfinished=True) as writer:
            await writer.write(DATA[: PART_SIZE + 1])
            while not writer.snapshot().parts_done:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.002)
            raise RuntimeError("the tape broke")

    with pytest.raises(RuntimeError):
        await write()
    [upload] = await unfinished(place)
    return str(upload.id)


@pytest.mark.parametrize("kind", ["file", "stream"])
async def test_a_broken_off_upload_goes_on(place: VaultPlace, path: Path, kind: str) -> None:
    """The source is read again from its beginning; another one is refused, and spoils nothing."""
    upload_id = await break_off(place)
    if place.tells_parts:
        with pytest.raises(ResumeMismatchError):
            await place.place.resume(upload_id, stream(b"other" + DATA[5:]))
    await check(place, await place.place.resume(upload_id, path if kind == "file" else stream()))
    with pytest.raises(UploadNotFoundError):
        await place.place.resume(upload_id, path)


async def test_an_unfinished_upload_is_listed_and_aborted(place: VaultPlace) -> None:
    """Aborting again is no error."""
    await break_off(place)
    [upload] = await unfinished(place)
    assert len([part async for part in upload.parts()]) == 1
    await upload.abort()
    await upload.abort()
    assert await unfinished(place) == []


async def test_a_download_is_verified_and_named_at_its_end(
    place: VaultPlace, path: Path, tmp_path: Path
) -> None:
    """A file with other bytes is not replaced unless asked for; one with these bytes is done."""
    archive = await place.upload(path)
    retrieval = await place.retrieve(archive.id)
    await retrieval.wait_until_done()
    target = tmp_path / "copy"
    await retrieval.download(target)
    inode = target.stat().st_ino  # a small file of the test's own
    await retrieval.download(target)
    assert target.stat().st_ino == inode
    target.write_bytes(DATA[1:] + b"!")
    with pytest.raises(TargetError):
        await retrieval.download(target)
    await retrieval.download(target, overwrite=True)
    assert target.read_bytes() == DATA  # a small file of the test's own


async def test_a_range_is_read_and_verified(place: VaultPlace) -> None:
    """Ranges count from the start of what was retrieved."""
    if not place.tells_parts:
        pytest.skip("no checksum of a part, so a range cannot be verified")
    archive = await place.upload(DATA, part_size=PART_SIZE)
    retrieval = await place.retrieve(archive.id, byte_range=(MIB, 2 * MIB))
    await retrieval.wait_until_done()
    async with retrieval.open_reader(ByteRange(7, 1000)) as reader:
        assert await reader.read() == DATA[MIB + 7 : MIB + 1000]


async def test_what_is_deleted_is_gone(place: VaultPlace) -> None:
    """Deleting again is no error."""
    archive = await place.upload(b"small")
    await place.delete(archive.id)
    await place.delete(archive.id)
    with pytest.raises(ResourceNotFoundError):
        await place.retrieve(archive.id)


@pytest.mark.parametrize(
    ("source", "arguments", "error"),
    [
        (b"five!", {"expected_size": 6}, LengthMismatchError),
        (b"five!", {"part_size": 9 * MIB}, InvalidPartSizeError),
        ("/nowhere/film.mkv", {}, SourceUnreadableError),
    ],
)
async def test_wrong_input_makes_no_archive(
    place: VaultPlace, source: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """Nothing is stored and nothing stays unfinished."""
    with pytest.raises(error):
        await place.upload(source, **arguments)
    assert await unfinished(place) == []
