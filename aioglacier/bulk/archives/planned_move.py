"""The parts that a restore and a migration of archives have in common: plan, failures and counters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioglacier.bulk.archives.move_run import MoveProgress
from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.core.spending import Budget


@dataclass(frozen=True, slots=True)
class ArchivesSnapshot:
    """The progress of a restore or a migration of archives.

    Attributes:
        archives, size: Archives to bring to the target, 0 until the plan is made, and their bytes.
        there: Archives that were there already.
        restored, restored_size: Archives brought there, and their bytes.
        failed: Archives that could not be brought there.
        jobs_started: Jobs started by this run.
        jobs_waited_for: Jobs that are waited for.
        left: Archives left for the next run.
        cost: The cost so far, by the price list.
        workers: Tasks that other processes do at once.
    """

    archives: int
    size: int
    there: int
    restored: int
    restored_size: int
    failed: int
    jobs_started: int
    jobs_waited_for: int
    left: int
    cost: float
    workers: int

    @classmethod
    def of(cls, progress: MoveProgress, plan: ArchivePlan | None, budget: Budget) -> ArchivesSnapshot:
        """Return the counters of a run."""
        return cls(
            archives=plan.archives if plan else 0,
            size=plan.size if plan else 0,
            there=progress.there + (plan.done if plan else 0),
            restored=progress.carried,
            restored_size=progress.carried_size,
            failed=progress.failures.count,
            jobs_started=progress.asked,
            jobs_waited_for=progress.waiting,
            left=progress.left,
            cost=budget.cost,
            workers=progress.workers,
        )


class PlannedMove(ABC):
    """Archives that go to one target, to be run once; ``snapshot`` shows the progress."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._progress = MoveProgress()
        self._plan: ArchivePlan | None = None

    @property
    def failures(self) -> list[PathFailure]:
        """Archives that are not at the target, by name, each with its error; the first thousand."""
        return self._progress.failures.kept

    @property
    def notices(self) -> list[str]:
        """Sentences about archives that were left out, or have other names than their descriptions say."""
        return self._plan.notices() if self._plan is not None else []

    def check(self, plan: ArchivePlan) -> None:
        """Refuse a plan as ``ArchivePlan.check`` does, or by what could not be read of the place.

        Raises:
            GlacierError: Nothing is selected, and this is why.
        """
        try:
            plan.check()
        except ConfigurationError as error:
            if unread := self.failures:  # it may have what was asked for
                raise unread[0].error from error
            raise

    def snapshot(self) -> ArchivesSnapshot:
        """Return the counters now."""
        return ArchivesSnapshot.of(self._progress, self._plan, self._budget)

    @abstractmethod
    async def plan(self) -> ArchivePlan:
        """Return the plan of ``run`` without requesting archives or writing anything."""

    @abstractmethod
    async def run(self) -> ArchivesSnapshot:
        """Bring the archives to the target. It may be stopped or killed at any moment, and run again."""
