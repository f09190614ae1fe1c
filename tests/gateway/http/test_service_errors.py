"""The error that each refusal of the service stands for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict

from aioglacier.core.errors import (
    AccessDeniedError,
    ArchiveNotFoundError,
    ClockSkewError,
    CredentialsExpiredError,
    GlacierError,
    InsufficientCapacityError,
    InvalidCredentialsError,
    InvalidParameterError,
    JobNotFoundError,
    JobNotReadyError,
    LimitExceededError,
    NoLongerSupportedError,
    PolicyEnforcedError,
    ResourceNotFoundError,
    ServiceError,
    TemporaryServiceError,
    ThrottledError,
    UnexpectedResponseError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.service_errors import payload_refusal, refusal
from aioglacier.gateway.retry.rules import is_without_effect

PAYLOAD_MISMATCH = (
    "The value passed in as x-amz-content-sha256 does not match the computed payload hash. "
    f"Computed digest: {'cd' * 32} expected hash: X"
)
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def refused(
    status: int,
    code: str,
    message: str = "no",
    *,
    operation: str = "DescribeVault",
    headers: dict[str, str] | None = None,
) -> GlacierError:
    """Return the error for a refusal in the service's form."""
    body = json.dumps({"code": code, "message": message, "type": "Client"}).encode()
    return refusal(operation, Answer(status, CIMultiDict(headers or {}), body, NOW))


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "AccessDeniedException", "no", AccessDeniedError),
        (400, "BadRequest", "no", InvalidParameterError),
        (403, "ExpiredTokenException", "expired", CredentialsExpiredError),
        (503, "InsufficientCapacityException", "none", InsufficientCapacityError),
        (400, "InsufficientCapacityException", "none", InsufficientCapacityError),
        (400, "InvalidParameterValueException", "Invalid part size: 0.", InvalidParameterError),
        (
            400,
            "InvalidParameterValueException",
            "The job is not currently available for download: J",
            JobNotReadyError,
        ),
        (403, "InvalidSignatureException", "The request signature we calculated", InvalidCredentialsError),
        (400, "LimitExceededException", "no", LimitExceededError),
        (400, "MissingAuthenticationTokenException", "Missing", InvalidCredentialsError),
        (400, "MissingParameterValueException", "Required", InvalidParameterError),
        (400, "NoLongerSupportedException", "no", NoLongerSupportedError),
        (400, "PolicyEnforcedException", "denied by current data retrieval policy.", PolicyEnforcedError),
        (408, "RequestTimeoutException", "Request timed out.", TemporaryServiceError),
        (404, "ResourceNotFoundException", "Vault not found for ARN: arn", VaultNotFoundError),
        (404, "ResourceNotFoundException", "Vault not found for ARN: testz:z", VaultNotFoundError),
        (404, "ResourceNotFoundException", "The job ID was not found: J", JobNotFoundError),
        (404, "ResourceNotFoundException", "The upload ID was not found: U", UploadNotFoundError),
        (404, "ResourceNotFoundException", "The archive ID was not found: A", ArchiveNotFoundError),
        (400, "SerializationException", "no", InvalidParameterError),
        (500, "ServiceUnavailableException", "no", TemporaryServiceError),
        (400, "ThrottlingException", "Rate exceeded", ThrottledError),
        (400, "UnrecognizedClientException", "invalid", InvalidCredentialsError),
        (403, "UnrecognizedClientException", "invalid", InvalidCredentialsError),
        (418, "TeapotException", "short and stout", ServiceError),
    ],
)
def test_code_decides_the_error(status: int, code: str, message: str, kind: type[GlacierError]) -> None:
    """Each documented code has its class, whatever the status."""
    assert type(refused(status, code, message)) is kind


def test_the_row_decides_what_is_missing_where_the_message_does_not() -> None:
    """The message tells which thing does not exist; if its text is unknown, the operation's row does."""
    answer = Answer(404, {}, b'{"code": "ResourceNotFoundException", "message": "gone"}', NOW)
    assert type(refusal("ListParts", answer)) is ResourceNotFoundError
    assert type(refusal("ListParts", answer, missing=UploadNotFoundError)) is UploadNotFoundError
    named = replace(answer, body=answer.body.replace(b"gone", b"Vault not found for ARN: A"))
    assert type(refusal("ListParts", named, missing=UploadNotFoundError)) is VaultNotFoundError


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"null", b"[1]", b'{"a":1}', b"\xff\xfe"])
def test_temporary_statuses_with_any_body(status: int, body: bytes) -> None:
    """A load balancer's page is as temporary as the service's own document."""
    error = refusal("ListJobs", Answer(status, {}, body, NOW))
    assert isinstance(error, TemporaryServiceError)
    assert error.is_retryable
    assert isinstance(error, ThrottledError) is (status == 429)
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407])
@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b"\x1b[31mred\x1b[0m"])
def test_other_refusals_without_a_code_are_not_glaciers(status: int, body: bytes) -> None:
    """A proxy's refusal does not count as the service's, and shows no control characters."""
    error = refusal("ListJobs", Answer(status, {}, body, NOW))
    assert isinstance(error, UnexpectedResponseError)
    assert not error.may_have_taken_effect
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("status", [501, 505, 508, 511])
@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b'{"code": "Unheard", "message": "of"}'])
def test_statuses_that_do_not_pass_are_permanent(status: int, body: bytes) -> None:
    """Not implemented, wrong version, loop, sign in first: the same request meets the same answer."""
    error = refusal("UploadMultipartPart", Answer(status, {}, body, NOW))
    assert isinstance(error, ServiceError | UnexpectedResponseError)
    assert not error.is_retryable
    assert is_without_effect(error)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_as_seconds_date_or_garbage(header: str | None, seconds: float | None) -> None:
    """Seconds and dates are read, and everything else is ignored."""
    error = refused(
        503, "ServiceUnavailableException", headers={} if header is None else {"Retry-After": header}
    )
    assert isinstance(error, ServiceError)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20121108T030749Z is now earlier than 20121108T031304Z (20121108T031804Z - 5 min)",
        "Signature not yet current: A is still later than B (C + 5 min.)",
    ],
)
def test_clock_skew_shows_both_clocks_and_their_difference(message: str) -> None:
    """The error blames the clock, not the key."""
    theirs = NOW + timedelta(minutes=20)
    error = refused(
        403, "InvalidSignatureException", message, headers={"Date": format_datetime(theirs, usegmt=True)}
    )
    assert isinstance(error, ClockSkewError)
    assert (error.local_time, error.server_time) == (NOW, theirs)
    assert "12:00:00" in str(error)
    assert "12:20:00" in str(error)
    assert "1200 s apart" in str(error)


def test_clock_skew_without_a_date_of_the_service() -> None:
    """The error needs no such header."""
    error = refused(403, "InvalidSignatureException", "Signature expired: A")
    assert isinstance(error, ClockSkewError)
    assert error.server_time is None


def test_signature_errors_quote_no_canonical_request() -> None:
    """The service repeats the whole request with its token, and the error leaves it out."""
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'GET\n/\nx-amz-security-token:secret'"
    )
    error = refused(403, "InvalidSignatureException", message)
    assert isinstance(error, InvalidCredentialsError)
    assert "secret" not in str(error)


def test_denied_names_the_action_to_allow() -> None:
    """The message names the action that the policy must allow."""
    error = refused(403, "AccessDeniedException", operation="UploadArchive")
    assert "glacier:UploadArchive" in str(error)


def test_no_longer_supported_says_what_to_use() -> None:
    """The message names the storage classes that new accounts can use."""
    assert "S3 Glacier storage classes" in str(refused(400, "NoLongerSupportedException"))


def test_messages_of_the_service_are_untrusted_text() -> None:
    """Escapes and line breaks are removed, and length is bounded."""
    error = refused(400, "InvalidParameterValueException", "a\x1b[31m\nb" + "x" * 100_000)
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("status", "code", "message", "actual"),
    [
        (
            400,
            "InvalidParameterValueException",
            f"Checksum mismatch: expected X, computed {'ab' * 32}",
            "ab" * 32,
        ),
        (403, "InvalidSignatureException", PAYLOAD_MISMATCH, "cd" * 32),
    ],
)
def test_damaged_bodies_are_integrity_errors(status: int, code: str, message: str, actual: str) -> None:
    """Other bytes than were hashed are an integrity error, not a wrong parameter or key."""
    error = payload_refusal(
        refused(status, code, message, operation="UploadArchive"), what="it", tree_hash=bytes(32)
    )
    assert error is not None
    assert (error.expected, error.actual.hex()) == (bytes(32), actual)


def test_other_refusals_of_bodies_are_not_integrity_errors() -> None:
    """Refusals for other reasons are no integrity errors."""
    assert payload_refusal(refused(400, "BadRequest"), what="it", tree_hash=b"") is None
    assert payload_refusal(GlacierError("x"), what="it", tree_hash=b"") is None
