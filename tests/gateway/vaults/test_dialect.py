"""The error that each refusal of the vault service stands for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

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
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.gateway.contract.dialect import Meaning
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.service_errors import payload_refusal, refusal
from aioglacier.gateway.vaults.dialect import VAULTS
from tests.gateway.refusals import NOW, refused

PAYLOAD_MISMATCH = (
    "The value passed in as x-amz-content-sha256 does not match the computed payload hash. "
    f"Computed digest: {'cd' * 32} expected hash: X"
)


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
    meaning = Meaning(UploadNotFoundError)
    assert type(refusal("ListParts", answer, VAULTS)) is ResourceNotFoundError
    assert type(refusal("ListParts", answer, VAULTS, meaning=meaning)) is UploadNotFoundError
    named = replace(answer, body=answer.body.replace(b"gone", b"Vault not found for ARN: A"))
    assert type(refusal("ListParts", named, VAULTS, meaning=meaning)) is VaultNotFoundError


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


def test_denied_names_the_action_to_allow() -> None:
    """The message names the action that the policy must allow."""
    error = refused(403, "AccessDeniedException", operation="UploadArchive")
    assert "glacier:UploadArchive" in str(error)


def test_no_longer_supported_says_what_to_use() -> None:
    """The message names the storage classes that new accounts can use."""
    assert "S3 Glacier storage classes" in str(refused(400, "NoLongerSupportedException"))


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
        refused(status, code, message, operation="UploadArchive"),
        what="it",
        expected=bytes(32),
        kind="tree hash",
    )
    assert error is not None
    assert (error.expected, error.actual.hex()) == (bytes(32), actual)


def test_other_refusals_of_bodies_are_not_integrity_errors() -> None:
    """Refusals for other reasons are no integrity errors."""
    assert payload_refusal(refused(400, "BadRequest"), what="it", expected=b"", kind="tree hash") is None
    assert payload_refusal(GlacierError("x"), what="it", expected=b"", kind="tree hash") is None
