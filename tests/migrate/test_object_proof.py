"""The proof that an object is the archive that was sent; other programs' objects are compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from aioglacier.catalog.records import MovedPart
from aioglacier.core.errors import ObjectExistsError
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.moved_metadata import metadata_of
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectChecksum, ObjectHead
from aioglacier.migrate import MigrationOptions, ProvenDeletion, check_report
from aioglacier.migrate.object_proof import checksum_of, find_difference
from aioglacier.tasks.threads import run_in_thread
from tests.bulk.archives.conftest import budget
from tests.migrate.conftest import FAST, bucket_of, migration_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

MIB = 1024 * 1024
AWS = MigrationOptions(pace=FAST, names="aws")
LARGE = bytes(range(256)) * (4096 * 13)
DAY = datetime(2014, 5, 6, tzinfo=UTC)
ARCHIVE = Archive(id=ArchiveId("i"), vault="v", size=9, tree_hash=b"\1" * 32, description="d  e", created=DAY)
CHECKSUM = ObjectChecksum(ChecksumAlgorithm.SHA256, b"\2" * 32)
METADATA = {**metadata_of(ARCHIVE), "aioglacier-upload": "t"}
HEAD = ObjectHead(
    key="k", size=9, etag="e", modified=DAY, storage_class="GLACIER", metadata=METADATA, checksum=CHECKSUM
)


def test_the_checksum_of_parts_is_that_of_their_checksums() -> None:
    """Parts count in the order of their numbers, and one part that is the whole is its own."""
    parts = {number: MovedPart(number, b"", bytes([number]) * 32) for number in (1, 0)}
    whole = sha256(b"\0" * 32 + b"\1" * 32).digest()
    assert checksum_of(parts, is_whole=False) == (ChecksumAlgorithm.SHA256, whole, 2)
    assert checksum_of({0: parts[0]}, is_whole=True) == (ChecksumAlgorithm.SHA256, b"\0" * 32, None)


def test_the_object_that_was_sent_has_no_difference() -> None:
    """Metadata of other programs beside ours do not matter."""
    assert find_difference(HEAD, METADATA, 9, CHECKSUM) == ""
    more = replace(HEAD, metadata={**METADATA, "color": "red"})
    assert find_difference(more, METADATA, 9, CHECKSUM) == ""


@pytest.mark.parametrize("name", sorted(METADATA))
def test_each_of_its_metadata_counts(name: str) -> None:
    """A missing or a changed value is named."""
    for metadata in ({**METADATA, name: "x"}, {key: METADATA[key] for key in METADATA if key != name}):
        assert name in find_difference(replace(HEAD, metadata=metadata), METADATA, 9, CHECKSUM)


@pytest.mark.parametrize(
    "head",
    [
        replace(HEAD, size=8),
        replace(HEAD, checksum=None),
        replace(HEAD, checksum=CHECKSUM._replace(value=b"\3" * 32)),
        replace(HEAD, checksum=CHECKSUM._replace(parts=1)),
        replace(HEAD, checksum=CHECKSUM._replace(algorithm=ChecksumAlgorithm.CRC64NVME)),
    ],
)
def test_size_and_checksum_count(head: ObjectHead) -> None:
    """An object without a SHA-256 is not proven."""
    assert find_difference(head, METADATA, 9, CHECKSUM)


def put_as_aws(
    url: str, key: str, content: bytes, part_size: int, *, is_plain: bool = False, **more: Any
) -> None:
    """Upload an object in parts with SHA-256, as that tool does; a plain one has no checksum."""
    config = Config(request_checksum_calculation="when_required") if is_plain else None
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
        config=config,
    )
    place = {"Bucket": "museum", "Key": f"old/{key}"}
    if not part_size:
        client.put_object(**place, Body=content, **more)
        return
    begun = client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256", StorageClass="GLACIER")
    parts = []
    for number, start in enumerate(range(0, len(content), part_size), 1):
        body = content[start : start + part_size]
        done = client.upload_part(
            **place, UploadId=begun["UploadId"], PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumSHA256": done["ChecksumSHA256"]})
    client.complete_multipart_upload(**place, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts})


@pytest.mark.slow
async def test_a_half_done_run_is_taken_over(old_vault: OldVault) -> None:
    """An object with the archive's bytes is proven and not sent again; one with others is left, and named."""
    await old_vault.fill(
        {"large": LARGE, "small": b"s" * 100, "wrong": b"w" * 100, "missing": b"m", "cold": b"c" * 100}
    )
    put = partial(put_as_aws, old_vault.server.url)
    async with old_vault.connected() as glacier:
        bucket = await bucket_of(glacier)
        await run_in_thread(partial(put, "large", LARGE, 5 * MIB))
        await run_in_thread(partial(put, "small", b"s" * 100, 0, ChecksumAlgorithm="SHA256"))
        await run_in_thread(partial(put, "wrong", b"x" * 100, 0, ChecksumAlgorithm="SHA256"))
        await run_in_thread(
            partial(put, "cold", b"c" * 100, 0, ChecksumAlgorithm="SHA256", StorageClass="STANDARD_IA")
        )
        migration = await migration_of(glacier, AWS)
        done = await migration.run()
        assert (done.restored, done.failed, done.jobs_started) == (4, 1, 5)
        assert isinstance(migration.failures[0].error, ObjectExistsError)
        assert (await bucket.head("large")).storage_class == "GLACIER"
        assert (await bucket.head("cold")).storage_class == "STANDARD_IA"
        assert (await bucket.head("missing")).metadata["aioglacier-upload"]
        vault = glacier.vault("old")
        report = await check_report(vault, bucket)
        assert (report.lines, report.proven) == (4, 4)
        await run_in_thread(partial(put, "large", LARGE, 6 * MIB))
        deletion = ProvenDeletion(vault, bucket, budget())
        assert (await deletion.run()).deleted == 3
        assert [finding.key for finding in deletion.report.findings] == ["old/large"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "part_size", "more"),
    [
        (LARGE[:-1] + b"x", 5 * MIB, {}),
        (LARGE[:-1], 5 * MIB, {}),
        (LARGE[:-1] + b"x", 0, {"ChecksumAlgorithm": "SHA256"}),
        (LARGE, 0, {"ChecksumAlgorithm": "CRC32"}),
        (LARGE, 0, {"is_plain": True}),
    ],
)
async def test_other_bytes_and_other_checksums_are_never_taken(
    old_vault: OldVault, content: bytes, part_size: int, more: dict[str, Any]
) -> None:
    """A last byte, a size, or a checksum that does not prove keep the archive where it is."""
    await old_vault.fill({"a": LARGE})
    async with old_vault.connected() as glacier:
        await bucket_of(glacier)
        await run_in_thread(partial(put_as_aws, old_vault.server.url, "a", content, part_size, **more))
        migration = await migration_of(glacier, AWS)
        assert (await migration.run()).failed == 1
        assert isinstance(migration.failures[0].error, ObjectExistsError)
