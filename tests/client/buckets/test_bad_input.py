"""Input that S3 would refuse: every public function refuses it before a connection is opened."""

from __future__ import annotations

import select
import socket
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier
from aioglacier import (
    BucketNameError,
    InvalidIdError,
    InvalidPartSizeError,
    InvalidPlanError,
    MetadataError,
    ObjectKeyError,
    ObjectSettings,
)
from aioglacier.bulk import (
    FolderRestore,
    FolderSync,
    FolderVerify,
    RestoreOptions,
    StreamUpload,
    VerifyOptions,
    load_prices,
    read_manifest,
)
from aioglacier.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier import Bucket, Glacier

MIB = 1024 * 1024


async def _enter(block: AbstractAsyncContextManager[object]) -> None:
    async with block:
        pass


#: The functions of a bucket that write an object.
WRITES: dict[str, Callable[..., Awaitable[object]]] = {
    "open_writer": lambda bucket, key, **given: _enter(bucket.open_writer(key, **given)),
    "upload of bytes": lambda bucket, key, **given: bucket.upload(b"x", key=key, **given),
    "upload of a file": lambda bucket, key, **given: bucket.upload(__file__, key=key, **given),
    "prepare_upload": lambda bucket, key, **given: bucket.prepare_upload(b"x", key=key, **given),
    "open_or_resume": lambda bucket, key, **given: _enter(bucket.open_or_resume(__file__, key=key, **given)),
}

#: What each of them refuses.
REFUSED: tuple[tuple[dict[str, Any], type[Exception]], ...] = (
    ({"key": ""}, ObjectKeyError),
    ({"key": "k" * 1025}, ObjectKeyError),
    ({"key": "\ud800"}, ObjectKeyError),
    ({"storage_class": None}, InvalidPlanError),
    ({"storage_class": "EXPRESS_ONEZONE"}, InvalidPlanError),
    ({"storage_class": "COLD"}, InvalidPlanError),
    ({"metadata": {"a": "x" * 2048}}, MetadataError),
    ({"metadata": {"a": "ü"}}, MetadataError),
    ({"metadata": {"A B": "x"}}, MetadataError),
    ({"metadata": {"a": 5}}, MetadataError),
    ({"tags": {str(number): "" for number in range(11)}}, MetadataError),
    ({"tags": {"": "x"}}, MetadataError),
    ({"description": "x" * 1025}, InvalidPlanError),
    ({"part_size": 4 * MIB}, InvalidPartSizeError),
    ({"part_size": 5 * MIB}, InvalidPartSizeError),
    ({"part_size": 8 * 1024 * MIB}, InvalidPartSizeError),
    ({"part_size": 0}, InvalidPartSizeError),
    ({"expected_size": -1}, InvalidPlanError),
    ({"expected_size": 50 * 1024**4}, InvalidPlanError),  # an object ends at 48.8 TiB
    ({"checksum": "MD5"}, InvalidPlanError),
    ({"settings": ObjectSettings(encryption="rot13")}, InvalidPlanError),
    ({"settings": ObjectSettings(lock_mode="NEVER", locked_until=datetime.now(UTC))}, InvalidPlanError),
    ({"settings": ObjectSettings(lock_mode="GOVERNANCE")}, InvalidPlanError),
    ({"settings": ObjectSettings(content_type="a\nb")}, InvalidPlanError),
)

#: The service never answers, so what is not refused would wait.
SECONDS = 5

LONG = "k" * 1025
FAST: Any = "Fast"  # no tier
HALF: Any = 0.5
BUDGET = aioglacier.Budget(load_prices("us-east-1"))

#: All other functions, with the input that they refuse.
OTHERS: dict[str, tuple[Callable[[Glacier, Bucket], Any], type[Exception]]] = {
    "bucket, name": (lambda glacier, _: glacier.bucket("No Bucket"), BucketNameError),
    "bucket, short name": (lambda glacier, _: glacier.bucket("ab"), BucketNameError),
    "bucket, an address": (lambda glacier, _: glacier.bucket("192.168.0.1"), BucketNameError),
    "bucket, a directory bucket": (lambda glacier, _: glacier.bucket("a--x-s3"), BucketNameError),
    "bucket, class": (lambda glacier, _: glacier.bucket("museum", "COLD"), InvalidPlanError),
    "bucket, prefix": (lambda glacier, _: glacier.bucket("museum", prefix=LONG), ObjectKeyError),
    "bucket, owner": (lambda glacier, _: glacier.bucket("museum", owner="me"), InvalidPlanError),
    "place, name": (lambda glacier, _: glacier.place("s3://No Bucket/"), InvalidPlanError),
    "place, class": (lambda glacier, _: glacier.place("s3://museum", "COLD"), InvalidPlanError),
    "create_bucket, name": (lambda glacier, _: glacier.create_bucket("a..b"), BucketNameError),
    "create_bucket, class": (lambda glacier, _: glacier.create_bucket("museum", "COLD"), InvalidPlanError),
    "head": (lambda _, bucket: bucket.head(""), ObjectKeyError),
    "delete": (lambda _, bucket: bucket.delete(LONG), ObjectKeyError),
    "restored": (lambda _, bucket: bucket.restored(""), ObjectKeyError),
    "objects": (lambda _, bucket: anext(bucket.objects(LONG)), ObjectKeyError),
    "uploads": (lambda _, bucket: anext(bucket.uploads(LONG)), ObjectKeyError),
    "retrieve, key": (lambda _, bucket: bucket.retrieve(""), ObjectKeyError),
    "retrieve, tier": (lambda _, bucket: bucket.retrieve("k", tier=FAST), InvalidPlanError),
    "retrieve, no days": (lambda _, bucket: bucket.retrieve("k", days=0), InvalidPlanError),
    "retrieve, half a day": (lambda _, bucket: bucket.retrieve("k", days=HALF), InvalidPlanError),
    "retrieve, range": (lambda _, bucket: bucket.retrieve("k", byte_range=(5, 1)), InvalidPlanError),
    "resume, id": (lambda _, bucket: bucket.resume("a b", b"x"), InvalidIdError),
    "resume, key": (lambda _, bucket: bucket.resume("u", b"x", key=LONG), ObjectKeyError),
    "resume, part size": (
        lambda _, bucket: bucket.resume("u", b"x", part_size=5 * MIB),
        InvalidPartSizeError,
    ),
    "prepare_resume": (lambda _, bucket: bucket.prepare_resume("", b"x"), InvalidIdError),
    "resume_writer, id": (lambda _, bucket: _enter(bucket.resume_writer("")), InvalidIdError),
    "resume_writer, key": (lambda _, bucket: _enter(bucket.resume_writer("u", key=LONG)), ObjectKeyError),
    "resume_writer, size": (
        lambda _, bucket: _enter(bucket.resume_writer("u", key="k", expected_size=-1)),
        InvalidPlanError,
    ),
    "FolderSync, no class": (
        lambda glacier, _: FolderSync(glacier.bucket("museum"), ".").run(),
        InvalidPlanError,
    ),
    "FolderRestore, days": (
        lambda _, bucket: FolderRestore(bucket, "back", BUDGET, RestoreOptions(days=0)).run(),
        InvalidPlanError,
    ),
    "FolderRestore, tier": (
        lambda _, bucket: FolderRestore(bucket, "back", BUDGET, RestoreOptions(tier=FAST)).run(),
        InvalidPlanError,
    ),
    "FolderVerify, tier": (
        lambda _, bucket: FolderVerify(bucket, ".", BUDGET, VerifyOptions(tier=FAST)).run(),
        InvalidPlanError,
    ),
    "StreamUpload, no class": (
        lambda glacier, _: StreamUpload(glacier.bucket("museum"), BytesIO(b"x"), key="k").run(),
        InvalidPlanError,
    ),
    "StreamUpload, key": (
        lambda _, bucket: StreamUpload(bucket, BytesIO(b"x"), key=LONG).run(),
        ObjectKeyError,
    ),
    "StreamUpload, part size": (
        lambda _, bucket: StreamUpload(bucket, BytesIO(b"x"), key="k", part_size=5 * MIB).run(),
        InvalidPartSizeError,
    ),
    "read_manifest, days": (lambda _, bucket: read_manifest(bucket, "k", days=0), InvalidPlanError),
}


@pytest.fixture
def untouched() -> Any:
    """Return the address of a port that listens; at the end, check that no connection was made to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert select.select([listener], [], [], 0)[0] == [], "a connection was opened"


@pytest.fixture
async def glacier(untouched: str, tmp_path: Path) -> AsyncIterator[Glacier]:
    """Return a connection with a catalog to a service that must not be asked."""
    async with (
        Catalog.open(tmp_path / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url=untouched,
            s3_endpoint_url=untouched,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            catalog=catalog,
            hash_in="threads",
        ) as opened,
    ):
        yield opened


@pytest.mark.parametrize("function", WRITES)
async def test_no_function_that_writes_sends_bad_input(glacier: Glacier, function: str) -> None:
    """Keys, classes, metadata, tags, sizes, checksums and settings are checked before a connection."""
    bucket = glacier.bucket("museum")
    for given, error in REFUSED:
        with pytest.raises(error), anyio.fail_after(SECONDS):
            await WRITES[function](bucket, **{"key": "a", "storage_class": "GLACIER", **given})


@pytest.mark.parametrize("name", OTHERS)
async def test_no_other_function_sends_bad_input(glacier: Glacier, name: str) -> None:
    """Names, keys, tiers, days, ranges and ids are checked before a connection."""
    function, error = OTHERS[name]
    with pytest.raises(error), anyio.fail_after(SECONDS):
        await function(glacier, glacier.bucket("museum", "GLACIER"))
