"""Signatures, against vectors that AWS and independent code agree on."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.credentials import ReadOnlyCredentials

from aioglacier.gateway.signing import sign

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sigv4.json").read_text()
)["vectors"]
ADDED = {"x-amz-date", "x-amz-security-token", "host"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_sign_gives_the_published_signature(vector: dict[str, Any]) -> None:
    """Canonical request, string to sign and signature are those of the vector, byte for byte."""
    signature = sign(
        ReadOnlyCredentials(vector["access_key_id"], vector["secret_access_key"], vector["security_token"]),
        region=vector["region"],
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


def test_sign_takes_the_payload_hash_from_its_header() -> None:
    """A body whose hash is known is not hashed again, whatever it is."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    headers = {"x-amz-content-sha256": "0" * 64}
    signature = sign(
        ReadOnlyCredentials("AKID", "secret", None),
        region="eu-west-1",
        now=now,
        method="PUT",
        url="https://glacier.eu-west-1.amazonaws.com/-/vaults/v/multipart-uploads/u",
        headers=headers,
        body=b"not hashed",
    )
    assert signature.canonical_request.endswith("\n" + "0" * 64)


def test_sign_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The signer of botocore prints the token and the signature at DEBUG; this one is silent."""
    with caplog.at_level(logging.DEBUG):
        sign(
            ReadOnlyCredentials("AKID", "secret", "token"),
            region="eu-west-1",
            now=datetime(2026, 11, 24, tzinfo=UTC),
            method="GET",
            url="https://glacier.eu-west-1.amazonaws.com/-/vaults?limit=3&marker=arn%3Aaws",
            headers={},
        )
    assert not caplog.records


def test_query_is_signed_as_it_is_sent() -> None:
    """Parameters are encoded once, and a colon is %3A."""
    query = urlencode({"marker": "arn:aws:glacier"})
    signature = sign(
        ReadOnlyCredentials("AKID", "secret", None),
        region="eu-west-1",
        now=datetime(2026, 11, 24, tzinfo=UTC),
        method="GET",
        url=f"https://glacier.eu-west-1.amazonaws.com/-/vaults?{query}",
        headers={},
    )
    assert "\nmarker=arn%3Aaws%3Aglacier\n" in signature.canonical_request
