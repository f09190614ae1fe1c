"""Waits between attempts, and the end of patience, on a clock that tests move."""

from __future__ import annotations

from hypothesis import given, strategies as st

from aioglacier.gateway.retry.patience import Patience, RetryPolicy


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def patience(clock: Clock, *, draw: float = 1.0, **numbers: float) -> Patience:
    """Return patience with a fixed jitter and, by default, an ample budget."""
    policy = RetryPolicy(**({"budget": 10_000} | numbers))  # type: ignore[arg-type]  # a test's shorthand
    return Patience(policy, clock=clock, draw=lambda: draw)


def test_waits_double_up_to_a_minute() -> None:
    """The ceiling of the jitter grows and stops growing."""
    clock = Clock()
    waits = [
        patience(clock).wait_before(attempt, began_at=clock.now, retry_after_seconds=None)
        for attempt in range(1, 10)
    ]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_are_a_random_part_of_the_ceiling(attempt: int, draw: float) -> None:
    """A wait lies between zero and the ceiling, and never exceeds a minute."""
    clock = Clock()
    wait = patience(clock, draw=draw).wait_before(attempt, began_at=clock.now, retry_after_seconds=None)
    assert wait is not None
    assert 0 <= wait <= 60


def test_retry_after_is_honoured_up_to_a_cap() -> None:
    """Retry-After counts up to a minute; nonsense is ignored."""
    clock = Clock()

    def wait(seconds: float) -> float | None:
        return patience(clock, draw=0.0).wait_before(1, began_at=clock.now, retry_after_seconds=seconds)

    assert wait(7) == 7
    assert wait(120) == 60
    assert wait(10 * 365 * 86_400) == 0


def test_gives_up_after_fifteen_minutes_without_progress() -> None:
    """The last wait ends at the deadline, and after it there is no other."""
    clock = Clock()
    patient = patience(clock)
    began = clock.now
    waits = []
    attempt = 1
    while (wait := patient.wait_before(attempt, began_at=began, retry_after_seconds=None)) is not None:
        waits.append(wait)
        clock.now += wait
        attempt += 1
    assert sum(waits) == 900
    assert max(waits) == 60


def test_bytes_that_move_anywhere_extend_patience() -> None:
    """A call goes on failing while bytes move elsewhere."""
    clock = Clock()
    patient = patience(clock)
    clock.now += 850
    patient.moved()
    clock.now += 850
    assert patient.wait_before(5, began_at=1000.0, retry_after_seconds=None) is not None
    clock.now += 100
    assert patient.wait_before(6, began_at=1000.0, retry_after_seconds=None) is None


def test_bytes_that_move_in_vain_do_not_extend_it_for_ever() -> None:
    """After ten failures, only a success counts as progress."""
    clock = Clock()
    patient = patience(clock)
    clock.now += 1000
    patient.moved()
    assert patient.wait_before(9, began_at=1000.0, retry_after_seconds=None) is not None
    assert patient.wait_before(10, began_at=1000.0, retry_after_seconds=None) is None
    patient.succeeded()
    assert patient.wait_before(10, began_at=1000.0, retry_after_seconds=None) is not None


def test_a_storm_is_held_to_the_budget() -> None:
    """Repetitions of many calls come no faster than the bucket refills."""
    clock = Clock()
    patient = patience(clock, draw=0.0, budget=10, budget_per_second=2.0)
    waits = [patient.wait_before(1, began_at=clock.now, retry_after_seconds=None) for _ in range(50)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == [(number + 1) / 2 for number in range(40)]


def test_budget_refills_and_the_end_of_a_storm_finds_it_usable() -> None:
    """After the bucket has refilled, calls are repeated without delay."""
    clock = Clock()
    patient = patience(clock, draw=0.0, budget=2, budget_per_second=1.0)
    for _ in range(5):
        patient.wait_before(1, began_at=clock.now, retry_after_seconds=None)
    clock.now += 100
    assert patient.wait_before(1, began_at=clock.now, retry_after_seconds=None) == 0


def test_a_process_that_slept_for_hours_tries_once_more() -> None:
    """A call that began after the sleep has all its patience."""
    clock = Clock()
    patient = patience(clock)
    clock.now += 86_400
    assert patient.wait_before(1, began_at=clock.now, retry_after_seconds=None) == 1
