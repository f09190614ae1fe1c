"""Signatures of S3: the examples that AWS publishes, and wrong signatures of every kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aioglacier.server import Credentials
from aioglacier.server.protocol.aws_chunked import ChunkedBody
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.protocol.s3_signature import S3Verifier
from aioglacier.server.protocol.sigv4 import SignedRequest, nearest_clock
from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NOW = datetime(2013, 5, 24, tzinfo=UTC)
SCOPE = f"{ACCESS_KEY_ID}/20130524/us-east-1/s3/aws4_request"

#: S3 API Reference, "Signature calculations for the Authorization header", GET Object.
GET = SignedRequest(
    "GET",
    "/test.txt",
    {
        "host": ["examplebucket.s3.amazonaws.com"],
        "range": ["bytes=0-9"],
        "x-amz-content-sha256": [EMPTY],
        "x-amz-date": ["20130524T000000Z"],
        "authorization": [
            (
                f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders=host;range;x-amz-content-sha256;"
                "x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            )
        ],
    },
    EMPTY,
)

#: S3 API Reference, "Authenticating requests: using query parameters".
URL = SignedRequest(
    "GET",
    f"/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={SCOPE.replace('/', '%2F')}"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": ["examplebucket.s3.amazonaws.com"]},
    "UNSIGNED-PAYLOAD",
)

#: S3 API Reference, "Transferring payload in multiple chunks".
STREAM = SignedRequest(
    "PUT",
    "/examplebucket/chunkObject.txt",
    {
        "host": ["s3.amazonaws.com"],
        "content-encoding": ["aws-chunked"],
        "content-length": ["66824"],
        "x-amz-content-sha256": ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD"],
        "x-amz-date": ["20130524T000000Z"],
        "x-amz-decoded-content-length": ["66560"],
        "x-amz-storage-class": ["REDUCED_REDUNDANCY"],
        "authorization": [
            (
                f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders=content-encoding;content-length;host;"
                "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
                "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
            )
        ],
    },
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
)
CHUNKS = (
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)


def verifier(**changes: object) -> S3Verifier:
    """Return a verifier with the published key."""
    pair = replace(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), **changes)  # type: ignore[arg-type]
    return S3Verifier([pair], region="us-east-1")


@pytest.mark.parametrize("request_", [GET, URL, STREAM], ids=["headers", "url", "stream"])
def test_published_signatures_are_accepted(request_: SignedRequest) -> None:
    """Signatures in headers and in a query."""
    verifier().verify(request_, NOW)


def test_published_chunks_are_accepted() -> None:
    """The head's signature is the seed of the first chunk's."""
    chunked = ChunkedBody(is_signed=True, signer=verifier().verify(STREAM, NOW))
    size = 0
    for length, signature in CHUNKS:
        end = b"\r\n" if length else b""
        data = f"{length:x};chunk-signature={signature}\r\n".encode() + b"a" * length + end
        size += sum(map(len, chunked.feed(data)))
    chunked.feed(b"\r\n")
    assert (size, chunked.is_complete) == (66560, True)


@pytest.mark.parametrize(
    ("request_", "later", "code"),
    [
        (replace(GET, method="PUT"), 0, "SignatureDoesNotMatch"),
        (replace(GET, target="/other.txt"), 0, "SignatureDoesNotMatch"),
        (replace(GET, target="//test.txt"), 0, "SignatureDoesNotMatch"),
        (replace(GET, target="/test.txt?acl"), 0, "SignatureDoesNotMatch"),
        (replace(GET, headers={**GET.headers, "range": ["bytes=0-8"]}), 0, "SignatureDoesNotMatch"),
        (replace(URL, target=URL.target + "&x=1"), 0, "SignatureDoesNotMatch"),
        (replace(GET, headers={"host": ["x"]}), 0, "AccessDenied"),
        (replace(GET, headers={**GET.headers, "authorization": ["AWS AK:sig"]}), 0, "InvalidRequest"),
        (replace(GET, target="/?AWSAccessKeyId=AK&Signature=x", headers={}), 0, "InvalidRequest"),
        (GET, 901, "RequestTimeTooSkewed"),
        (GET, -901, "RequestTimeTooSkewed"),
        (URL, 86401, "AccessDenied"),
        (URL, -901, "AccessDenied"),
        (replace(URL, target=URL.target.replace("86400", "604801")), 0, "AuthorizationQueryParameters"),
        (replace(URL, target=URL.target.replace("&X-Amz-Expires=86400", "")), 0, "AuthorizationQuery"),
    ],
)
def test_wrong_signatures_are_refused(request_: SignedRequest, later: int, code: str) -> None:
    """Each refusal has S3's own code."""
    with pytest.raises(S3RefusalError, match=code):
        verifier().verify(request_, NOW + timedelta(seconds=later))


@pytest.mark.parametrize(
    ("old", "new"),
    [("us-east-1", "eu-west-1"), ("/s3/", "/glacier/"), ("/2013", "/2014"), ("/aws4_request", "")],
)
def test_another_scope_is_refused(old: str, new: str) -> None:
    """A wrong region is named, so that clients sign again for the right one."""
    (text,) = GET.headers["authorization"]
    wrong = replace(GET, headers={**GET.headers, "authorization": [text.replace(old, new, 1)]})
    with pytest.raises(S3RefusalError, match="AuthorizationHeaderMalformed") as refused:
        verifier().verify(wrong, NOW)
    if old == "us-east-1":
        assert refused.value.details["Region"] == "us-east-1"


def test_a_date_is_judged_by_the_nearest_clock() -> None:
    """Clients that set their clock by the server's Date sign by the virtual clock, others by the real one."""
    ahead = NOW + timedelta(hours=9)
    assert nearest_clock("20130524T000100Z", NOW, ahead) == NOW
    assert nearest_clock("20130524T085900Z", NOW, ahead) == ahead
    assert nearest_clock(None, NOW, ahead) == nearest_clock("oops", NOW, ahead) == NOW


def test_keys_and_tokens_are_checked() -> None:
    """An unknown key, a missing token and an expired one."""
    for changes, code in (
        ({"access_key_id": "OTHER"}, "InvalidAccessKeyId"),
        ({"session_token": "token"}, "InvalidToken"),
        ({"expires": NOW}, "ExpiredToken"),
    ):
        with pytest.raises(S3RefusalError, match=code):
            verifier(**changes).verify(GET, NOW)
