"""The error that each refusal of S3 stands for."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from aioglacier.core.errors import (
    AccessDeniedError,
    BucketExistsError,
    BucketIsYoursError,
    BucketNotFoundError,
    ClockSkewError,
    CredentialsExpiredError,
    GlacierError,
    InsufficientCapacityError,
    IntegrityError,
    InvalidCredentialsError,
    InvalidParameterError,
    NotRetrievedError,
    ObjectChangedError,
    ObjectConflictError,
    ObjectExistsError,
    ObjectNotFoundError,
    RedirectRefusedError,
    ResourceNotFoundError,
    RestoreInProgressError,
    ServiceError,
    TemporaryServiceError,
    ThrottledError,
    TransportError,
    UnexpectedResponseError,
    UploadNotFoundError,
    WrongRegionError,
)
from aioglacier.gateway.contract.dialect import NO_MEANING, Meaning
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.service_errors import payload_refusal, refusal
from aioglacier.gateway.retry.rules import is_congestion, is_without_effect, may_pass
from aioglacier.gateway.s3.dialect import BUCKETS
from tests.gateway.refusals import NOW

HEADERS = {"x-amz-request-id": "REQ"}


def document(code: str, message: str = "no", **others: str) -> bytes:
    """Return an error document."""
    more = "".join(f"<{name}>{value}</{name}>" for name, value in others.items())
    text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return f"<?xml version='1.0'?>\n{text}".encode()


def refused(
    status: int,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    operation: str = "PutObject",
    meaning: Meaning = NO_MEANING,
) -> Any:
    """Return the error for an answer that was signed for eu-west-1."""
    answer = Answer(status, CIMultiDict(HEADERS | (headers or {})), body, NOW)
    return refusal(operation, answer, BUCKETS, meaning=meaning, region="eu-west-1", origin="https://s3.x")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "EntityTooSmall", InvalidParameterError),
        (400, "ExpiredToken", CredentialsExpiredError),
        (400, "InvalidPart", InvalidParameterError),
        (400, "KeyTooLongError", InvalidParameterError),
        (400, "RequestTimeout", TemporaryServiceError),
        (403, "AccessDenied", AccessDeniedError),
        (403, "InvalidAccessKeyId", InvalidCredentialsError),
        (403, "InvalidObjectState", NotRetrievedError),
        (403, "RequestTimeTooSkewed", ClockSkewError),
        (403, "SignatureDoesNotMatch", InvalidCredentialsError),
        (404, "NoSuchBucket", BucketNotFoundError),
        (404, "NoSuchKey", ObjectNotFoundError),
        (404, "NoSuchLifecycleConfiguration", ResourceNotFoundError),
        (404, "NoSuchUpload", UploadNotFoundError),
        (405, "MethodNotAllowed", ServiceError),
        (409, "BucketAlreadyExists", BucketExistsError),
        (409, "BucketAlreadyOwnedByYou", BucketIsYoursError),
        (409, "BucketNotEmpty", ServiceError),
        (409, "ConditionalRequestConflict", ObjectConflictError),
        (409, "OperationAborted", TemporaryServiceError),
        (409, "RestoreAlreadyInProgress", RestoreInProgressError),
        (412, "PreconditionFailed", ObjectExistsError),
        (500, "InternalError", TemporaryServiceError),
        (501, "NotImplemented", ServiceError),
        (503, "GlacierExpeditedRetrievalNotAvailable", InsufficientCapacityError),
        (503, "ServiceUnavailable", TemporaryServiceError),
        (503, "SlowDown", ThrottledError),
        (503, "Unheard", TemporaryServiceError),
    ],
)
def test_code_decides_the_error(status: int, code: str, kind: type[GlacierError]) -> None:
    """Each code has its class, whatever the status."""
    error = refused(status, document(code))
    assert (type(error), error.code, error.request_id) == (kind, code, "REQ")
    assert may_pass(error) is issubclass(kind, TemporaryServiceError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidParameterError),
        (403, AccessDeniedError),
        (404, ObjectNotFoundError),
        (412, ObjectExistsError),
        (500, TemporaryServiceError),
        (503, TemporaryServiceError),
    ],
)
def test_status_decides_where_an_answer_has_no_body(status: int, kind: type[GlacierError]) -> None:
    """The answer to HEAD has a status alone; its row says what is missing."""
    assert type(refused(status, operation="HeadObject", meaning=Meaning(ObjectNotFoundError))) is kind


def test_a_row_gives_a_code_another_meaning() -> None:
    """A read that names the object's tag meets 412 if the object was replaced."""
    meaning = Meaning(by_code={"PreconditionFailed": ObjectChangedError})
    assert type(refused(412, document("PreconditionFailed"), meaning=meaning)) is ObjectChangedError


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"<Error", b"{}", b"<!DOCTYPE a><Error/>"])
def test_a_refusal_without_code_and_id_is_not_s3s(body: bytes) -> None:
    """A proxy's refusal does not count as the service's."""
    error = refusal("PutObject", Answer(403, {}, body, NOW), BUCKETS)
    assert isinstance(error, UnexpectedResponseError)
    assert not error.may_have_taken_effect


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (301, document("PermanentRedirect", Endpoint="b.s3.eu-central-1.amazonaws.com"), {}),
        (301, document("PermanentRedirect", Endpoint="s3-eu-central-1.amazonaws.com"), {}),
        (301, document("PermanentRedirect"), {"x-amz-bucket-region": "eu-central-1"}),
        (301, b"", {"x-amz-bucket-region": "eu-central-1"}),
        (307, document("TemporaryRedirect", Endpoint="b.s3.eu-central-1.amazonaws.com"), {}),
        (400, document("AuthorizationHeaderMalformed", Region="eu-central-1"), {}),
        (400, b"", {"x-amz-bucket-region": "eu-central-1"}),
    ],
)
def test_a_bucket_elsewhere_names_its_region(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Every form in which S3 tells a bucket's region becomes the region of one error."""
    error = refused(status, body, headers)
    assert type(error) is WrongRegionError
    assert error.region == "eu-central-1"
    assert "eu-central-1" in str(error)
    assert not may_pass(error)


def test_an_unknown_region_is_none() -> None:
    """A redirect that names no region says so."""
    error = refused(301, document("PermanentRedirect", Endpoint="store.example"))
    assert error.region is None
    assert "another region" in str(error)


def test_a_bare_400_in_the_same_region_is_no_redirect() -> None:
    """Expired credentials on a HEAD are a bare 400 as well, with our own region beside."""
    assert type(refused(400, b"", {"x-amz-bucket-region": "eu-west-1"})) is InvalidParameterError


def test_other_redirects_are_refused() -> None:
    """A redirect that is not S3's names both places."""
    answer = Answer(302, CIMultiDict({"Location": "https://elsewhere.example/"}), b"", NOW)
    error = refusal("GetObject", answer, BUCKETS, origin="https://s3.x")
    assert isinstance(error, RedirectRefusedError)
    assert error.location == "https://elsewhere.example/"


def test_slow_down_is_a_sign_of_congestion() -> None:
    """Throttling had no effect, passes, and counts."""
    error = refused(503, document("SlowDown"))
    assert is_congestion(error)
    assert is_without_effect(error)


@pytest.mark.parametrize(
    ("body", "kind", "is_safe"),
    [
        (document("InternalError"), TemporaryServiceError, False),
        (document("SlowDown"), ThrottledError, True),
        (document("InvalidPart"), InvalidParameterError, True),
    ],
)
def test_an_error_inside_a_success(body: bytes, kind: type[GlacierError], *, is_safe: bool) -> None:
    """A completion's 200 may carry an error, which counts as if it had come with its own status."""
    assert BUCKETS.holds_error(Answer(200, HEADERS, b" \n  " + body, NOW))
    error = refused(200, body)
    assert type(error) is kind
    assert is_without_effect(error) is is_safe


def test_a_success_is_no_error() -> None:
    """A document that only speaks of errors is none."""
    listing = b"<ListBucketResult><Contents><Key>&lt;Error&gt;</Key></Contents></ListBucketResult>"
    for body in (b"", listing, b"<Errors/>", b"no XML <Error>"):
        assert not BUCKETS.holds_error(Answer(200, HEADERS, body, NOW))


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"])
def test_damaged_bodies_are_integrity_errors(code: str) -> None:
    """Other bytes than were hashed are an integrity error, with the service's hash if it names it."""
    body = document(code, S3ComputedContentSHA256="cd" * 32)
    error = payload_refusal(refused(400, body), what="part 3", expected=bytes(32), kind="SHA256")
    assert isinstance(error, IntegrityError)
    assert error.actual == b"\xcd" * 32
    assert "SHA256" in str(error)
    assert not error.is_stored


@pytest.mark.parametrize(
    ("operation", "action"),
    [("PutObject", "s3:PutObject"), ("UploadPart", "s3:PutObject"), ("ListParts", "s3:ListMultipart")],
)
def test_denied_names_the_action_to_allow(operation: str, action: str) -> None:
    """The message names the action that the policy must allow, which differs from the operation."""
    assert action in str(refused(403, document("AccessDenied"), operation=operation))


def test_clock_skew_blames_the_clock() -> None:
    """The error shows the difference of the clocks."""
    error = refused(403, document("RequestTimeTooSkewed"), {"Date": "Tue, 24 Nov 2026 12:20:00 GMT"})
    assert isinstance(error, ClockSkewError)
    assert "1200 s apart" in str(error)
    assert not isinstance(error, TransportError)
