"""The only layer that tries again: a gateway that holds a gateway."""

from __future__ import annotations

import time
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from aioglacier.core.errors import (
    AccessDeniedError,
    GlacierError,
    IntegrityError,
    OutcomeUnknownError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from aioglacier.core.models import JobAction
from aioglacier.core.spending import budgets
from aioglacier.gateway.contract.operation import Recovery
from aioglacier.gateway.contract.paging import follow
from aioglacier.gateway.retry.lost_uploads import LostUploads
from aioglacier.gateway.retry.resuming_output import ResumingOutput
from aioglacier.gateway.retry.retrier import Retrier
from aioglacier.gateway.vaults.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aioglacier.core.models import JobDescription, JobId, UploadId
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

#: The service's clock may be this far behind ours for a job to count as started by this call. The service
#: accepts signatures within five minutes.
_CLOCK_TOLERANCE: Final = timedelta(minutes=10)


class RetryingGateway(Gateway):
    """A gateway that tries again where this is safe and may help; see ``rules`` and ``patience``.

    Errors that leave here carry ``attempts``, ``elapsed_seconds`` and ``vault``.
    """

    def __init__(
        self,
        gateway: Gateway,
        policy: RetryPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.region = gateway.region
        self.origin = gateway.origin
        self._gateway = gateway
        self._retrier = Retrier(policy, clock=clock, sleep=sleep)
        self._now = now
        self._lost_uploads = LostUploads()

    @property
    def congestion(self) -> Congestion:
        """The count of signs that too many requests ran at once."""
        return self._retrier.congestion

    def __repr__(self) -> str:
        return f"<RetryingGateway over {self._gateway!r}>"

    async def perform(self, operation: Operation[Any], arguments: Arguments) -> Any:
        """Perform one operation, again where its rule allows, and find what a lost answer left behind."""
        rule = operation.rule
        call = self._retrier.begin(operation.name, arguments.get("vault"), rule)
        if operation.largest_body is not None:
            arguments = {**arguments, "progress": self._noting(arguments.get("progress"))}
        attempt = self._charged(operation, arguments)
        if rule.shown_by is not None:
            return await self._retrier.run_until_shown(call, attempt, shown_by=rule.shown_by)
        match rule.recovery:
            case Recovery.NONE:
                return await self._retrier.run(call, attempt)
            case Recovery.SAY_UNKNOWN:
                return await self._run_or_say_unknown(call, attempt, arguments)
            case Recovery.FIND_UPLOAD:
                return await self._begin_upload(call, attempt, arguments)
            case Recovery.FIND_JOB:
                return await self._start_job(call, attempt, arguments)

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
        if raw.method.upper() not in {"GET", "HEAD"}:
            return await attempt()
        return await self._retrier.run(self._retrier.begin(f"{raw.method} {raw.path}"), attempt)

    async def _run_or_say_unknown(self, call: Call, attempt: Attempt, arguments: Arguments) -> Any:
        """Store an archive, or report that it may be stored although no answer names it.

        "No such upload" is a result at the first attempt. After a lost answer it proves nothing, because the
        lost attempt may have completed the upload.
        """
        try:
            return await self._retrier.run(call, attempt)
        except GlacierError as error:
            if not call.is_unclear or isinstance(error, IntegrityError):
                raise
            upload_id = arguments.get("upload_id")
            if upload_id is None:
                why = f"the archive was sent and its answer lost ({error.message})"
                size, tree_hash = arguments["body"].nbytes, arguments["hashes"].tree_hash
            elif isinstance(error, UploadNotFoundError):
                why = f"upload {upload_id} was completed, the answer lost, and now the upload is gone"
                size, tree_hash = arguments["size"], arguments["tree_hash"]
            elif isinstance(error, UnexpectedResponseError):
                why = f"upload {upload_id} was completed, and the answer is not Glacier's ({error.message})"
                size, tree_hash = arguments["size"], arguments["tree_hash"]
            else:
                raise
            unknown = OutcomeUnknownError(why, size=size, tree_hash=tree_hash)
            unknown.upload_id = upload_id
            self._retrier.conclude(call, unknown)
            raise unknown from error

    async def _begin_upload(self, call: Call, attempt: Attempt, arguments: Arguments) -> UploadId:
        """Begin an upload once: after a lost answer, take the upload that it left behind.

        The upload has no name to find it by; see ``core.upload_identity``.
        """
        since = self._now()

        async def begin() -> UploadId:
            for _ in range(_TAKEN_IDS):
                upload_id: UploadId = await attempt()
                if self._lost_uploads.take(upload_id):
                    return upload_id
            raise UnexpectedResponseError(
                f"the service gave the same upload id for several uploads, {_TAKEN_IDS} times in a row",
                operation=call.operation,
                status=201,
                may_have_taken_effect=False,
            )

        async def look() -> UploadId | None:
            with suppress(AccessDeniedError):  # an empty upload that stays behind is no reason to give up
                return await self._lost_uploads.find(
                    self,
                    arguments["vault"],
                    description=arguments.get("description"),
                    part_size=arguments["part_size"],
                    since=since,
                )
            return None

        return await self._retrier.run(call, begin, look=look)

    async def _start_job(self, call: Call, attempt: Attempt, arguments: Arguments) -> JobId:
        """Start a job once: after a lost answer, find the job by its description, if it has one."""
        description = arguments.get("description")
        since = self._now() - _CLOCK_TOLERANCE

        async def look() -> JobId | None:
            jobs = follow("ListJobs", lambda marker: self.list_jobs(arguments["vault"], marker=marker))
            async with aclosing(jobs):
                async for job in jobs:
                    if job.description == description and job.created >= since and _is_same(job, arguments):
                        return job.id
            return None

        return await self._retrier.run(call, attempt, look=look if description else None)

    def _noting(self, progress: Progress | None) -> Progress:
        """Return a progress callback that also reports the moving bytes to patience."""

        def note(count: int) -> None:
            if count > 0:
                self._retrier.patience.moved()
            if progress is not None:
                progress(count)

        return note


def _is_same(job: JobDescription, arguments: Arguments) -> bool:
    """Return whether a job does the work that a call asked for."""
    if "archive_id" not in arguments:
        return job.action is JobAction.INVENTORY_RETRIEVAL
    byte_range = arguments.get("byte_range")
    return (
        job.action is JobAction.ARCHIVE_RETRIEVAL
        and job.archive_id == arguments["archive_id"]
        and (byte_range is None or job.byte_range == byte_range)
    )
