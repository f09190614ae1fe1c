"""The error that each refusal of the service stands for."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from aioglacier.core.errors import (
    InvalidCredentialsError,
    ServiceError,
    TemporaryServiceError,
    ThrottledError,
    UnexpectedResponseError,
)
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.service_errors import refusal
from aioglacier.gateway.retry.rules import is_without_effect
from aioglacier.gateway.vaults.dialect import VAULTS
from tests.gateway.refusals import NOW, refused


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"null", b"[1]", b'{"a":1}', b"\xff\xfe"])
def test_temporary_statuses_with_any_body(status: int, body: bytes) -> None:
    """A load balancer's page is as temporary as the service's own document."""
    error = refusal("ListJobs", Answer(status, {}, body, NOW), VAULTS)
    assert isinstance(error, TemporaryServiceError)
    assert error.is_retryable
    assert isinstance(error, ThrottledError) is (status == 429)
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407])
@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b"\x1b[31mred\x1b[0m"])
def test_other_refusals_without_a_code_are_not_glaciers(status: int, body: bytes) -> None:
    """A proxy's refusal does not count as the service's, and shows no control characters."""
    error = refusal("ListJobs", Answer(status, {}, body, NOW), VAULTS)
    assert isinstance(error, UnexpectedResponseError)
    assert not error.may_have_taken_effect
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("status", [501, 505, 508, 511])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b'{"code": "Unheard", "message": "of"}',
        b'{"__type": "InternalFailure", "message": "not yet implemented"}',
    ],
)
def test_statuses_that_do_not_pass_are_permanent(status: int, body: bytes) -> None:
    """Not implemented, wrong version, loop, sign in first: the same request meets the same answer."""
    error = refusal("UploadMultipartPart", Answer(status, {}, body, NOW), VAULTS)
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


def test_signature_errors_quote_no_canonical_request() -> None:
    """The service repeats the whole request with its token, and the error leaves it out."""
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'GET\n/\nx-amz-security-token:secret'"
    )
    error = refused(403, "InvalidSignatureException", message)
    assert isinstance(error, InvalidCredentialsError)
    assert "secret" not in str(error)


def test_messages_of_the_service_are_untrusted_text() -> None:
    """Escapes and line breaks are removed, and length is bounded."""
    error = refused(400, "InvalidParameterValueException", "a\x1b[31m\nb" + "x" * 100_000)
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000
