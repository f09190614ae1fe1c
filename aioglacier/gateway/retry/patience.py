"""How long to try, and how long to wait before trying again.

Three bounds:

- **No progress.** While bytes move or calls succeed anywhere in the gateway, trouble may last. A call gives
  up once nothing has moved for 15 minutes, or once it has failed ten times and nothing has succeeded for so
  long: a peer that takes bytes and always drops them moves them in vain.
- **Full jitter.** A wait is a random part of a ceiling that doubles up to 60 s, so that tasks which failed
  together do not return together.
- **A budget.** Repetitions of all calls draw from one bucket that refills by one a second. When it is empty
  they wait their turn rather than fail, so a storm of failures stays a trickle of requests, and its end finds
  everybody still trying.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Attempts after which moving bytes in vain no longer counts as progress.
_ATTEMPTS_IN_VAIN: Final = 10

#: A Retry-After beyond this is taken for garbage.
_LONGEST_SANE_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The numbers.

    Attributes:
        no_progress_seconds: How long to go on without any progress.
        first_ceiling_seconds: The longest first wait.
        longest_wait_seconds: The longest wait.
        budget: Repetitions that may be made at once, over all calls.
        budget_per_second: How fast the budget refills.
    """

    no_progress_seconds: float = 900.0
    first_ceiling_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    budget: int = 32
    budget_per_second: float = 1.0


class Patience:
    """What all calls of a gateway know together. Plain: reads the clock it is given and never waits."""

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
        """When bytes moved last, or a call succeeded."""
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
        """Seconds to wait before another attempt, or ``None`` to give up.

        Args:
            attempt: How many attempts were made.
            began_at: When the first was.
            retry_after_seconds: What the service asked for.
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
        """Take one token, and say how long until it is really there."""
        rate = self._policy.budget_per_second
        self._tokens = min(float(self._policy.budget), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / rate)
