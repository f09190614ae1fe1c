"""The only layer that tries again: it performs a table's rows with another performer of the same table."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from aioglacier.core.errors import GlacierError, IntegrityError, UnexpectedResponseError
from aioglacier.core.spending import budgets
from aioglacier.gateway.contract.operation import Performer, Recovery
from aioglacier.gateway.retry.lost_uploads import LostUploads
from aioglacier.gateway.retry.resuming_output import ResumingOutput
from aioglacier.gateway.retry.retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.core.errors import OutcomeUnknownError
    from aioglacier.core.models import UploadId
    from aioglacier.gateway.contract.operation import Arguments, Operation
    from aioglacier.gateway.contract.protocols import Answer, Output, Progress, RawRequest
    from aioglacier.gateway.retry.patience import RetryPolicy
    from aioglacier.gateway.retry.retrier import Call
    from aioglacier.gateway.retry.rules import Congestion

    Attempt = Callable[[], Awaitable[Any]]

T = TypeVar("T")

#: After a lost answer, another call may take an upload before its own answer arrives, so its id may come
#: twice. A service that repeats ids more often is broken.
_TAKEN_IDS: Final = 10


class Retrying(Performer):
    """Tries again where this is safe and may help; see ``rules`` and ``patience``.

    Errors that leave here carry ``attempts``, ``elapsed_seconds`` and the facts of the call.
    """

    def __init__(
        self,
        gateway: Performer,
        policy: RetryPolicy | None = None,
        *,
        congestion: Congestion | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``congestion`` is that of another gateway on the same line, if there is one."""
        self.region = gateway.region
        self.origin = gateway.origin
        self.lost_uploads = LostUploads()
        self._gateway = gateway
        self._retrier = Retrier(policy, congestion=congestion, clock=clock, sleep=sleep)
        self._now = now

    @property
    def congestion(self) -> Congestion:
        """The count of signs that too many requests ran at once."""
        return self._retrier.congestion

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self._gateway!r}>"

    @abstractmethod
    async def find_effect(self, recovery: Recovery, arguments: Arguments, since: datetime) -> Any:
        """Return the upload or job that a lost answer left behind, ``None`` if there is none.

        Args:
            recovery: The thing to look for.
            arguments: Of the call.
            since: The time of its first attempt.
        """

    @abstractmethod
    def unknown_outcome(self, error: GlacierError, arguments: Arguments) -> OutcomeUnknownError | None:
        """Return the error to raise where something may be stored although no answer names it.

        Args:
            error: The last attempt's, after one that may have taken effect. Only the service knows whether it
                proves anything: ``None`` lets it be raised.
            arguments: Of the call.
        """

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Perform one operation, again where its rule allows, and find what a lost answer left behind."""
        rule = operation.rule
        call = self._retrier.begin(operation.name, self.facts(arguments), rule)
        if operation.largest_body is not None:
            arguments = {**arguments, "progress": self._noting(arguments.get("progress"))}
        attempt = self._charged(operation, arguments)  # each attempt is a request that AWS bills
        if rule.shown_by is not None:
            return await self._retrier.run_until_shown(call, attempt, shown_by=rule.shown_by)
        match rule.recovery:
            case Recovery.NONE:
                return await self._retrier.run(call, attempt)
            case Recovery.SAY_UNKNOWN:
                return await self._run_or_say_unknown(call, attempt, arguments)
            case Recovery.FIND_UPLOAD:
                attempt = partial(self._begin_upload, operation.name, attempt)
            case Recovery.FIND_JOB if not arguments.get("description"):  # by which alone it could be found
                return await self._retrier.run(call, attempt)
            case Recovery.FIND_JOB:
                pass
        look = partial(self.find_effect, rule.recovery, arguments, self._now())
        return await self._retrier.run(call, attempt, look=look)

    def _charged(self, operation: Operation[Any], arguments: Arguments) -> Attempt:
        """Return one attempt, which the budgets in force count, or refuse, before it is made."""
        attempt = partial(self._gateway.perform, operation, arguments)
        if operation.charge is None or not budgets():
            return attempt
        charges = [operation.charge(arguments)]

        async def charged() -> Any:
            for budget in budgets():
                budget.charge(operation.name, charges[0])
            charges[0] = charges[0]._replace(stored=0, archives=0)  # a repetition stores nothing more
            return await attempt()

        return charged

    @asynccontextmanager
    async def open_output(self, operation: Operation[T], arguments: Arguments) -> AsyncIterator[Output[T]]:
        """Open an output; after a broken connection, another one continues."""
        async with ResumingOutput(self._gateway, self._retrier, operation, arguments) as output:
            yield output

    async def request(self, raw: RawRequest) -> Answer:
        """Send one request. Only GET and HEAD are sent again, and only after no answer at all."""
        attempt = partial(self._gateway.request, raw)
        if raw.method.upper() not in {"GET", "HEAD"}:  # nothing tells what another one does twice
            return await attempt()
        return await self._retrier.run(self._retrier.begin(f"{raw.method} {raw.path}"), attempt)

    async def _run_or_say_unknown(self, call: Call, attempt: Attempt, arguments: Arguments) -> Any:
        """Store something, or report that it may be stored although no answer names it."""
        try:
            return await self._retrier.run(call, attempt)
        except GlacierError as error:
            # No attempt may have taken effect, or the error says what is stored.
            if not call.is_unclear or isinstance(error, IntegrityError):
                raise
            unknown = self.unknown_outcome(error, arguments)
            if unknown is None:
                raise
            unknown.upload_id = arguments.get("upload_id")
            self._retrier.conclude(call, unknown)
            raise unknown from error

    async def _begin_upload(self, operation: str, attempt: Attempt) -> UploadId:
        """Begin an upload whose id no other call has taken."""
        for _ in range(_TAKEN_IDS):
            upload_id: UploadId = await attempt()
            if self.lost_uploads.take(upload_id):
                return upload_id
        raise UnexpectedResponseError(
            f"the service gave the same upload id for several uploads, {_TAKEN_IDS} times in a row",
            operation=operation,
            status=201,
            may_have_taken_effect=False,
        )

    def _noting(self, progress: Progress | None) -> Progress:
        """Return a progress callback that also reports the moving bytes to patience."""

        def note(count: int) -> None:
            if count > 0:  # bytes that are taken back are no progress
                self._retrier.patience.moved()
            if progress is not None:
                progress(count)

        return note
