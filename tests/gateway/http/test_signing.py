"""Signatures, against vectors that AWS and independent code agree on, and against botocore's signer."""

from __future__ import annotations

import hmac
import json
import logging
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import SIGNED_HEADERS_BLACKLIST, SIGV4_TIMESTAMP, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, strategies as st

from aioglacier.gateway.contract.key_source import Keys
from aioglacier.gateway.http.signing import UNSIGNED_HEADERS, Signature, Signer
from aioglacier.gateway.s3.dialect import BUCKETS
from aioglacier.gateway.vaults.dialect import VAULTS
from tests.characters import CHARACTERS

if TYPE_CHECKING:
    from aioglacier.gateway.contract.dialect import Dialect

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "sigv4.json").read_text()
)["vectors"]
ADDED = {"x-amz-date", "x-amz-security-token", "host"}
NOW = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)
KEYS = Keys("AKID", "the-secret-key", "the-session-token")
PART_URL = "https://glacier.eu-west-1.amazonaws.com/-/vaults/v/multipart-uploads/u"


def sign(
    credentials: Keys = KEYS,
    *,
    now: datetime = NOW,
    method: str = "GET",
    url: str = PART_URL,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Signature:
    """Sign once."""
    return Signer("eu-west-1", VAULTS).sign(
        credentials, now=now, method=method, url=url, headers=headers or {}, body=body
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_sign_gives_the_published_signature(vector: dict[str, Any]) -> None:
    """Canonical request, string to sign and signature are those of the vector, byte for byte."""
    signature = Signer(vector["region"], VAULTS).sign(
        Keys(vector["access_key_id"], vector["secret_access_key"], vector["security_token"]),
        now=datetime.strptime(vector["amz_date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        method=vector["method"],
        url=vector["url"],
        headers={
            name: value for name, value in vector["headers_signed"].items() if name not in ADDED - {"host"}
        },
        body=(vector["body_utf8"] or "").encode(),
    )
    assert signature.canonical_request == vector["canonical_request"]
    assert signature.string_to_sign == vector["string_to_sign"]
    assert signature.signature == vector["signature"]
    assert signature.headers["Authorization"] == vector["authorization"]


ORIGINS = st.sampled_from(
    [
        "https://glacier.eu-west-1.amazonaws.com",
        "https://Glacier.EU-west-1.amazonaws.com:443",
        "https://localhost:8443",
        "http://127.0.0.1:80",
        "http://127.0.0.1:8123",
        "http://[::1]:8123",
    ]
)
SEGMENTS = st.one_of(
    st.sampled_from(["", ".", "..", "-", "vaults", "a.b_c~d"]), st.text(CHARACTERS, max_size=8)
)
# A value that is to be sent holds no control characters; botocore's header object refuses line ends as well.
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)
NAMES = st.one_of(
    st.sampled_from(
        ["Content-Range", "x-amz-archive-description", "User-Agent", "TE", "Range", "X-Amz-Glacier-Version"]
    ),
    st.from_regex(r"[Xx]-[A-Za-z0-9-]{1,12}", fullmatch=True),
)
WORDS = st.text("abcXYZ019 =&+%/:~é", min_size=1, max_size=8)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Make a URL as this package does, with path and query encoded once."""
    path = quote("/" + "/".join(draw(st.lists(SEGMENTS.filter(_is_encodable), max_size=6))), safe="/~%")
    pairs = draw(st.lists(st.tuples(WORDS, WORDS), max_size=5))
    return draw(ORIGINS) + path + ("?" + urlencode(pairs) if pairs else "")


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.slow
@given(
    credentials=st.builds(
        Keys,
        st.from_regex(r"[A-Z0-9]{4,20}", fullmatch=True),
        st.text(CHARACTERS, min_size=1, max_size=40),
        st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9+/=]{1,80}", fullmatch=True)),
    ),
    now=st.datetimes(datetime(2012, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    region=st.sampled_from(["us-east-1", "eu-west-1", "cn-north-1"]),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    url=urls(),
    headers=st.dictionaries(NAMES, VALUES, max_size=6),
    body=st.binary(max_size=64),
    payload_hash=st.sampled_from([None, "0123456789abcdef" * 4, "UNSIGNED-PAYLOAD"]),
    dialect=st.sampled_from([VAULTS, BUCKETS]),
)
def test_sign_agrees_with_botocore(
    credentials: Keys,
    now: datetime,
    region: str,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    payload_hash: str | None,
    dialect: Dialect,
) -> None:
    """For any request, the two signers agree at every step; S3's path is signed as it is sent."""
    if payload_hash is not None or dialect is BUCKETS:
        headers["x-amz-content-sha256"] = payload_hash or sha256(body).hexdigest()
    ours = Signer(region, dialect).sign(
        credentials, now=now, method=method, url=url, headers=headers, body=body
    )

    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
    request.headers["x-amz-date"] = request.context["timestamp"]
    if credentials.token:
        request.headers["x-amz-security-token"] = credentials.token
    signer = S3SigV4Auth if dialect is BUCKETS else SigV4Auth
    theirs = signer(ReadOnlyCredentials(*credentials), dialect.signing_name, region)
    assert ours.canonical_request == theirs.canonical_request(request)
    assert ours.string_to_sign == theirs.string_to_sign(request, ours.canonical_request)
    assert ours.signature == theirs.signature(ours.string_to_sign, request)
    signed = theirs.signed_headers(theirs.headers_to_sign(request))
    assert ours.headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={theirs.scope(request)}, SignedHeaders={signed}, "
        f"Signature={ours.signature}"
    )


def test_the_same_headers_stay_unsigned_as_in_botocore() -> None:
    """Both signers leave out the same headers."""
    assert set(SIGNED_HEADERS_BLACKLIST) == UNSIGNED_HEADERS


def test_one_signer_follows_new_credentials_and_the_new_day() -> None:
    """The cached derived key is not used for another secret or date."""
    signer = Signer("eu-west-1", VAULTS)
    for secret in ("one", "two", "one"):
        for now in (NOW, NOW + timedelta(seconds=1), NOW):
            keys = Keys("AKID", secret, None)
            kept = signer.sign(keys, now=now, method="GET", url=PART_URL, headers={})
            assert kept.signature == sign(keys, now=now).signature


@pytest.mark.parametrize("length", [1, 59, 60, 61, 500])
def test_keys_of_any_length_sign_as_hmac_does(length: int) -> None:
    """A key longer than a block of the hash is hashed first."""
    secret = "k" * length
    signature = sign(Keys("AKID", secret, None))
    key = f"AWS4{secret}".encode()
    for word in ("20261124", "eu-west-1", "glacier", "aws4_request", signature.string_to_sign):
        key = hmac.digest(key, word.encode(), "sha256")
    assert signature.signature == key.hex()


def test_sign_takes_the_payload_hash_from_its_header() -> None:
    """A body whose hash is known is not hashed again."""
    signature = sign(method="PUT", headers={"x-amz-content-sha256": "0" * 64}, body=b"not hashed")
    assert signature.canonical_request.endswith("\n" + "0" * 64)


def test_sign_replaces_what_only_it_may_say() -> None:
    """A signature, date or token in the request's headers is not sent, in any spelling."""
    given_ = {
        "AUTHORIZATION": "old",
        "X-Amz-Date": "old",
        "x-amz-Security-Token": "old",
        "Range": "bytes=0-1",
    }
    signed = sign(headers=given_)
    assert "old" not in signed.headers.values()
    assert signed.signature == sign(headers={"Range": "bytes=0-1"}).signature


def test_sign_logs_and_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """This signer logs nothing, while botocore's prints token and signature at DEBUG."""
    signer = Signer("eu-west-1", VAULTS)
    with caplog.at_level(logging.DEBUG):
        signature = signer.sign(KEYS, now=NOW, method="GET", url=PART_URL + "?limit=3", headers={})
    assert not caplog.records
    shown = f"{signer!r} {signer} {signature!r} {signature}"
    for secret in ("the-secret-key", "the-session-token", signature.signature):
        assert secret not in shown


def test_query_is_signed_as_it_is_sent() -> None:
    """Parameters are encoded once, and a colon is %3A."""
    signature = sign(url=f"{PART_URL}?{urlencode({'marker': 'arn:aws:glacier'})}")
    assert "\nmarker=arn%3Aaws%3Aglacier\n" in signature.canonical_request
