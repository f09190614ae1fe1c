"""One call: when it is sent again, after which wait, and when it is given up."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import ConnectionFailedError, CredentialsExpiredError, GlacierError
from aioglacier.gateway.retry.retrier import Retrier
from tests.gateway.retry.bench import LASTING, Bench, lost, named, refused, temporary


@pytest.mark.parametrize("error", LASTING, ids=named)
async def test_lasting_errors_take_one_attempt(idle: Bench, error: GlacierError) -> None:
    """A lasting error is raised at once."""
    idle.fails("DescribeVault", error)
    with pytest.raises(type(error)) as caught:
        await idle.gateway.describe_vault("photos")
    assert idle.calls("DescribeVault") == 1
    assert (caught.value.attempts, caught.value.vault) == (1, "photos")


async def test_an_outage_is_waited_out_for_fifteen_minutes(idle: Bench) -> None:
    """After 15 minutes the last error is raised, with attempts and time."""
    idle.glacier.fail("DescribeVault", refused(), times=10_000)
    with pytest.raises(ConnectionFailedError) as caught:
        await idle.gateway.describe_vault("photos")
    assert idle.now == pytest.approx(900)
    assert caught.value.elapsed_seconds == pytest.approx(900)
    assert caught.value.attempts == idle.calls("DescribeVault")
    assert max(idle.waits) <= 60
    assert "attempts in 900 s" in str(caught.value)


async def test_a_name_that_never_had_an_address_is_given_up_in_seconds(bench: Bench) -> None:
    """A mistyped region would otherwise be looked up for a quarter of an hour."""
    error = refused()
    error.is_name_unknown = True
    bench.glacier.fail("DescribeVault", error, times=10_000)
    with pytest.raises(ConnectionFailedError):
        await bench.gateway.describe_vault("photos")
    assert bench.now == pytest.approx(5)
    assert bench.calls("DescribeVault") > 1


async def test_a_machine_that_slept_in_an_attempt_is_no_outage(idle: Bench) -> None:
    """Patience begins again after an attempt that took longer than any may."""
    retrier = Retrier(clock=lambda: idle.now, sleep=idle._sleep)
    attempts: list[float] = []

    async def attempt() -> None:
        attempts.append(idle.now)
        if len(attempts) == 1:
            idle.now += 3600
            raise lost()

    await retrier.run(retrier.begin("DescribeVault"), attempt)
    assert len(attempts) == 2


async def test_retry_after_is_waited_for(idle: Bench) -> None:
    """A wait is at least as long as Retry-After."""
    idle.fails("DescribeVault", temporary(503, retry_after_seconds=30.0))
    await idle.gateway.describe_vault("photos")
    assert idle.waits[0] >= 30


async def test_expired_credentials_are_tried_once_more_at_once(idle: Bench) -> None:
    """Expired credentials allow one more attempt; a second refusal is final."""
    expired = CredentialsExpiredError("expired", code="ExpiredTokenException")
    idle.fails("DescribeVault", expired)
    await idle.gateway.describe_vault("photos")
    idle.fails("DescribeVault", expired, expired)
    with pytest.raises(CredentialsExpiredError):
        await idle.gateway.describe_vault("photos")
    assert idle.calls("DescribeVault") == 4
    assert idle.waits == [0.0, 0.0]
