"""Deletes from the vault the archives that are proven to be in the bucket, and nothing else.

An archive is deleted only if all of this holds at that moment: its line stands in the bucket's manifest, in a
chain that is whole up to there; the catalog has the same line; the last inventory has the archive with the
size and tree hash of the line; and a HEAD request right before the deletion finds token, metadata, size,
SHA-256 and version of the object as they were proven.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.catalog.records import ArchiveState, MoveState
from aioglacier.core.errors import AccessDeniedError, ArchiveNotFoundError, ResourceNotFoundError
from aioglacier.core.s3.objects import CLASS_TERMS, StorageClass
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.deletion_rules import days_until_deletable
from aioglacier.migrate.report import ProvenLine, Report, find_change, proven_lines
from aioglacier.tasks.groups import first_cause

if TYPE_CHECKING:
    from aioglacier.catalog.records import MovedRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.spending import Budget

#: Archives deleted side by side.
_AT_ONCE: Final = 8


@dataclass(slots=True)
class DeletionPlan:
    """The archives that may be deleted, and those that were.

    Attributes:
        archives, size: Proven archives that are still in the vault and old enough, and their bytes.
        younger: Proven archives that are not old enough.
        locked: Proven archives that a vault lock or the access policy still protects.
        first_free, all_free: When the first and the last of those may be deleted; ``None`` for never.
        others: Archives of the vault on record that are not proven, and stay.
        early: Archives younger than 90 days, for which the remaining days are charged.
        cost: That charge, by the price list.
        objects_until: When the least time of the last of their objects ends, which the bucket's owner pays
            for in any case; ``None`` if their classes have none.
        deleted: Archives deleted by this run.
    """

    archives: int = 0
    size: int = 0
    younger: int = 0
    locked: int = 0
    first_free: datetime | None = None
    all_free: datetime | None = None
    others: int = 0
    early: int = 0
    cost: float = 0.0
    objects_until: datetime | None = None
    deleted: int = 0


class ProvenDeletion:
    """One deletion of the archives that a migration has proven; to be run once.

    Archives that are younger than ``created_before`` stay in the vault.

    Attributes:
        report: The lines that bucket or catalog contradict, after ``run``. Their archives stay.
    """

    def __init__(
        self, vault: Vault, bucket: Bucket, budget: Budget, created_before: datetime | None = None
    ) -> None:
        self.report = Report()
        self._vault = vault
        self._context = vault.context.recorded()
        self._bucket = bucket
        self._budget = budget
        self._before = created_before
        self._protected_days = 0.0

    async def plan(self) -> DeletionPlan:
        """Return the archives that catalog, vault lock and access policy let be deleted, and the cost."""
        self._protected_days = days_until_deletable(await self._policies())
        target = await BucketTarget.of(self._bucket)
        move = await self._context.catalog.moves.find(self._context.key, target.url)
        plan, now = DeletionPlan(), datetime.now(UTC)
        if move is not None:
            async for moved in self._context.catalog.manifest_lines.list_all(move):
                self._count(plan, moved, now)
        totals = await self._context.catalog.archives.totals(self._context.key)
        plan.others = max(0, totals.archives - plan.archives - plan.younger - plan.locked)
        return plan

    async def _policies(self) -> list[str]:
        """Return the policies of the vault that may be read; the service applies the others anyway."""
        found: list[str] = []
        with suppress(ResourceNotFoundError, AccessDeniedError):
            found.append((await self._vault.lock.get()).policy)
        with suppress(ResourceNotFoundError, AccessDeniedError):
            found.append(await self._vault.access_policy.get())
        return found

    def _count(self, plan: DeletionPlan, moved: MovedRecord, now: datetime) -> None:
        if not self._is_meant(moved):
            plan.younger += moved.archive_state is ArchiveState.STORED  # deleted archives have lines, too
            return
        if self._is_protected(moved, now):
            plan.locked += 1
            if math.isfinite(self._protected_days):
                free = moved.archive.created + timedelta(days=self._protected_days)
                plan.first_free = min(plan.first_free or free, free)
                plan.all_free = max(plan.all_free or free, free)
            return
        archive = moved.archive
        charge = self._budget.prices.early_deletion(archive.size, (now - archive.created).days, 1)
        plan.archives += 1
        plan.size += archive.size
        plan.early += bool(charge)
        plan.cost += charge
        until = _charged_until(moved.line)
        if until is not None:
            plan.objects_until = max(plan.objects_until or until, until)

    async def run(self) -> DeletionPlan:
        """Delete the proven archives. It may be stopped at any moment, and run again.

        Raises:
            AccessDeniedError: A vault lock or a policy forbids to delete; its note says how to see which.
            CostLimitError: Early deletions would cost more than is allowed. Nothing more was deleted.
        """
        plan = await self.plan()
        self._budget.check(plan.cost, "deleting")
        target = await BucketTarget.of(self._bucket)
        move = await self._context.catalog.moves.find(self._context.key, target.url)
        now = datetime.now(UTC)
        give, take = anyio.create_memory_object_stream[ProvenLine](0)

        async def delete_all() -> None:
            async for line in take:
                # The last chance to notice that the object was deleted or replaced since it was proven.
                reason = await find_change(target, line.facts)
                if reason:
                    self.report.add(line.facts["line"], line.facts["key"], reason)
                    continue
                await self._delete(line.moved)
                plan.deleted += 1

        async with self._context.spending(self._budget):
            with take, first_cause():
                async with anyio.create_task_group() as tasks, give:
                    for _ in range(_AT_ONCE):
                        tasks.start_soon(delete_all)
                    async for line in proven_lines(self._vault, target, move, self.report):
                        if self._is_meant(line.moved) and not self._is_protected(line.moved, now):
                            await give.send(line)
        return plan

    def _is_protected(self, moved: MovedRecord, now: datetime) -> bool:
        if not self._protected_days:
            return False  # whatever the age is: this clock may be behind the service's
        return (now - moved.archive.created) / timedelta(days=1) < self._protected_days

    def _is_meant(self, moved: MovedRecord) -> bool:
        """Return whether an archive is proven, in the vault by the last inventory, and old enough."""
        if moved.state is MoveState.DELETING:  # a killed run may have deleted it
            return moved.archive_state in {ArchiveState.STORED, ArchiveState.DELETING}
        if moved.state is not MoveState.PROVEN or moved.archive_state is not ArchiveState.STORED:
            return False
        return self._before is None or moved.archive.created < self._before

    async def _delete(self, moved: MovedRecord) -> None:
        moves = self._context.catalog.moves
        await moves.record(moved, MoveState.DELETING)  # after a kill the next run deletes it again
        try:
            await self._vault.delete_archive(moved.archive.id)
        except ArchiveNotFoundError:
            pass  # which is the goal
        except AccessDeniedError as error:
            await moves.record(moved, MoveState.PROVEN)  # it was refused, so the archive is still there
            error.add_note(
                "a vault lock or an access policy may forbid to delete archives, or such young ones: see "
                f"'aioglacier vault lock show {self._vault.name}' and 'vault policy show'"
            )
            raise
        await moves.record(moved, MoveState.DELETED)


def _charged_until(line: str | None) -> datetime | None:
    """Return when the least time of an object's class ends, ``None`` if it has none or is not known."""
    try:
        facts = json.loads(line or "{}")
        terms = CLASS_TERMS[StorageClass(facts["storage_class"])]
        proven = datetime.fromisoformat(facts["proven"])
    except (ValueError, KeyError, TypeError):
        return None
    return proven + timedelta(days=terms.minimum_days) if terms.minimum_days else None
