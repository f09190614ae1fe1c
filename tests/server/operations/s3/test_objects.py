"""Putting and deleting objects, with boto3."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.server.operations.s3.conftest import Bucket


@pytest.mark.parametrize("key", ["a", "a/b c+d", "ü/日本", "a//b", "/a", "a%20b", "..", "a&b=c?d#e"])
def test_any_key_comes_back(bucket: Bucket, key: str) -> None:
    """A key is any text; nothing in it is a path."""
    bucket.put_object(Key=key, Body=key.encode())
    assert bucket.read(key) == key.encode()
    bucket.delete_object(Key=key)
    assert bucket.refused("get_object", Key=key) == (404, "NoSuchKey")


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_any_size_comes_back(bucket: Bucket, size: int) -> None:
    """Bytes and entity tag are those of the body, from none to more than one block."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    answer = bucket.put_object(Key="k", Body=data)
    assert answer["ETag"] == f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    assert bucket.read("k") == data


def test_metadata_and_headers_come_back(bucket: Bucket) -> None:
    """A head gives back the class, metadata and headers of the put."""
    given = {
        "Metadata": {"token": "1234", "long": "x" * 1900},
        "ContentType": "text/plain",
        "CacheControl": "no-store",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:us-east-1:012345678901:key/1",
        "StorageClass": "GLACIER_IR",
    }
    put = bucket.put_object(Key="k", Body=b"x", Tagging="a=b&c=d", **given)
    head = bucket.head_object(Key="k")
    assert {name: head[name] for name in given} == given
    assert head["TagCount"] == 2
    assert put["ServerSideEncryption"] == "aws:kms"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Metadata": {"a": "x" * 2048}}, (400, "MetadataTooLarge")),
        ({"StorageClass": "COLD"}, (400, "InvalidStorageClass")),
        ({"Key": "x" * 1025}, (400, "KeyTooLongError")),
        ({"Tagging": "&".join(f"k{n}=v" for n in range(11))}, (400, "BadRequest")),
        ({"Tagging": "a=1&a=2"}, (400, "InvalidTag")),
        ({"ObjectLockMode": "GOVERNANCE"}, (400, "InvalidRequest")),
        ({"ObjectLockLegalHoldStatus": "ON"}, (400, "InvalidRequest")),
        ({"ContentMD5": base64.b64encode(b"x" * 16).decode()}, (400, "BadDigest")),
        ({"ContentMD5": "oops"}, (400, "InvalidDigest")),
        ({"ChecksumSHA256": base64.b64encode(b"x" * 32).decode()}, (400, "BadDigest")),
        ({"ChecksumCRC32": "oops"}, (400, "InvalidRequest")),
    ],
)
def test_bad_puts_are_refused(bucket: Bucket, given: dict[str, Any], code: tuple[int, str]) -> None:
    """A refused put leaves no object."""
    assert bucket.refused("put_object", **{"Key": "k", "Body": b"x", **given}) == code
    assert bucket.refused("head_object", Key="k") == (404, "404")


def test_conditions_of_puts_hold(bucket: Bucket) -> None:
    """A put is refused where it expects no object, or another one, under its key."""
    assert bucket.refused("put_object", Key="k", Body=b"x", IfMatch="abc") == (404, "NoSuchKey")
    first = bucket.put_object(Key="k", Body=b"x", IfNoneMatch="*")
    assert bucket.refused("put_object", Key="k", Body=b"y", IfNoneMatch="*") == (412, "PreconditionFailed")
    bucket.put_object(Key="k", Body=b"y", IfMatch=first["ETag"])
    assert bucket.refused("put_object", Key="k", Body=b"z", IfMatch=first["ETag"]) == (
        412,
        "PreconditionFailed",
    )
    assert bucket.read("k") == b"y"


def test_many_objects_are_deleted_at_once(bucket: Bucket) -> None:
    """Each key has its result, also one that does not exist."""
    for key in ("a", "b & c"):
        bucket.put_object(Key=key, Body=b"x")
    keys = [{"Key": key} for key in ("a", "b & c", "nothere")]
    assert bucket.delete_objects(Delete={"Objects": keys})["Deleted"] == keys
    assert "Deleted" not in bucket.delete_objects(Delete={"Objects": keys, "Quiet": True})
    bucket.delete_bucket()


def test_a_locked_object_stays(client: Any, bucket: Bucket) -> None:
    """Neither a delete nor a put removes it while it is held."""
    name = f"{bucket.name}-locks"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    locked = type(bucket)(name, client)
    locked.put_object(Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    assert locked.head_object(Key="k")["ObjectLockLegalHoldStatus"] == "ON"
    assert locked.refused("delete_object", Key="k") == (403, "AccessDenied")
    assert locked.refused("put_object", Key="k", Body=b"y") == (403, "AccessDenied")
    failed = locked.delete_objects(Delete={"Objects": [{"Key": "k"}]})["Errors"]
    assert failed[0]["Code"] == "AccessDenied"
    assert locked.read("k") == b"x"
