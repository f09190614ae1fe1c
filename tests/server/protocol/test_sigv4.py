"""Signatures: the published vectors, and wrong signatures of every kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from anyio import to_thread

from aioglacier.server import Credentials, LocalGlacier
from aioglacier.server.protocol.refusal import RefusalError
from aioglacier.server.protocol.sigv4 import (
    SignedRequest,
    Verifier,
    canonical_request,
    parse_authorization,
    sign,
    string_to_sign,
)
from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Boto, hashes, send

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "sigv4.json").read_text()
)["vectors"]


def request_of(vector: dict[str, Any]) -> SignedRequest:
    """Return the request that a vector describes."""
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in vector["query"])
    headers = {name: [value] for name, value in vector["headers_signed"].items()}
    headers["authorization"] = [vector["authorization"]]
    return SignedRequest(
        vector["method"],
        urlsplit(vector["url"]).path + (f"?{query}" if query else ""),
        headers,
        vector["payload_sha256"],
    )


def instant_of(vector: dict[str, Any]) -> datetime:
    """Return the time at which a vector was signed."""
    return datetime.strptime(vector["amz_date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def verifier_for(vector: dict[str, Any]) -> Verifier:
    """Return a verifier that knows a vector's credentials."""
    pair = Credentials(vector["access_key_id"], vector["secret_access_key"], vector["security_token"])
    return Verifier([pair], region=vector["region"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_step_gives_the_published_text(vector: dict[str, Any]) -> None:
    """Canonical request, string to sign and signature are the vector's."""
    request = request_of(vector)
    authorization = parse_authorization(vector["authorization"])
    canonical = canonical_request(request, authorization.signed_headers)
    assert canonical == vector["canonical_request"]
    to_sign = string_to_sign(canonical, vector["amz_date"], authorization.scope)
    assert to_sign == vector["string_to_sign"]
    assert sign(vector["secret_access_key"], authorization, to_sign) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_published_request_is_accepted(vector: dict[str, Any]) -> None:
    """Each vector passes at the time it was signed, and 5 minutes either way."""
    verifier = verifier_for(vector)
    for minutes in (-5, 0, 5):
        verifier.verify(request_of(vector), instant_of(vector) + timedelta(minutes=minutes))


def refusal_of(request: SignedRequest, now: datetime, vector: dict[str, Any]) -> RefusalError:
    """Return the refusal of a request."""
    with pytest.raises(RefusalError) as caught:
        verifier_for(vector).verify(request, now)
    return caught.value


def changed(vector: dict[str, Any], **headers: str | None) -> SignedRequest:
    """Return a vector's request with some headers changed, or left out for ``None``."""
    request = request_of(vector)
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: values for name, values in request.headers.items() if name not in changes}
    new = {name: [value] for name, value in changes.items() if value is not None}
    return SignedRequest(request.method, request.target, {**kept, **new}, request.payload_hash)


def test_an_old_signature_says_how_old() -> None:
    """The text is the service's, with both bounds."""
    vector = VECTORS[0]
    refusal = refusal_of(request_of(vector), instant_of(vector) + timedelta(minutes=5, seconds=11), vector)
    assert (refusal.status, refusal.code) == (403, "InvalidSignatureException")
    assert refusal.message == (
        "Signature expired: 20120525T002453Z is now earlier than 20120525T002504Z (20120525T003004Z - 5 min.)"
    )


def test_a_future_signature_says_how_early() -> None:
    """The text is the service's, with both bounds."""
    vector = VECTORS[0]
    refusal = refusal_of(request_of(vector), instant_of(vector) - timedelta(minutes=6), vector)
    assert refusal.message == (
        "Signature not yet current: 20120525T002453Z is still later than 20120525T002353Z "
        "(20120525T001853Z + 5 min.)"
    )


def test_an_altered_request_is_told_what_should_have_been_signed() -> None:
    """The refusal quotes the canonical request and the string to sign."""
    vector = VECTORS[0]
    request = request_of(vector)
    altered = SignedRequest(request.method, "/-/vaults/other", request.headers, request.payload_hash)
    refusal = refusal_of(altered, instant_of(vector), vector)
    assert (refusal.status, refusal.code) == (403, "InvalidSignatureException")
    assert refusal.message.startswith("The request signature we calculated does not match")
    assert "The Canonical String for this request should have been\n'PUT\n/-/vaults/other" in refusal.message
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256" in refusal.message


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": None}, "MissingAuthenticationTokenException"),
        ({"authorization": "Basic abc"}, "IncompleteSignatureException"),
        ({"authorization": "AWS4-HMAC-SHA256"}, "IncompleteSignatureException"),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host"},
            "IncompleteSignatureException",
        ),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=0"},
            "IncompleteSignatureException",
        ),
        ({"x_amz_date": None}, "IncompleteSignatureException"),
        ({"x_amz_date": "20129925T002453Z"}, "IncompleteSignatureException"),
        ({"x_amz_date": "Fri, 25 May 2012 00:24:53 GMT"}, "IncompleteSignatureException"),
        ({"x_amz_security_token": "surprise"}, "UnrecognizedClientException"),
        ({"host": "elsewhere"}, "InvalidSignatureException"),
        (
            {"x_amz_archive_description": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"},
            "InvalidSignatureException",
        ),
    ],
)
def test_a_wrong_header_is_refused(headers: dict[str, str | None], code: str) -> None:
    """Every malformed or unsigned thing has its code, and none is a server error."""
    vector = VECTORS[0]
    refusal = refusal_of(changed(vector, **headers), instant_of(vector), vector)
    assert refusal.code == code
    assert 400 <= refusal.status < 500


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "AKIAUNKNOWN"),
        ("/us-east-1/", "/eu-west-1/"),
        ("/glacier/", "/s3/"),
        ("/20120525/", "/20120526/"),
        ("host;x-amz-date;", "x-amz-date;"),
        ("host;x-amz-date;", "host;"),
        ("Signature=3", "Signature=4"),
        ("Signature=3", "Signature=\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_a_changed_authorization_is_refused(old: str, new: str) -> None:
    """No part of the header can be changed."""
    vector = VECTORS[0]
    authorization = vector["authorization"].replace(old, new)
    assert authorization != vector["authorization"]
    refusal = refusal_of(changed(vector, authorization=authorization), instant_of(vector), vector)
    assert refusal.code in {"InvalidSignatureException", "UnrecognizedClientException"}


def test_the_parts_of_the_header_stand_in_any_order_without_spaces() -> None:
    """Commas need no space, and the order is free."""
    vector = VECTORS[0]
    algorithm, credential, signed, signature = vector["authorization"].replace(",", "").split(" ")
    compact = f"{algorithm} {signature},{signed},{credential}"
    verifier_for(vector).verify(changed(vector, authorization=compact), instant_of(vector))


def test_an_expired_pair_is_told_so() -> None:
    """Expired temporary credentials have a code of their own."""
    vector = VECTORS[0]
    pair = Credentials(
        vector["access_key_id"],
        vector["secret_access_key"],
        expires=instant_of(vector) - timedelta(seconds=1),
    )
    with pytest.raises(RefusalError) as caught:
        Verifier([pair], region="us-east-1").verify(request_of(vector), instant_of(vector))
    assert caught.value.code == "ExpiredTokenException"


async def test_a_wrong_secret_is_refused_before_the_operation(server: LocalGlacier) -> None:
    """The answer is about the signature, also for a vault that does not exist."""
    stranger = Boto(server.url, aws_secret_access_key="not-it")
    status, code, _ = await stranger.refused("describe_vault", vaultName="nothere")
    assert (status, code) == (403, "InvalidSignatureException")


async def test_unsigned_requests_are_refused_where_keys_are_set(server: LocalGlacier) -> None:
    """An unsigned request is refused, also for a path that names no operation."""
    for path in ("/-/vaults", "/nothing/at/all"):
        assert (await send(server, "GET", path)).error == (400, "MissingAuthenticationTokenException")


async def test_every_query_and_header_botocore_signs_is_accepted(boto: Boto) -> None:
    """Markers with ":" and "/", tags with "operation=add", descriptions with doubled spaces."""
    await boto("list_vaults", marker="arn:aws:glacier:us-east-1:012345678901:vaults/a", limit="2")
    await boto("add_tags_to_vault", Tags={"k": "v"})
    archive_id = await boto.upload(b"x", archiveDescription='two  spaces,  "quoted"')
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    answer = await boto("get_job_output", jobId=job_id, range="bytes=0-0")
    assert answer["archiveDescription"] == 'two  spaces,  "quoted"'
    assert await to_thread.run_sync(answer["body"].read) == b"x"


async def test_a_session_token_must_come_along(tmp_path: Path) -> None:
    """A temporary pair works with its token and not without."""
    pair = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, session_token="T//==")
    async with LocalGlacier(tmp_path, credentials=[pair]) as server:
        await Boto(server.url, aws_session_token="T//==")("list_vaults")
        status, code, _ = await Boto(server.url).refused("list_vaults")
        assert (status, code) == (403, "UnrecognizedClientException")


@pytest.mark.slow
async def test_a_skewed_server_refuses_and_its_date_header_tells(tmp_path: Path) -> None:
    """The Date header of the answer shows the clock that judged."""
    async with LocalGlacier(
        tmp_path, access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY, clock_skew_seconds=3600
    ) as server:
        _, code, message = await Boto(server.url).refused("list_vaults")
        assert code == "InvalidSignatureException"
        assert message.startswith("Signature expired")
        date = (await send(server, "GET", "/-/vaults")).headers["Date"]
        ahead = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) - datetime.now(UTC)
        assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


async def test_the_virtual_clock_leaves_signatures_alone(server: LocalGlacier, boto: Boto) -> None:
    """A year of virtual time later the same client still signs correctly."""
    await server.advance(365 * 24 * 3600)
    await boto("list_vaults")


async def test_a_body_other_than_the_signed_one_is_refused(faithful: LocalGlacier) -> None:
    """The declared payload hash is checked on uploads and documents alike."""
    await send(faithful, "PUT", "/-/vaults/v")
    headers = hashes(b"right") | {"x_amz_sha256_tree_hash": hashes(b"wrong")["x_amz_sha256_tree_hash"]}
    answer = await send(faithful, "POST", "/-/vaults/v/archives", b"wrong", **headers)
    assert answer.error == (403, "InvalidSignatureException")
    assert answer.message == (
        "The value passed in as x-amz-content-sha256 does not match the computed payload hash. "
        f"Computed digest: {hashes(b'wrong')['x_amz_content_sha256']} "
        f"expected hash: {hashes(b'right')['x_amz_content_sha256']}"
    )
    document = await send(
        faithful, "POST", "/-/vaults/v/jobs", b"{}", x_amz_content_sha256=hashes(b"x")["x_amz_content_sha256"]
    )
    assert document.error == (403, "InvalidSignatureException")


async def test_unsigned_payloads_are_refused(faithful: LocalGlacier) -> None:
    """UNSIGNED-PAYLOAD and aws-chunked belong to S3."""
    for value in ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "abc"):
        headers = hashes(b"x") | {"x_amz_content_sha256": value}
        answer = await send(faithful, "POST", "/-/vaults/v/archives", b"x", **headers)
        assert answer.error == (403, "InvalidSignatureException")
