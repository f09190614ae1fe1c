"""Send one call again until it succeeds, cannot succeed, or patience ends."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from aioglacier.core.errors import (
    ConnectionFailedError,
    CredentialsExpiredError,
    GlacierError,
    IntegrityError,
    ServiceError,
)
from aioglacier.gateway.contract.operation import REPEATABLE, Repeat, Rule
from aioglacier.gateway.retry.patience import Patience, RetryPolicy
from aioglacier.gateway.retry.rules import (
    ATTEMPTS_AT_PROOF,
    Congestion,
    is_attempt_left,
    is_unproven,
    is_without_effect,
    may_pass,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

#: Longer than any attempt may stand still: a completion is given 10 minutes.
_LONGEST_WAIT_SECONDS: Final = 900.0

#: A name that never had an address is more often mistyped than missing for a while.
_UNKNOWN_NAME_SECONDS: Final = 5.0

_NO_FACTS: Final[Mapping[str, Any]] = {}

logger = logging.getLogger("aioglacier.gateway")

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """The history of one call.

    Attributes:
        facts: Attributes that each error of the call carries.
        patient_since: The time at which patience began: the first attempt, or the end of a long sleep.
        refusals: The number of attempts after which the service reported other bytes.
        renewals: The number of attempts that met expired credentials.
        unproven: The number of attempts that succeeded without proof.
        is_unclear: Whether an attempt may have taken effect although it failed.
    """

    operation: str
    facts: Mapping[str, Any]
    rule: Rule
    began_at: float
    patient_since: float
    attempts: int = 0
    refusals: int = 0
    renewals: int = 0
    unproven: int = 0
    is_unclear: bool = False


class Retrier:
    """Decide after each failure, wait, and try again. All calls of a gateway share one."""

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        congestion: Congestion | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self.congestion = congestion or Congestion()
        self.patience = Patience(policy or RetryPolicy(), clock=clock)

    def begin(self, operation: str, facts: Mapping[str, Any] = _NO_FACTS, rule: Rule = REPEATABLE) -> Call:
        """Return a call without attempts yet."""
        now = self._clock()
        return Call(operation, facts, rule, now, now)

    async def run(
        self,
        call: Call,
        attempt: Callable[[], Awaitable[T]],
        *,
        look: Callable[[], Awaitable[T | None]] | None = None,
    ) -> T:
        """Make attempts until one succeeds, none can succeed, or patience ends.

        Args:
            call: Made by ``begin``; holds the history afterwards.
            attempt: Sends the request once.
            look: Looks for the effect of an attempt whose outcome is unclear, before another is made.

        Raises:
            GlacierError: The error of the last attempt, with ``attempts``, ``elapsed_seconds`` and the call's
                facts.
        """
        while True:
            call.attempts += 1
            attempted_at = self._clock()  # the patience of the call may have begun long before
            try:
                result = await attempt()
            except GlacierError as error:
                if self._has_slept_since(attempted_at):
                    call.patient_since = self._clock()
                wait = self._decide(call, error, may_look=look is not None)
                if wait is None:
                    self.conclude(call, error)
                    raise
                await self._pause(call, error, wait)  # first the wait: the effect may show late
                found = await self._look(call, error, look) if look is not None and call.is_unclear else None
            else:
                if call.rule.is_progress:  # an answer from the service ends the patience of all calls at once
                    self.patience.succeeded()
                if call.attempts > 1:
                    logger.info(
                        "%s: attempt %d succeeded", call.operation, call.attempts, extra={"is_trouble": False}
                    )
                return result
            if found is not None:
                logger.info("%s: an attempt without an answer had taken effect", call.operation)
                return found

    async def run_until_shown(
        self, call: Call, attempt: Callable[[], Awaitable[T]], *, shown_by: type[ServiceError]
    ) -> T | None:
        """Run a call that succeeds too if an error shows that an earlier attempt has done the work."""
        try:
            return await self.run(call, attempt)
        except shown_by:
            if not call.is_unclear:
                raise
            return None

    def conclude(self, call: Call, error: GlacierError) -> None:
        """Add the facts that only the call knows to its last error."""
        error.attempts = call.attempts
        error.elapsed_seconds = self._clock() - call.began_at
        error.add_facts(call.facts)
        hint = call.rule.hint if call.is_unclear else ""
        if isinstance(error, IntegrityError) and call.refusals > 1:
            hint = "the same bytes failed each time: test this machine's memory and network card"
        if hint:
            error.args = (f"{error.message}; {hint}", *error.args[1:])

    def _has_slept_since(self, attempted_at: float) -> bool:
        """Return whether this process, or the machine, slept during the attempt."""
        stood_still = self._clock() - max(attempted_at, self.patience.moved_at)
        return stood_still >= _LONGEST_WAIT_SECONDS  # without a sleep, the watchdog ends it much sooner

    def _decide(self, call: Call, error: GlacierError, *, may_look: bool) -> float | None:
        """Return the seconds to wait before another attempt, or ``None`` for no other."""
        self.congestion.note(error)
        call.is_unclear = call.is_unclear or not is_without_effect(error)
        call.refusals += isinstance(error, IntegrityError)
        call.renewals += isinstance(error, CredentialsExpiredError)
        call.unproven += is_unproven(error)
        repeat = call.rule.repeat
        if repeat is Repeat.NEVER:
            return None
        if is_attempt_left(error, refusals=call.refusals, renewals=call.renewals):
            return 0.0
        passes = call.rule.passes is not None and isinstance(error, call.rule.passes)
        if (
            not passes
            and not may_pass(error)
            and not (is_unproven(error) and call.unproven < ATTEMPTS_AT_PROOF)
        ):
            return None
        if repeat is Repeat.IF_WITHOUT_EFFECT and not is_without_effect(error) and not may_look:
            return None
        wait = self.patience.wait_before(
            call.attempts,
            began_at=call.patient_since,
            retry_after_seconds=error.retry_after_seconds if isinstance(error, ServiceError) else None,
        )
        if wait is not None and isinstance(error, ConnectionFailedError) and error.is_name_unknown:
            # Long enough for a network that comes up.
            left = call.patient_since + _UNKNOWN_NAME_SECONDS - self._clock()
            return min(wait, left) if left > 0 else None
        return wait

    async def _pause(self, call: Call, error: GlacierError, wait: float) -> None:
        logger.warning(
            "%s: attempt %d failed (%s: %s); the next in %.1f s",
            call.operation,
            call.attempts,
            type(error).__name__,
            error.message,
            wait,
            extra={"is_trouble": True, "trouble": f"{type(error).__name__}: {error.message}"},
        )
        await self._sleep(wait)

    async def _look(
        self, call: Call, error: GlacierError, look: Callable[[], Awaitable[T | None]]
    ) -> T | None:
        try:
            return await look()
        except GlacierError as failure:
            self.conclude(call, error)
            error.add_note(f"the search for its effect failed too: {failure}")
            raise error from failure
