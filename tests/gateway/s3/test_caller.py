"""Requests to buckets: where they go, and what is refused before one is sent."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.crc import crc64nvme
from aioglacier.core.errors import (
    BucketNameError,
    ConfigurationError,
    GlacierError,
    IntegrityError,
    InvalidPlanError,
    MetadataError,
    ObjectKeyError,
    ServiceError,
    TemporaryServiceError,
    UnexpectedResponseError,
    WrongRegionError,
)
from aioglacier.core.models import Tier
from aioglacier.core.ranges import ByteRange
from aioglacier.core.s3.objects import BucketRef, ChecksumAlgorithm, ObjectChecksum
from aioglacier.core.treehash import PartHashes, hash_part
from aioglacier.files.reading import FileIdentity, FileRange
from aioglacier.gateway.connect import open_s3_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.contract.protocols import RawRequest
from tests.gateway.faulty import KEY_ID, SECRET, answers, faulty_server, options_for
from tests.gateway.s3.calls import (
    BODY,
    BUCKET,
    CALLS,
    COMPOSITE,
    CRC_HASHES,
    FULL,
    HASHES,
    KEY,
    PARTS,
    PLAIN,
    SHA256_TEXT,
    UPLOAD,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioglacier.gateway.s3.caller import S3Caller
    from tests.gateway.faulty import Exchange, FaultyServer

ID = {"x-amz-request-id": "A"}
PUT = CALLS["put"].ours
PART = CALLS["part"].ours
COMPLETE = CALLS["complete"].ours
HEAD = {"ETag": '"e"', "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"}


async def addressed(options: GatewayOptions, bucket: str | None) -> tuple[str, str]:
    """Return the URL of an object or of the account, and the region, at an endpoint that is not asked."""
    async with open_s3_gateway(options) as gateway:
        row: Any = type(gateway).list_buckets if bucket is None else type(gateway).head_object
        arguments = {} if bucket is None else {"bucket": BucketRef(bucket), "key": "a b"}
        return gateway.address(row.row, arguments), gateway.region


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "config", "bucket", "url"),
    [
        ({}, "", "museum", "https://museum.s3.eu-west-1.amazonaws.com/a%20b"),
        ({}, "", None, "https://s3.eu-west-1.amazonaws.com/"),
        ({}, "", "mu.seum", "https://s3.eu-west-1.amazonaws.com/mu.seum/a%20b"),
        ({"region_name": "us-east-1"}, "", "museum", "https://museum.s3.amazonaws.com/a%20b"),
        ({"endpoint_url": "http://127.0.0.1:8000"}, "", "museum", "http://127.0.0.1:8000/museum/a%20b"),
        ({"endpoint_url": "https://store.example"}, "", "museum", "https://store.example/museum/a%20b"),
        # From here on botocore is asked.
        (
            {"region_name": "cn-north-1"},
            "s3 =\n  addressing_style = path\n",
            "museum",
            "https://s3.cn-north-1.amazonaws.com.cn/museum/a%20b",
        ),
        (
            {"endpoint_url": "http://127.0.0.1:8000"},
            "s3 =\n  addressing_style = virtual\n",
            "museum",
            "http://127.0.0.1:8000/museum/a%20b",
        ),
        (
            {},
            "use_fips_endpoint = true\nuse_dualstack_endpoint = true\n",
            "museum",
            "https://museum.s3-fips.dualstack.eu-west-1.amazonaws.com/a%20b",
        ),
        (
            {},
            "services = mine\n[services mine]\ns3 =\n  endpoint_url = https://store.example\n",
            "museum",
            "https://store.example/museum/a%20b",
        ),
    ],
)
async def test_buckets_are_addressed_as_botocore_does(
    tmp_path: Path, given: dict[str, Any], config: str, bucket: str | None, url: str
) -> None:
    """Endpoint, region and addressing style come from where botocore looks for them."""
    (tmp_path / "config").write_text(f"[default]\n{config}")
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
    options = GatewayOptions(**{"region_name": "eu-west-1", **keys, **given})
    assert (await addressed(options, bucket)) == (url, options.region_name)


async def test_transfer_acceleration_is_refused(tmp_path: Path) -> None:
    """A profile with acceleration names a host that takes objects only."""
    (tmp_path / "config").write_text("[default]\ns3 =\n  use_accelerate_endpoint = true\n")
    options = GatewayOptions(region_name="eu-west-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET)
    with pytest.raises(ConfigurationError, match="Acceleration"):
        await addressed(options, "museum")


async def test_a_buckets_host_below_the_endpoint_is_ours(server: FaultyServer, tmp_path: Path) -> None:
    """Signed requests go to a bucket's own host, which belongs to the endpoint."""
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    options = options_for(server, endpoint_url="http://store.example", proxy=server.url, allow_insecure=True)
    server.then(answers(204, b"", ID))
    async with open_s3_gateway(options) as gateway:
        await gateway.delete_object(BUCKET, "k")
    [request] = server.requests
    assert request.headers["host"] == "museum.store.example"
    assert request.target == "http://museum.store.example/k"


def head_bucket(name: str) -> Callable[[S3Caller], Any]:
    """Return a call for a bucket."""
    return lambda s3: s3.head_bucket(BucketRef(name))


def delete(key: str) -> Callable[[S3Caller], Any]:
    """Return a call for an object."""
    return lambda s3: s3.delete_object(BUCKET, key)


NAMES = ("", "ab", "Museum", "a_b", "-abc", "abc.", "a..b", "1.2.3.4", "a/b", "xn--a", "b--x-s3")
WRONG: dict[str, tuple[Callable[[S3Caller], Any], type[GlacierError]]] = {
    **{f"bucket {name}": (head_bucket(name), BucketNameError) for name in NAMES},
    **{f"key {key[:9]!r}": (delete(key), ObjectKeyError) for key in ("", "é" * 513, "\udc80")},
    "class": (lambda s3: put(s3, storage_class="GLACIAL"), InvalidPlanError),
    "metadata size": (lambda s3: put(s3, metadata={"a": "x" * 2048}), MetadataError),
    "metadata text": (lambda s3: put(s3, metadata={"a": "é"}), MetadataError),
    "metadata name": (lambda s3: put(s3, metadata={"A": "x"}), MetadataError),
    "tags": (lambda s3: put(s3, tags={str(n): "" for n in range(11)}), MetadataError),
    "content type": (lambda s3: put(s3, content_type="a\r\nx-amz-acl: public-read"), InvalidPlanError),
    "owner": (lambda s3: s3.head_bucket(BUCKET._replace(owner="me\r\n")), InvalidPlanError),
    "lock": (lambda s3: put(s3, lock_mode="GOVERNANCE"), InvalidPlanError),
    "tier": (lambda s3: restore(s3, tier=Tier.EXPEDITED, storage_class="DEEP_ARCHIVE"), InvalidPlanError),
    "at once": (lambda s3: restore(s3, storage_class="GLACIER_IR"), InvalidPlanError),
    "days": (lambda s3: restore(s3, days=0), InvalidPlanError),
}


async def put(s3: S3Caller, **settings: Any) -> None:
    """Put an object with these settings."""
    await s3.put_object(BUCKET, KEY, BODY, hashes=HASHES, settings=replace(PLAIN, **settings))


async def restore(s3: S3Caller, *, days: int = 1, **asked: Any) -> None:
    """Ask for a restore."""
    await s3.restore_object(BUCKET, KEY, days=days, **asked)


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_input_is_refused_before_anything_is_sent(
    server: FaultyServer, s3: S3Caller, name: str
) -> None:
    """Names, keys, classes, metadata and restores that S3 would refuse never reach it."""
    call, kind = WRONG[name]
    with pytest.raises(kind):
        await call(s3)
    assert not server.requests


@pytest.mark.parametrize("call", [PUT, PART], ids=["object", "part"])
@pytest.mark.parametrize("echo", [None, SHA256_TEXT[::-1].replace("=", "") + "=", "AAAA"])
async def test_a_body_without_its_echo_does_not_count(
    server: FaultyServer, s3: S3Caller, call: Any, echo: str | None
) -> None:
    """The service must repeat our checksum."""
    server.then(answers(200, b"", ID | HEAD | ({"x-amz-checksum-sha256": echo} if echo else {})))
    with pytest.raises(IntegrityError) as caught:
        await call(s3)
    assert caught.value.expected == HASHES.payload_hash
    assert (caught.value.bucket, caught.value.key) == ("museum", KEY)
    assert caught.value.is_stored is (call is PUT)
    assert caught.value.upload_id == (UPLOAD if call is PART else None)


async def test_a_body_in_another_checksum_is_refused_as_damaged(server: FaultyServer, s3: S3Caller) -> None:
    """The service's refusal of other bytes is an integrity error, and nothing is stored."""
    server.then(answers(400, b"<Error><Code>BadDigest</Code><Message>no</Message></Error>", ID))
    with pytest.raises(IntegrityError) as caught:
        await PART(s3)
    assert not caught.value.is_stored
    assert "part 7" in str(caught.value)


async def test_an_unsigned_body_needs_tls_or_this_machine(server: FaultyServer, s3: S3Caller) -> None:
    """Without a payload hash a body goes over TLS or stays on this machine."""
    server.then(answers(200, b"", ID | HEAD | {"x-amz-checksum-crc64nvme": "rosUhgp5mIg="}))
    stored = await s3.put_object(BUCKET, KEY, BODY, hashes=CRC_HASHES, settings=PLAIN)
    assert stored.checksum == ObjectChecksum(ChecksumAlgorithm.CRC64NVME, CRC_HASHES.crc64nvme)
    assert server.requests[0].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    options = GatewayOptions(
        region_name="us-east-1",
        endpoint_url="http://192.0.2.1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        allow_insecure=True,
    )
    async with open_s3_gateway(options) as far:
        with pytest.raises(InvalidPlanError, match="no TLS"):
            await far.put_object(BUCKET, KEY, BODY, hashes=CRC_HASHES, settings=PLAIN)


async def test_a_body_without_hashes_is_followed_by_its_checksum(
    server: FaultyServer, s3: S3Caller, tmp_path: Path
) -> None:
    """A range of a file is sent as one chunk with its CRC-64/NVME behind it; progress counts it without."""
    path = tmp_path / "film"
    path.write_bytes(b"<" + bytes(BODY) + b">")
    moved: list[int] = []
    checksum = crc64nvme(BODY).to_bytes(8, "big")
    text = b64encode(checksum).decode()

    async def answer(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.answer(200, b"", ID | HEAD | {"x-amz-checksum-crc64nvme": text})

    server.then(answer)
    with path.open("rb") as file:
        identity = FileIdentity.of(os.fstat(file.fileno()))
        body = FileRange(file.fileno(), str(path), 1, len(BODY), identity)
        part = await s3.upload_part(
            BUCKET, KEY, UPLOAD, body, number=7, hashes=PartHashes(b"", b"", b""), progress=moved.append
        )
    assert (part.size, part.checksum, sum(moved)) == (len(BODY), checksum, len(BODY))
    request = server.requests[0]
    assert request.body == f"8\r\nnovember\r\n0\r\nx-amz-checksum-crc64nvme:{text}\r\n\r\n".encode()
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        "x-amz-decoded-content-length": "8",
        "content-encoding": "aws-chunked",
        "content-length": str(len(request.body)),
    }
    assert {name: request.headers[name] for name in headers} == headers


async def test_an_empty_object_is_stored(server: FaultyServer, s3: S3Caller) -> None:
    """Unlike a vault, S3 keeps objects without bytes."""
    hashes = hash_part(b"")
    server.then(
        answers(
            200, b"", ID | HEAD | {"x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
        )
    )
    stored = await s3.put_object(BUCKET, KEY, memoryview(b""), hashes=hashes, settings=PLAIN)
    assert stored.etag == "e"
    assert server.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b" \n <Error><Code>InternalError</Code><Message>no</Message></Error>", TemporaryServiceError),
        (b"<CompleteMultipartUploadResult><ETag>e</ETag>", UnexpectedResponseError),
        (b"<CompleteMultipartUploadResult/>", UnexpectedResponseError),
        (b"", UnexpectedResponseError),
        (b"<R><ETag>e</ETag><ChecksumSHA256>AAAA-2</ChecksumSHA256></R>", IntegrityError),
    ],
)
async def test_a_success_of_a_completion_is_read(
    server: FaultyServer, s3: S3Caller, body: bytes, kind: type[GlacierError]
) -> None:
    """An error inside, a cut, a missing tag and another checksum are no success."""
    server.then(answers(200, body, ID))
    with pytest.raises(kind) as caught:
        await COMPLETE(s3)
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("museum", KEY, UPLOAD)


@pytest.mark.parametrize("checksum", [None, COMPOSITE, FULL])
async def test_a_completion_without_a_checksum_counts(
    server: FaultyServer, s3: S3Caller, checksum: ObjectChecksum | None
) -> None:
    """A service that tells no checksum here tells it in the object's head."""
    server.then(answers(200, b"<R><ETag>&quot;e-2&quot;</ETag></R>", ID | {"x-amz-version-id": "v"}))
    stored = await s3.complete_multipart_upload(BUCKET, KEY, UPLOAD, parts=PARTS, size=9, checksum=checksum)
    assert (stored.etag, stored.checksum, stored.version_id) == ("e-2", None, "v")


async def test_a_bucket_elsewhere_gets_nothing(server: FaultyServer, s3: S3Caller) -> None:
    """A redirect names the region, and no request and no key reaches the other place."""
    async with faulty_server() as other:
        redirect = ID | {"Location": other.url, "x-amz-bucket-region": "eu-central-1"}
        server.then(answers(301, b"<Error><Code>PermanentRedirect</Code></Error>", redirect))
        with pytest.raises(WrongRegionError) as caught:
            await PUT(s3)
        assert not other.requests
    assert caught.value.region == "eu-central-1"
    assert caught.value.bucket == "museum"


@pytest.mark.parametrize(
    ("asked", "status", "headers"),
    [
        ({}, 200, {}),
        ({"byte_range": ByteRange(8, 16)}, 206, {"Content-Range": "bytes 8-15/99"}),
        ({"part_number": 2}, 206, {"Content-Range": "bytes 8-15/99", "x-amz-mp-parts-count": "3"}),
    ],
)
async def test_objects_are_read_whole_by_range_and_by_part(
    server: FaultyServer, s3: S3Caller, asked: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    """The output knows its place in the whole, and its head the checksum of a part."""
    server.then(answers(status, bytes(BODY), ID | HEAD | headers | {"x-amz-checksum-sha256": SHA256_TEXT}))
    async with s3.get_object(BUCKET, KEY, **asked) as output:
        assert b"".join([block async for block in output]) == BODY
    assert (output.start, output.size, output.total) == ((8, 8, 99) if status == 206 else (0, 8, 8))
    assert output.head.checksum == ObjectChecksum(ChecksumAlgorithm.SHA256, HASHES.payload_hash)
    assert output.head.size == output.total
    assert output.head.parts_count == (3 if "part_number" in asked else None)


async def test_other_bytes_than_asked_for_are_refused(server: FaultyServer, s3: S3Caller) -> None:
    """A range that was ignored is no answer to it."""
    server.then(answers(200, b"x" * 99, ID | HEAD))
    with pytest.raises(UnexpectedResponseError, match="do not fit"):
        await read(s3, byte_range=ByteRange(8, 16))


async def test_a_raw_request_is_signed_and_returned(server: FaultyServer, s3: S3Caller) -> None:
    """A request without a row goes to the bucket's path, and any answer comes back."""
    server.then(answers(404, b"<Error/>", ID))
    answer = await s3.request(RawRequest("get", "museum", {"policy": ""}))
    assert (answer.status, answer.body) == (404, b"<Error/>")
    assert server.requests[0].target == "/museum?policy="
    assert "/s3/aws4_request" in server.requests[0].headers["authorization"]


async def test_a_refusal_carries_the_facts_of_the_call(server: FaultyServer, s3: S3Caller) -> None:
    """Bucket and key are attributes of the error, and parts of its text."""
    server.then(answers(405, b"<Error><Code>MethodNotAllowed</Code><Message>no</Message></Error>", ID))
    with pytest.raises(ServiceError) as caught:
        await s3.delete_object(BUCKET, KEY)
    assert "bucket museum" in str(caught.value)
    assert KEY in str(caught.value)
