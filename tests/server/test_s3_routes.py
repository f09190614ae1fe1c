"""The bucket, key and operation of a request to S3."""

from __future__ import annotations

import pytest

from aioglacier.server.protocol import s3_behaviour as behaviour
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.s3_routes import NOT_IMPLEMENTED, find_s3_operation, parse_s3_target

OWN = ("localhost", "glacier.test")


@pytest.mark.parametrize(
    ("path", "host", "bucket", "key"),
    [
        ("/museum/a%20b/c", "localhost", "museum", "a b/c"),
        ("/a/b", "museum.localhost", "museum", "a/b"),
        ("/a", "mu.seum.glacier.test", "mu.seum", "a"),
        ("/a", "museum.s3.eu-west-1.amazonaws.com", "museum", "a"),
        ("/museum", "127.0.0.1", "museum", ""),
        ("/", "localhost", "", ""),
        ("//a", "museum.localhost", "museum", "/a"),
    ],
)
def test_the_bucket_stands_in_the_host_or_in_the_path(path: str, host: str, bucket: str, key: str) -> None:
    """Both forms of an address lead to the same bucket and key."""
    target = parse_s3_target(path, host, OWN)
    assert (target.bucket, target.key) == (bucket, key)
    assert target.level == ("object" if key else "bucket" if bucket else "account")


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    """S3 has keys in UTF-8 only."""
    with pytest.raises(S3RefusalError) as caught:
        parse_s3_target("/museum/%ff", "localhost", OWN)
    assert caught.value.code == "InvalidURI"


def test_the_length_of_a_key_is_counted_in_bytes() -> None:
    """A letter of two bytes counts twice."""
    longest = "%C3%A9" * (behaviour.MAX_KEY_SIZE // 2)
    assert parse_s3_target(f"/museum/{longest}", "localhost", OWN).key
    with pytest.raises(S3RefusalError) as caught:
        parse_s3_target(f"/museum/{longest}a", "localhost", OWN)
    assert caught.value.code == "KeyTooLongError"


@pytest.mark.parametrize(
    ("method", "path", "headers", "name"),
    [
        ("PUT", "/museum/a", {}, "PutObject"),
        ("PUT", "/museum/a", {"x-amz-copy-source": "b"}, "CopyObject"),
        ("PUT", "/museum/a?uploadId=1&partNumber=1", {}, "UploadPart"),
        ("PUT", "/museum/a?uploadId=1", {"x-amz-copy-source": "b"}, "UploadPartCopy"),
        ("GET", "/museum?list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/museum?prefix=a", {}, "ListObjects"),
        ("GET", "/museum/a?response-content-type=b", {}, "GetObject"),
        ("GET", "/museum/a?versionId=null", {}, "GetObject"),
    ],
)
def test_method_level_and_subresource_choose_the_operation(
    method: str, path: str, headers: dict[str, str], name: str
) -> None:
    """A key of the query that selects nothing only changes the operation."""
    target = parse_s3_target(path, "localhost", OWN)
    assert find_s3_operation(method, target, headers).name == name


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        *(("GET", f"/museum?{name}", "NotImplemented") for name in sorted(NOT_IMPLEMENTED)),
        ("GET", "/museum/a?versionId=2", "NotImplemented"),
        ("POST", "/museum/a", "NotImplemented"),
        ("DELETE", "/museum?location", "NotImplemented"),
        ("PUT", "/", "MethodNotAllowed"),
        ("PATCH", "/museum/a", "MethodNotAllowed"),
    ],
)
def test_what_s3_has_and_this_server_lacks_is_refused_by_name(method: str, path: str, code: str) -> None:
    """No request is answered as another one than it is."""
    with pytest.raises(S3RefusalError) as caught:
        find_s3_operation(method, parse_s3_target(path, "localhost", OWN), {})
    assert caught.value.code == code
