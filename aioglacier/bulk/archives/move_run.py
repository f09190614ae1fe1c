"""One run of a move: it requests jobs in the order of the plan, and carries their outputs to the target.

One task requests jobs, one at a time, and within a day no more bytes than allowed: an output lives for a day,
and an output that expires is paid for twice. Several tasks carry outputs. They follow the requesting task
through the catalog, so no task keeps a list, and a million archives need no memory.

An error of one archive is recorded with it, and the others continue. Once the cost limit is reached, nothing
more is requested, and the outputs that are paid for are still carried.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from aioglacier.bulk.archives.size_rules import choose_by_size
from aioglacier.bulk.path_failures import PathFailures
from aioglacier.bulk.settling import outcome_of
from aioglacier.catalog.records import ArchiveState, MoveState
from aioglacier.core import errors
from aioglacier.core.errors import (
    CostLimitError,
    GlacierError,
    JobFailedError,
    JobNotFoundError,
    NotRetrievedError,
)
from aioglacier.core.limits import GIB
from aioglacier.core.models import JobId, Tier
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.bulk.archives.archive_source import ArchiveSource
    from aioglacier.bulk.archives.size_rules import SizeRule
    from aioglacier.catalog.moves.moves import Moves
    from aioglacier.catalog.records import MovedRecord, MoveRecord

#: Archives that are carried at once.
CARRIERS: Final = 4

#: New jobs for one archive in one run, after its job failed or its output expired.
_RENEWALS: Final = 2

#: Seconds between two checks while the limit of a day is reached.
_LOOK_AGAIN_SECONDS: Final = 30.0

_DAY: Final = timedelta(days=1)

#: Archives in memory that wait for a carrying task.
_QUEUE: Final = 100

#: States of archives whose job was requested and that are not at the target.
ON_THE_WAY: Final = (MoveState.REQUESTED, MoveState.READY, MoveState.OPEN, MoveState.COMPLETING)

#: Errors that concern one archive, so that the others continue.
_ONE_ARCHIVE: Final = (
    errors.ArchiveNotFoundError,
    errors.IntegrityError,
    errors.InvalidPlanError,
    errors.JobFailedError,
    errors.JobNotFoundError,
    errors.NotRetrievedError,
    errors.ObjectChangedError,
    errors.ObjectConflictError,
    errors.ObjectExistsError,
    errors.ObjectNotFoundError,
    errors.TargetError,
    errors.UploadExpiredError,
)


@dataclass(frozen=True, slots=True)
class PaceOptions:
    """The pace of the requests for archives.

    Attributes:
        tier: Of the jobs.
        tier_rules: Rules for another tier; the first that fits an archive's size applies.
        per_day: Bytes to request within any 24 hours; a larger archive is requested alone.
        waits: Wait for jobs; otherwise carry what is ready, and leave the rest for the next run.
    """

    tier: Tier = Tier.STANDARD
    tier_rules: Sequence[SizeRule[Tier]] = ()
    per_day: int = 1024 * GIB  # 102 Mbit/s carry it away within the day that outputs live
    waits: bool = True

    @property
    def tiers(self) -> set[Tier]:
        """All tiers that a job may have."""
        return {self.tier, *(rule.choice for rule in self.tier_rules)}

    def tier_of(self, size: int) -> Tier:
        """Return the tier for an archive of this size."""
        return choose_by_size(self.tier_rules, size, self.tier)


class Carrier(Protocol):
    """Brings archives to a target."""

    async def is_there(self, moved: MovedRecord) -> bool:
        """Look for an archive at the target; if it is there, record it as proven and return ``True``.

        Raises:
            GlacierError: It can never be there, for example because something else has its name.
        """
        ...

    async def carry(self, moved: MovedRecord) -> bool:
        """Bring an archive that can be fetched to the target, and record it as proven.

        Return ``False`` if it goes there later, together with others; the carrier counts it then.
        """
        ...


@dataclass(slots=True)
class MoveProgress:
    """The counters of a run.

    Attributes:
        asked: Jobs requested and paid for.
        carried, carried_size: Archives brought to the target, and their bytes.
        there: Archives that were there before.
        waiting: Jobs that are waited for.
        left: Archives left for the next run.
        failures: Archives that failed, by their names.
        workers: Tasks that other processes do at once.
    """

    asked: int = 0
    carried: int = 0
    carried_size: int = 0
    there: int = 0
    waiting: int = 0
    left: int = 0
    failures: PathFailures = field(default_factory=PathFailures)
    workers: int = 0

    def add(self, size: int) -> None:
        """Count an archive that was brought to the target."""
        self.carried += 1
        self.carried_size += size


class MoveRun:
    """Requests and carries every archive of a move that is not at its target; to be run once."""

    def __init__(
        self,
        source: ArchiveSource,
        move: MoveRecord,
        pace: PaceOptions,
        carrier: Carrier,
        progress: MoveProgress,
        shard: Shard = WHOLE,
        carriers: int = CARRIERS,
    ) -> None:
        """``carriers`` is the number of archives that are carried at once."""
        self._carriers = carriers
        self._source = source
        self._moves = source.context.catalog.moves
        self._move = move
        self._shard = shard
        self._pace = _Pace(max(1, shard.part_of(pace.per_day)))
        self._options = pace
        self._carrier = carrier
        self._progress = progress
        self._found: dict[str, JobId] = {}  # jobs that any program has started, by archive
        self._asked = _Asked()
        self._refused: CostLimitError | None = None

    async def run(self) -> None:
        """Run to the end.

        Raises:
            CostLimitError: The cost limit was reached. Everything that was paid for was carried.
            GlacierError: Any other error that concerns more than one archive.
        """
        self._found = await self._source.find_asked()  # before one is asked for again
        # The outputs of earlier runs live in the same day and need the same path.
        for hour, size in await self._moves.asked_by_hour(self._move, _now() - _DAY, self._shard):
            self._pace.note(hour, size)
        with first_cause():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._ask_all)
                for _ in range(self._carriers):
                    tasks.start_soon(self._carry_all)
        if self._refused is not None:
            raise self._refused

    # --- requesting

    async def _ask_all(self) -> None:
        try:
            # Archives on their way are listed as well, so that carrying tasks may go past their numbers.
            states = (MoveState.PLANNED, *ON_THE_WAY)
            async for moved in self._moves.list_moved(self._move, states, shard=self._shard):
                if await self._ask(moved):
                    self._asked.advance(moved.number)
                else:
                    self._progress.left += 1
        finally:
            self._asked.end()

    async def _ask(self, moved: MovedRecord) -> bool:
        """Request an archive if that is needed; return whether the archive is settled or on its way."""
        if moved.state is not MoveState.PLANNED or moved.archive_state is not ArchiveState.STORED:
            return True  # an archive that an inventory contradicts by now is not paid for
        if self._refused is not None:
            return False  # what is paid is still carried, so the plan is read to its end
        try:
            if await self._carrier.is_there(moved):  # a look at the target costs less than a job
                self._progress.there += 1
            elif moved.archive.id in self._found:
                await self._record_job(moved, self._found[moved.archive.id])
            elif not await self._pace.admits(moved.archive.size, waits=self._options.waits):
                return False
            else:
                await self._request(moved)
        except CostLimitError as error:
            self._refused = error
            return False
        except _ONE_ARCHIVE as error:
            await self._fail(moved, error)
        return True

    async def _request(self, moved: MovedRecord) -> MovedRecord:
        asked = await self._source.ask(moved, self._options.tier_of(moved.archive.size))
        self._progress.asked += asked.is_new  # the same job may have been under way
        self._pace.note(_now(), moved.archive.size)
        return await self._record_job(moved, asked.job_id)

    async def _record_job(self, moved: MovedRecord, job_id: JobId) -> MovedRecord:
        # An archive that is partly in the bucket stays so: the new output continues its upload.
        state = MoveState.REQUESTED if moved.state in {MoveState.PLANNED, MoveState.READY} else moved.state
        await self._moves.record(moved, state, job_id=job_id, requested=_now(), ready_until=None)
        return replace(moved, state=state, job_id=job_id)

    # --- carrying

    async def _carry_all(self) -> None:
        while (moved := await self._asked.next(self._moves, self._move, self._shard)) is not None:
            try:
                await self._carry(moved)
            except CostLimitError as error:  # its output expired, and a second job is not allowed
                self._refused = error
                self._progress.left += 1
            except _ONE_ARCHIVE as error:
                await self._fail(moved, error)

    async def _carry(self, moved: MovedRecord) -> None:
        # A killed run may have carried an archive whose output was ready, without the record.
        if moved.state is not MoveState.REQUESTED and await self._carrier.is_there(moved):
            self._progress.there += 1
            return
        for renewals_left in range(_RENEWALS, -1, -1):
            try:
                is_done = await self._carry_once(moved)
            except (JobFailedError, JobNotFoundError, NotRetrievedError):
                if not renewals_left:
                    raise
                moved = await self._request(moved)
            else:
                self._progress.left += not is_done
                return

    async def _carry_once(self, moved: MovedRecord) -> bool:
        ready = await self._source.check(moved)
        if ready is None:
            if not self._options.waits:
                return False
            self._progress.waiting += 1
            try:
                ready = await self._source.wait(moved)
            finally:
                self._progress.waiting -= 1
        if moved.state is MoveState.REQUESTED:
            await self._moves.record(moved, MoveState.READY, ready_until=ready.until)
        if await self._carrier.carry(moved):
            self._progress.add(moved.archive.size)
        return True

    async def _fail(self, moved: MovedRecord, error: GlacierError) -> None:
        self._progress.failures.add(moved.name.encode(), error)
        await self._moves.record(moved, MoveState.FAILED, outcome=outcome_of(error))


class _Asked:
    """Hands out the archives to carry, up to the number that the requesting task has reached."""

    def __init__(self) -> None:
        self._reached = 0
        self._taken = 0
        self._is_over = False
        self._more = anyio.Event()
        self._lock = anyio.Lock()
        self._queue: deque[MovedRecord] = deque()

    def advance(self, number: int) -> None:
        """Note that each archive up to this number was requested, or needs no request."""
        self._reached = number
        self._more.set()

    def end(self) -> None:
        """Note that nothing more is requested."""
        self._is_over = True
        self._reached = sys.maxsize  # an earlier run requested the rest
        self._more.set()

    async def next(self, moves: Moves, move: MoveRecord, shard: Shard) -> MovedRecord | None:
        """Return the next archive to carry, ``None`` after the last one."""
        async with self._lock:
            while not self._queue:
                # Read before the query: what it cannot see yet, the next round does.
                is_over, reached = self._is_over, self._reached
                async for moved in moves.list_moved(move, ON_THE_WAY, after=self._taken, shard=shard):
                    if moved.number > reached or len(self._queue) == _QUEUE:
                        break
                    self._queue.append(moved)
                    self._taken = moved.number
                else:
                    self._taken = max(self._taken, reached)
                    if is_over and not self._queue:
                        return None
                if not self._queue:
                    self._more = anyio.Event()
                    # Otherwise the requesting task set the former event during the query.
                    if self._reached == reached and not self._is_over:
                        await self._more.wait()
            return self._queue.popleft()


class _Pace:
    """Counts the bytes requested within a day."""

    def __init__(self, per_day: int) -> None:
        self._per_day = per_day
        self._asked: deque[tuple[datetime, int]] = deque()
        self._size = 0

    def note(self, when: datetime, size: int) -> None:
        """Note that bytes were requested."""
        last = self._asked[-1] if self._asked else None
        if last is not None and when - last[0] < timedelta(minutes=1):
            # Joined, or a million small archives would be a million notes.
            self._asked[-1] = (last[0], last[1] + size)
        else:
            self._asked.append((when, size))
        self._size += size

    async def admits(self, size: int, *, waits: bool) -> bool:
        """Return whether so many bytes may be requested now; with ``waits``, wait until they may."""
        while True:
            while self._asked and self._asked[0][0] < _now() - _DAY:
                self._size -= self._asked.popleft()[1]
            # An archive larger than the limit goes alone, or it would wait for ever.
            if not self._size or self._size + size <= self._per_day:
                return True
            if not waits:
                return False
            await anyio.sleep(_LOOK_AGAIN_SECONDS)


def _now() -> datetime:
    return datetime.now(UTC)
