"""The next step that a failed attempt allows, by its error."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import (
    CredentialsExpiredError,
    GlacierError,
    IntegrityError,
    StalledTransferError,
    TemporaryServiceError,
)
from aioglacier.gateway.retry.rules import is_attempt_left, is_without_effect
from tests.gateway.retry.bench import LASTING, Bench, lost, refused, temporary


@pytest.mark.parametrize(
    ("error", "signs"),
    [
        *((temporary(status), 1) for status in (408, 429, 503, 400)),
        *((temporary(status), 0) for status in (500, 502, 504)),
        (StalledTransferError("stalled", operation="X", may_have_taken_effect=True), 1),
        (TemporaryServiceError("late", operation="X", code="RequestTimeoutException", status=400), 1),
        (lost(), 0),
        (refused(), 0),
    ],
    ids=repr,
)
async def test_what_less_at_once_might_have_kept_from_happening_is_counted(
    idle: Bench, error: GlacierError, signs: int
) -> None:
    """NE-19: 408, throttling and stalls are signs of congestion; outages are not."""
    idle.fails("DescribeVault", error, error)
    await idle.gateway.describe_vault("photos")
    assert idle.gateway.congestion.signs == 2 * signs


@pytest.mark.parametrize(
    ("error", "is_sure"),
    [
        (temporary(500), False),
        (temporary(502), False),
        (temporary(504), False),
        (temporary(503), True),
        (temporary(408), True),
        (temporary(400), True),
        (lost(), False),
        (lost(may_have_taken_effect=False), True),
        (refused(), True),
        *[(error, True) for error in LASTING],
    ],
    ids=str,
)
def test_an_attempt_surely_had_no_effect(error: GlacierError, is_sure: bool) -> None:
    """The service refuses before it works with 408, 429 and 503; other failures may come after the work."""
    assert is_without_effect(error) is is_sure


def test_attempts_that_do_not_wait_are_counted() -> None:
    """Other bytes are sent three times if the service refused them, and twice if only its echo differs."""
    refused_hash = IntegrityError("other bytes", expected=b"a", actual=b"b")
    refused_hash.__cause__ = temporary()
    echo = IntegrityError("other bytes", expected=b"a", actual=b"b")
    stored = IntegrityError("stored with another hash", expected=b"a", actual=b"b", archive_id="A")
    expired = CredentialsExpiredError("expired", code="ExpiredTokenException")
    for error, attempts in ((refused_hash, 3), (echo, 2), (stored, 1)):
        made = [is_attempt_left(error, refusals=number, renewals=0) for number in range(1, 4)]
        assert made == [number < attempts for number in range(1, 4)]
    assert is_attempt_left(expired, refusals=0, renewals=1)
    assert not is_attempt_left(expired, refusals=0, renewals=2)
    assert not is_attempt_left(CredentialsExpiredError("none newer"), refusals=0, renewals=1)
