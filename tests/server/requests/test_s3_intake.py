"""Bodies of objects on the wire: chunks, trailers, and the checks of both, to a server without keys."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.server.conftest import Plain, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

CRC = base64.b64encode(zlib.crc32(b"wikipedia").to_bytes(4, "big")).decode()
CHUNKED = {
    "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "Content_Encoding": "aws-chunked",
    "x_amz_trailer": "x-amz-checksum-crc32",
    "x_amz_decoded_content_length": "9",
}


async def request(server: LocalGlacier, method: str, path: str, body: bytes = b"", **headers: str) -> Plain:
    """Send a request without the marks of the vault service."""
    return await send(server, method, path, body, x_amz_glacier_version="", **headers)


def chunks(crc: str = CRC) -> bytes:
    """Return a body in chunks with a trailer."""
    return b"4\r\nwiki\r\n5\r\npedia\r\n0\r\nx-amz-checksum-crc32:" + crc.encode() + b"\r\n\r\n"


@pytest.fixture
async def bucket(faithful: LocalGlacier) -> LocalGlacier:
    """A server with a bucket "museum"."""
    assert (await request(faithful, "PUT", "/museum")).status == 200
    return faithful


async def test_a_chunked_body_is_decoded(bucket: LocalGlacier) -> None:
    """The object is the payload, its checksum the trailer, and its encoding not that of the transfer."""
    put = await request(bucket, "PUT", "/museum/k", chunks(), **CHUNKED)
    assert (put.status, put.headers["x-amz-checksum-crc32"]) == (200, CRC)
    got = await request(bucket, "GET", "/museum/k")
    assert got.body == b"wikipedia"
    assert "Content-Encoding" not in got.headers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "changes", "code"),
    [
        (chunks("AAAAAA=="), {}, "BadDigest"),
        (chunks("oops"), {}, "InvalidRequest"),
        (chunks().replace(b"x-amz-checksum-crc32", b"x-amz-checksum-other"), {}, "MalformedXML"),
        (chunks()[:-2], {}, "IncompleteBody"),
        (chunks(), {"x_amz_decoded_content_length": "10"}, "IncompleteBody"),
        (chunks(), {"x_amz_decoded_content_length": ""}, "MissingContentLength"),
        (chunks(), {"x_amz_decoded_content_length": str(6 * 1024**3)}, "EntityTooLarge"),
        (chunks(), {"x_amz_trailer": "x-amz-checksum-md2"}, "NotImplemented"),
        (b"x", {"x_amz_content_sha256": hashlib.sha256(b"y").hexdigest()}, "XAmzContentSHA256Mismatch"),
    ],
)
async def test_wrong_bodies_are_refused(
    bucket: LocalGlacier, body: bytes, changes: dict[str, str], code: str
) -> None:
    """And leave neither an object nor a file."""
    base = {} if body == b"x" else CHUNKED
    answer = await request(bucket, "PUT", "/museum/k", body, **{**base, **changes})
    assert f"<Code>{code}</Code>".encode() in answer.body
    assert (await request(bucket, "HEAD", "/museum/k")).status == 404
    assert list((bucket.settings.directory / "incoming").iterdir()) == []


async def test_a_bucket_can_stand_in_the_host(bucket: LocalGlacier) -> None:
    """The key is the whole path then."""
    for host in ("museum.localhost", "museum.s3.us-east-1.amazonaws.com"):
        assert (await request(bucket, "PUT", "/dir/k", b"x", Host=host)).status == 200
    assert (await request(bucket, "GET", "/museum/dir/k")).body == b"x"


async def test_web_pages_get_no_answer_without_keys(bucket: LocalGlacier) -> None:
    """A page could send S3's requests from a form; the browser names its origin."""
    answer = await request(bucket, "POST", "/museum/k?uploads", Origin="http://evil.example")
    assert (answer.status, b"<Code>AccessDenied</Code>" in answer.body) == (403, True)
    assert (await request(bucket, "GET", "/museum", Host="evil.example")).status == 403
