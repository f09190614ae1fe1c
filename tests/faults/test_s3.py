"""OB: trouble with objects in buckets: kills, lost and false answers, storms, and lists in many pages."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.client.glacier import Glacier
from aioglacier.core.errors import IntegrityError, UnexpectedResponseError
from aioglacier.core.s3.objects import BucketRef, ChecksumAlgorithm, ObjectSettings, StorageClass
from aioglacier.core.treehash import tree_hash
from aioglacier.gateway.connect import open_gateway, open_s3_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.retry.patience import RetryPolicy
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from aioglacier.gateway.retry.retrying_s3_gateway import RetryingS3Gateway
from aioglacier.server import Fault, FaultKind, LocalGlacier, Moment
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.resources import open_resources
from tests.scripted import GivenServices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aioglacier import Bucket
    from aioglacier.gateway.s3.gateway import S3Gateway

MIB = 1024 * 1024
PART_SIZE = 8 * MIB
#: Three parts.
DATA = bytes(range(251)) * (2 * PART_SIZE // 251 + 2)

#: Ten failed attempts are an error, as everywhere, and waits are short.
POLICY = RetryPolicy(
    no_progress_seconds=2, first_ceiling_seconds=0.002, longest_wait_seconds=0.01, budget=500
)

#: The program that is killed.
PROGRAM = """
import asyncio, sys, aioglacier
url, act, path = sys.argv[1:]
async def main():
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    limits = aioglacier.Limits(concurrency=2, hash_workers=1)
    async with aioglacier.connect(s3_endpoint_url=url, endpoint_url=url, limits=limits, **keys) as glacier:
        bucket = glacier.bucket("museum", "GLACIER_IR")
        if act == "upload":
            await bucket.upload(path, key="film", part_size=8 * 1024 * 1024)
        else:
            await bucket.restored("film").download(path)
asyncio.run(main())
"""


class Stand:
    """A local Glacier in this process with a bucket, and a file of three parts."""

    def __init__(self, server: LocalGlacier, gateway: S3Gateway, bucket: Bucket, path: Path) -> None:
        self.server = server
        self.gateway = gateway
        self.bucket = bucket
        self.path = path

    def fault(
        self, operation: str, kind: FaultKind = FaultKind.STATUS, at: Moment = Moment.START, **more: Any
    ) -> None:
        """Let one request fail."""
        self.server.faults.add(Fault(operation, kind, at, **more))

    async def upload(self, **more: Any) -> Any:
        """Upload the file."""
        return await self.bucket.upload(self.path, key="film", part_size=PART_SIZE, **more)

    async def uploads(self) -> list[Any]:
        """Return the unfinished uploads."""
        return [upload async for upload in self.bucket.uploads()]

    async def check(self) -> None:
        """Check that there is one object, which is the file, and nothing unfinished."""
        self.server.faults.clear()
        assert [entry.key async for entry in self.bucket.objects()] == ["film"]
        async with self.bucket.restored("film").open_reader() as reader:
            assert tree_hash(await reader.read()) == tree_hash(DATA)
        assert await self.uploads() == []

    @asynccontextmanager
    async def program(self, act: str, path: Path) -> AsyncIterator[None]:
        """Run the program, and kill it at the end of the block."""
        command = [sys.executable, "-c", PROGRAM, self.server.url, act, str(path)]
        process = await anyio.open_process(command, stderr=subprocess.PIPE)
        try:
            yield
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert process.returncode == -signal.SIGKILL
        finally:
            if process.returncode is None:
                process.kill()
            await process.aclose()


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Return a local Glacier, in this process, and a connection that hardly waits between attempts."""
    path = tmp_path / "film.mkv"
    path.write_bytes(DATA)
    async with LocalGlacier(tmp_path / "glacier", job_delay=0, is_durable=False) as server:
        options = GatewayOptions(
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        async with (
            open_gateway(options) as vaults,
            open_s3_gateway(options) as gateway,
            open_resources(Limits(memory=64 * MIB, concurrency=3), "threads") as resources,
        ):
            buckets = RetryingS3Gateway(gateway, POLICY)
            services = GivenServices(RetryingGateway(vaults, POLICY), buckets)
            glacier = Glacier(services, resources, options)
            yield Stand(server, gateway, await glacier.create_bucket("museum", "GLACIER_IR"), path)
            assert resources.buffers.lent == 0


async def until(found: Callable[[], Any]) -> None:
    """Wait until an asynchronous function returns something true."""
    with anyio.fail_after(60):
        while not await found():  # noqa: ASYNC110  # another process gives no event
            await anyio.sleep(0.01)


@pytest.mark.slow
async def test_ob_01_an_upload_that_is_killed_goes_on(stand: Stand) -> None:
    """The upload is listed, its parts are not sent again, and one object is made."""
    stand.fault("UploadPart", where="partNumber=3", code="SlowDown", count=None)

    async def has_two_parts() -> bool:
        return [len([part async for part in upload.parts()]) for upload in await stand.uploads()] == [2]

    async with stand.program("upload", stand.path):
        await until(has_two_parts)
    [upload] = await stand.uploads()
    stand.server.faults.clear()
    stand.fault("UploadPart", where="partNumber=1", status=400, code="InvalidRequest")
    await stand.bucket.resume(upload.id, stand.path)
    await stand.check()


@pytest.mark.slow
async def test_ob_01_a_download_that_is_killed_goes_on(stand: Stand, tmp_path: Path) -> None:
    """Bytes that have arrived are not fetched again, and the file has its name only at the end."""
    await stand.upload()
    target = tmp_path / "copy"
    stand.fault("GetObject", where=f"bytes={2 * PART_SIZE}-", code="SlowDown", count=None)
    partial = tmp_path / ".copy.aioglacier"

    async def has_two_parts() -> bool:
        return partial.exists() and partial.read_bytes()[: 2 * PART_SIZE] == DATA[: 2 * PART_SIZE]

    async with stand.program("download", target):
        await until(has_two_parts)
    assert not target.exists()
    stand.server.faults.clear()
    stand.fault("GetObject", where="bytes=0-", status=400, code="InvalidRequest")
    await stand.bucket.restored("film").download(target)
    assert target.read_bytes() == DATA


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FaultKind.WRONG_HASH, FaultKind.OMIT_HEADER])
@pytest.mark.parametrize("checksum", ["SHA256", "CRC64NVME"])
async def test_ob_04_a_part_without_its_checksum_is_sent_again(
    stand: Stand, kind: FaultKind, checksum: str
) -> None:
    """An answer that names another checksum, or none, is no success; again and again it is an error."""
    header = f"x-amz-checksum-{checksum.lower()}"
    stand.fault("UploadPart", kind, header=header, count=2)
    await stand.upload(checksum=checksum)
    await stand.check()
    stand.fault("UploadPart", kind, header=header, count=None, where="partNumber=2")
    with pytest.raises(IntegrityError):
        await stand.upload(checksum=checksum, overwrite=True)
    assert await stand.uploads() == []


@pytest.mark.slow
async def test_ob_05_bits_that_flip_on_the_way_down_are_fetched_again(stand: Stand, tmp_path: Path) -> None:
    """Bytes that are wrong each time are an error, and make no file."""
    await stand.upload()
    stand.fault("GetObject", FaultKind.FLIP, after_bytes=100, count=2)
    await stand.bucket.restored("film").download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    stand.fault("GetObject", FaultKind.FLIP, after_bytes=100, count=None)
    with pytest.raises(IntegrityError):
        await stand.bucket.restored("film").download(tmp_path / "other")
    assert not (tmp_path / "other").exists()


async def test_ob_05_parts_that_do_not_make_the_object_are_not_read(stand: Stand) -> None:
    """The checksum of the whole must follow from those of the parts."""
    await stand.upload()
    stand.fault("HeadObject", FaultKind.WRONG_HASH, count=None)
    with pytest.raises(IntegrityError, match="do not make the object"):
        async with stand.bucket.restored("film").open_reader() as reader:
            await reader.read()
    await stand.check()


async def test_ob_06_an_error_inside_a_success_is_no_success(stand: Stand) -> None:
    """A completion whose 200 has an error in it is repeated."""
    stand.fault("CompleteMultipartUpload", FaultKind.EARLY_ANSWER, count=2)
    stand.fault("CompleteMultipartUpload", code="InternalError", count=2)
    await stand.upload()
    await stand.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    ["CreateMultipartUpload", "CompleteMultipartUpload", "ListMultipartUploads", "GetObjectAttributes"],
)
async def test_ob_07_a_document_that_is_cut_is_asked_for_again(stand: Stand, operation: str) -> None:
    """Half an XML document is no answer; what it was about is done once, and nothing is left behind."""
    stand.fault(operation, FaultKind.CUT_DOCUMENT)
    await stand.upload()
    assert await stand.uploads() == []
    async with stand.bucket.restored("film").open_reader() as reader:
        assert tree_hash(await reader.read()) == tree_hash(DATA)
    await stand.check()


async def test_ob_07_lists_that_stay_cut_are_an_error(stand: Stand) -> None:
    """No list is taken for a shorter one."""
    await stand.bucket.upload(b"x", key="film")
    stand.fault("ListObjectsV2", FaultKind.CUT_DOCUMENT, count=None)
    with pytest.raises(UnexpectedResponseError):
        assert [entry async for entry in stand.bucket.objects()]


@pytest.mark.slow
async def test_ob_09_a_storm_of_503_is_ridden_out(stand: Stand) -> None:
    """A third of all requests is refused; one object is made, and nothing is left."""
    for code in ("SlowDown", "InternalError"):
        stand.fault("*", code=code, probability=0.2, seed=5, count=None)
    await stand.upload()
    async with stand.bucket.restored("film").open_reader() as reader:
        assert tree_hash(await reader.read()) == tree_hash(DATA)
    await stand.check()


async def test_ob_11_uploads_are_listed_through_all_pages(stand: Stand) -> None:
    """Not one of many unfinished uploads is left unsaid, and each can be aborted."""

    async def leave(key: str) -> None:
        settings = ObjectSettings(storage_class=StorageClass.GLACIER_IR)
        ref = BucketRef("museum")
        await stand.gateway.create_multipart_upload(
            ref, key, settings=settings, algorithm=ChecksumAlgorithm.SHA256
        )

    for number in range(12):
        await leave(f"k{number % 4}")  # several of one key, so that a page ends between them
    stand.fault("ListMultipartUploads", FaultKind.SHORT_PAGES, limit=5, count=None)
    left = await stand.uploads()
    assert sorted(upload.key for upload in left) == sorted(f"k{number % 4}" for number in range(12))
    for upload in left:
        await upload.abort()
    assert await stand.uploads() == []
