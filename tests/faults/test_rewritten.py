"""A proxy rewrites the answers to all operations that read: a result is right, or an error names it."""

from __future__ import annotations

import copy
import json
import re
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest

from aioglacier.core.errors import UnexpectedResponseError
from aioglacier.core.models import (
    InventoryParameters,
    NotificationConfig,
    RetrievalPolicy,
    RetrievalStrategy,
    VaultEvent,
)
from aioglacier.core.s3.objects import BucketRef, ChecksumAlgorithm, ObjectSettings, StorageClass
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway, open_s3_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.server import LocalGlacier
from aioglacier.tasks.threads import run_in_thread
from tests.faults.proxy import Kind, Proxy, Trouble, Way, proxying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

BODY = memoryview(b"november" * (1024 * 1024 // 8))
HASHES = hash_part(BODY)
BUCKET = BucketRef("museum")
RULES = [
    {
        "ID": "tidy",
        "Status": "Enabled",
        "Filter": {"Prefix": "old/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    },
    {"ID": "away", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}},
]

#: Answers of other kinds than a document that an operation promises.
OTHERS = (
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"5",
    b"\xff\xfe",
    b"[" * 9000,
    b"<html><body>Log in</body></html>",
    b"<!doctype html><p>Log in",
    b'<?xml version="1.0"?><Empty/>',
)

#: Values of other types, among them those that are as false as a list without entries.
WRONG: tuple[Any, ...] = (True, False, 0, -1, 2**63, 1.5, "", "x", [], ["x"], {}, {"x": 5})


class Reading(NamedTuple):
    """An operation that reads.

    Attributes:
        call: Does it once.
        truth: Its result.
        body: The document that the service sends.
    """

    call: Callable[[], Awaitable[Any]]
    truth: Any
    body: bytes


class Stand(NamedTuple):
    """The operations that read, by their names, with all that a service can list; and a proxy before it."""

    proxy: Proxy
    readings: dict[str, Callable[[], Awaitable[Any]]]

    async def reading(self, operation: str) -> Reading:
        """Return an operation with its answer."""
        seen: list[bytes] = []

        def keep(body: bytes) -> bytes:
            seen.append(body)
            return body

        self.write(keep)
        call = self.readings[operation]
        return Reading(call, await call(), seen[0])

    def write(self, rewrite: Callable[[bytes], bytes]) -> None:
        """Rewrite each answer from now on."""
        self.proxy.clear()
        self.proxy.add(Trouble(Kind.REWRITE, Way.DOWN, count=None, rewrite=rewrite))

    async def result(self, operation: str, reading: Reading, body: bytes) -> Any:
        """Return the result of an operation with another answer; ``None`` where it is refused by its name."""
        self.write(lambda _: body)
        try:
            return await reading.call()
        except UnexpectedResponseError as error:
            refusal = error
        assert refusal.operation == operation
        assert f"what {operation} promises" in str(refusal)
        return None


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Yield the operations; requests are sent once."""
    async with AsyncExitStack() as stack:
        server = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
        await stack.enter_async_context(server)
        proxy = stack.enter_context(proxying(server.url))
        options = GatewayOptions(
            region_name="us-east-1",
            endpoint_url=proxy.url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        vaults = await stack.enter_async_context(open_gateway(options))
        for name in ("v", "w"):
            await vaults.create_vault(name)
        await vaults.set_vault_notifications(
            "v",
            NotificationConfig(
                "arn:aws:sns:us-east-1:012345678901:t", frozenset({VaultEvent.ARCHIVE_RETRIEVAL_COMPLETED})
            ),
        )
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "glacier:DeleteArchive",
            "Resource": (await vaults.describe_vault("v")).arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await vaults.set_vault_access_policy("v", policy)
        await vaults.initiate_vault_lock("v", policy)
        await vaults.add_tags_to_vault("v", {"a": "b"})
        await vaults.set_data_retrieval_policy(RetrievalPolicy(RetrievalStrategy.BYTES_PER_HOUR, 10**12))
        await vaults.purchase_provisioned_capacity()
        archive = await vaults.upload_archive("v", BODY, hashes=HASHES)
        upload = await vaults.initiate_multipart_upload("v", part_size=BODY.nbytes)
        await vaults.upload_multipart_part("v", upload, BODY, start=0, hashes=HASHES)
        job = await vaults.initiate_archive_retrieval("v", archive.id)
        await vaults.initiate_inventory_retrieval("v", InventoryParameters())
        s3 = await stack.enter_async_context(open_s3_gateway(options))
        await s3.create_bucket(BUCKET, region="us-east-1", has_object_lock=True)
        boto = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        put = boto.put_bucket_lifecycle_configuration
        await run_in_thread(partial(put, Bucket=BUCKET.name, LifecycleConfiguration={"Rules": RULES}))
        settings = ObjectSettings(storage_class=StorageClass.GLACIER_IR)
        for key in ("film", "folder/film"):
            await s3.put_object(BUCKET, key, BODY, hashes=HASHES, settings=settings)
        begun = await s3.create_multipart_upload(
            BUCKET, "long", settings=settings, algorithm=ChecksumAlgorithm.SHA256
        )
        await s3.upload_part(BUCKET, "long", begun, BODY, number=1, hashes=HASHES)
        yield Stand(
            proxy,
            {
                "DescribeVault": lambda: vaults.describe_vault("v"),
                "ListVaults": vaults.list_vaults,
                "GetVaultNotifications": lambda: vaults.get_vault_notifications("v"),
                "GetVaultAccessPolicy": lambda: vaults.get_vault_access_policy("v"),
                "GetVaultLock": lambda: vaults.get_vault_lock("v"),
                "ListTagsForVault": lambda: vaults.list_tags_for_vault("v"),
                "ListMultipartUploads": lambda: vaults.list_multipart_uploads("v"),
                "ListParts": lambda: vaults.list_parts("v", upload),
                "DescribeJob": lambda: vaults.describe_job("v", job),
                "ListJobs": lambda: vaults.list_jobs("v"),
                "GetDataRetrievalPolicy": vaults.get_data_retrieval_policy,
                "ListProvisionedCapacity": vaults.list_provisioned_capacity,
                "s3 ListBuckets": s3.list_buckets,
                "s3 GetBucketLifecycleConfiguration": lambda: s3.get_bucket_lifecycle(BUCKET),
                "s3 GetBucketVersioning": lambda: s3.get_bucket_versioning(BUCKET),
                "s3 GetObjectLockConfiguration": lambda: s3.get_object_lock(BUCKET),
                "s3 ListObjectsV2": lambda: s3.list_objects(BUCKET),
                "s3 GetObjectAttributes": lambda: s3.get_object_attributes(BUCKET, "film"),
                "s3 ListMultipartUploads": lambda: s3.list_multipart_uploads(BUCKET),
                "s3 ListParts": lambda: s3.list_parts(BUCKET, "long", begun),
            },
        )


@pytest.mark.slow
async def test_an_answer_of_another_kind_is_no_result(stand: Stand) -> None:
    """A page, a text, a number, a list or half of a document is never taken for an empty list."""
    for name in stand.readings:
        reading, operation = await stand.reading(name), name.removeprefix("s3 ")
        for body in (*OTHERS, reading.body[: len(reading.body) // 2], reading.body[:-3]):
            assert await stand.result(operation, reading, body) is None, (operation, body[:80])


@pytest.mark.slow
async def test_a_member_of_another_type_is_refused(stand: Stand) -> None:
    """Each member of each document of a vault, in turn, has each wrong value, or is left out."""
    for operation in (name for name in stand.readings if "s3 " not in name):
        reading = await stand.reading(operation)
        document = json.loads(reading.body)
        for path, value in _members(document):
            for wrong in WRONG:
                result = await stand.result(operation, reading, _with(document, path, wrong))
                if value is not None and type(value) is not type(wrong):
                    assert result in (None, reading.truth), (operation, path, wrong, result)
            await stand.result(operation, reading, _with(document, path, _LACKING))
            if isinstance(value, list):
                result = await stand.result(operation, reading, _with(document, path, value * 2))
                assert result in (None, reading.truth), (operation, path, result)
        more = json.dumps({**document, "New": [1]}).encode()
        assert await stand.result(operation, reading, more) == reading.truth


async def test_an_answer_about_another_vault_upload_or_job_is_refused(stand: Stand) -> None:
    """A cache that mixes answers up gives no facts of something else."""
    for operation, ours in (
        ("DescribeVault", "v"),
        ("ListMultipartUploads", "vaults/v"),
        ("ListParts", "vaults/v"),
        ("ListParts", r"\w{60,}"),
        ("DescribeJob", "vaults/v"),
        ("DescribeJob", r"\w{60,}"),
        ("ListJobs", "vaults/v"),
        ("s3 ListParts", "long"),
    ):
        reading = await stand.reading(operation)
        pattern = rf"(?<=[\"/:>]){ours}(?=[\"<])".encode()
        other, count = re.subn(pattern, lambda found: found[0] + b"x", reading.body)
        assert count
        assert await stand.result(operation.removeprefix("s3 "), reading, other) is None, operation


@pytest.mark.slow
async def test_an_element_that_is_missing_or_another_is_refused(stand: Stand) -> None:
    """In XML every element in turn is left out, emptied, a word, a negative number, or there twice."""
    for name in (name for name in stand.readings if "s3 " in name):
        reading, operation = await stand.reading(name), name.removeprefix("s3 ")
        elements = list(re.finditer(rb"<(\w+)>([^<>]*)</\1>", reading.body))
        for found in elements:
            for inner in (None, b"", b"x", b"-1", b"9" * 30, b"<a/>"):
                element = b"" if inner is None else b"<%b>%b</%b>" % (found[1], inner, found[1])
                body = reading.body[: found.start()] + element + reading.body[found.end() :]
                result = await stand.result(operation, reading, body)
                if isinstance(entries := getattr(result, "items", None), tuple):
                    assert len(entries) == len(reading.truth.items), (operation, found[1], inner)


async def test_a_setting_that_is_no_word_of_the_service_is_not_off(stand: Stand) -> None:
    """A rule that deletes objects, or a bucket without versions, would otherwise be passed over."""
    for operation in ("GetBucketLifecycleConfiguration", "GetObjectLockConfiguration"):
        reading = await stand.reading(f"s3 {operation}")
        assert b"Enabled<" in reading.body
        for other in (b"enabled<", b"On<"):
            body = reading.body.replace(b"Enabled<", other)
            assert await stand.result(operation, reading, body) is None
    reading = await stand.reading("s3 GetBucketVersioning")
    body = re.sub(
        rb"(?s)(<VersioningConfiguration[^>]*?)/?>.*",
        rb"\1><Status>On</Status></VersioningConfiguration>",
        reading.body,
    )
    assert await stand.result("GetBucketVersioning", reading, body) is None


async def test_a_list_is_never_shorter_than_it_is(stand: Stand) -> None:
    """A list that says nothing of its end, or that more follows and not where, is no whole list."""
    ours = b"<IsTruncated>false</IsTruncated>"
    for operation in ("ListObjectsV2", "ListMultipartUploads", "ListParts"):
        reading = await stand.reading(f"s3 {operation}")
        assert ours in reading.body
        for other in (b"", b"<IsTruncated/>", b"<IsTruncated>maybe</IsTruncated>"):
            assert await stand.result(operation, reading, reading.body.replace(ours, other)) is None
    reading = await stand.reading("s3 ListObjectsV2")
    more = reading.body.replace(ours, b"<IsTruncated>true</IsTruncated>")
    assert await stand.result("ListObjectsV2", reading, more) is None
    twice = re.sub(rb"(<Contents>.*</Contents>)", rb"\1\1", reading.body, flags=re.DOTALL)
    assert await stand.result("ListObjectsV2", reading, twice) is None


_LACKING = object()


def _members(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the path and the value of each member, those of lists included."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in entries:
        yield (*path, name), value
        if isinstance(value, dict | list):
            yield from _members(value, (*path, name))


def _with(document: Any, path: tuple[str | int, ...], value: object) -> bytes:
    """Return a document with another value of a member, or without it."""
    other = inner = copy.deepcopy(document)
    for name in path[:-1]:
        inner = inner[name]
    if value is _LACKING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(other).encode()
