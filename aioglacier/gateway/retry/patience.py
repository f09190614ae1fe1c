"""Decide how long to try, and how long to wait before the next attempt.

There are three bounds:

- **No progress.** While bytes move or calls succeed anywhere in the gateway, calls go on. A call gives up
  when no byte has moved for 15 minutes, or when it has failed ten times and no call has succeeded in that
  time: a peer that takes bytes and always drops them makes no progress.
- **Full jitter.** A wait is a random part of a ceiling that doubles up to 60 s, so that tasks which failed
  together do not return together.
- **A budget.** Repetitions of all calls draw from one bucket that refills by one a second. When it is empty,
  they wait for their turn and do not fail. So a storm of failures causes few requests, and all calls go on
  when it ends.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Attempts after which bytes that move, and fail each time, no longer count as progress.
_ATTEMPTS_IN_VAIN: Final = 10

#: A longer Retry-After is ignored as garbage.
_LONGEST_SANE_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The numbers of the three bounds.

    Attributes:
        no_progress_seconds: The longest time without any progress.
        first_ceiling_seconds: The longest first wait.
        longest_wait_seconds: The longest wait.
        budget: The number of repetitions at once, over all calls.
        budget_per_second: The number of repetitions that the budget regains each second.
    """

    no_progress_seconds: float = 900.0
    first_ceiling_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    budget: int = 32
    budget_per_second: float = 1.0


class Patience:
    """The memory that all calls of a gateway share. It reads the given clock and never waits."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float],
        draw: Callable[[], float] = random.random,  # noqa: S311  # jitter keeps no secret
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._draw = draw
        self._moved_at = -math.inf
        self._succeeded_at = -math.inf
        self._tokens = float(policy.budget)
        self._filled_at = clock()

    @property
    def moved_at(self) -> float:
        """The time at which bytes moved last, or a call succeeded."""
        return self._moved_at

    def moved(self) -> None:
        """Note that bytes moved."""
        self._moved_at = self._clock()

    def succeeded(self) -> None:
        """Note that a call succeeded."""
        self._moved_at = self._succeeded_at = self._clock()

    def wait_before(
        self, attempt: int, *, began_at: float, retry_after_seconds: float | None
    ) -> float | None:
        """Return the seconds to wait before another attempt, or ``None`` to give up.

        Args:
            attempt: The number of attempts so far.
            began_at: The time of the first.
            retry_after_seconds: The wait that the service asked for.
        """
        now = self._clock()
        limit = self._policy.no_progress_seconds
        left = limit - (now - max(began_at, self._moved_at))
        if attempt >= _ATTEMPTS_IN_VAIN:
            left = min(left, limit - (now - max(began_at, self._succeeded_at)))
        if left <= 0:
            return None
        wait = self._jittered(attempt, retry_after_seconds) + self._take(now)
        return min(wait, left)

    def _jittered(self, attempt: int, retry_after_seconds: float | None) -> float:
        longest = self._policy.longest_wait_seconds
        ceiling = min(longest, self._policy.first_ceiling_seconds * 2.0 ** min(attempt - 1, 30))
        wait = self._draw() * ceiling
        if retry_after_seconds is not None and retry_after_seconds <= _LONGEST_SANE_RETRY_AFTER:
            wait = max(wait, min(longest, retry_after_seconds))
        return wait

    def _take(self, now: float) -> float:
        """Take one token, and return the seconds until the bucket has it."""
        rate = self._policy.budget_per_second
        self._tokens = min(float(self._policy.budget), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / rate)
