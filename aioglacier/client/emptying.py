"""Emptying a vault: every archive of an inventory is deleted, as fast as the service likes.

It may be stopped and started again at any time: deleting an archive twice is no error, and the inventory job
of the first time is found again. A vault that was emptied can be deleted only after the service's next
inventory, about a day later, has seen it empty.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import AccessDeniedError, GlacierError, InvalidParameterError
from aioglacier.tasks.groups import first_cause

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from anyio.streams.memory import MemoryObjectReceiveStream

    from aioglacier.core.models import Archive, ArchiveId, VaultDescription
    from aioglacier.recorded.vault_context import VaultContext

#: 16 deleting workers were throttled, one alone deleted 23 a second for hours (reports of users).
_MAX_CONCURRENCY: Final = 16
_FIRST_CONCURRENCY: Final = 4

#: A deletion takes some 40 ms; one that takes this long has been refused and repeated.
_SLOW_SECONDS: Final = 1.0

#: Refusals without a single deletion after which it is no use to go on: a right is missing, or all is locked.
_MAX_REFUSED_AT_FIRST: Final = 1_000

#: Failures kept as examples; all are counted.
_MAX_EXAMPLES: Final = 100


@dataclass(frozen=True, slots=True)
class EmptyingSnapshot:
    """How far the emptying of a vault is.

    Attributes:
        deleted: Archives deleted, those included that were gone already.
        bytes_deleted: Their bytes.
        refused: Archives that the service would not delete, as a vault lock can demand.
        concurrency: Deletions that may be under way at once now.
    """

    deleted: int
    bytes_deleted: int
    refused: int
    concurrency: int


class Emptying:
    """One emptying of one vault; ``snapshot`` shows how far it is, ``failures`` what was refused.

    Attributes:
        failures: Up to a hundred archives that were refused, and why.
    """

    def __init__(self, context: VaultContext) -> None:
        self._context = context
        self._deleted = 0
        self._bytes_deleted = 0
        self._refused = 0
        self._pace = _Pace()
        self.failures: list[tuple[ArchiveId, GlacierError]] = []

    def snapshot(self) -> EmptyingSnapshot:
        """The counters now."""
        return EmptyingSnapshot(self._deleted, self._bytes_deleted, self._refused, self._pace.concurrency)

    async def run(self, archives: AsyncIterable[Archive]) -> EmptyingSnapshot:
        """Delete archives as they are listed; cancelling stops between deletions.

        An archive that a policy protects is counted and passed over.

        Raises:
            AccessDeniedError: The first thousand were all refused.
            GlacierError: The service could not be asked any more, or refused for another reason.
        """
        offer, take = anyio.create_memory_object_stream["Archive"](0)
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for _ in range(_MAX_CONCURRENCY):
                    tasks.start_soon(self._delete_offered, take.clone())
                take.close()
                async with offer:
                    async for archive in archives:
                        await offer.send(archive)
        return self.snapshot()

    async def _delete_offered(self, take: MemoryObjectReceiveStream[Archive]) -> None:
        async with take:
            async for archive in take:
                async with self._pace.limiter:
                    began = time.monotonic()
                    await self._delete(archive)
                self._pace.note(time.monotonic() - began)

    async def _delete(self, archive: Archive) -> None:
        try:
            await self._context.delete_archive(archive.id)
        except (AccessDeniedError, InvalidParameterError) as error:
            self._refused += 1
            if not self._deleted and self._refused >= _MAX_REFUSED_AT_FIRST:
                raise
            if len(self.failures) < _MAX_EXAMPLES:
                self.failures.append((archive.id, error))
        else:
            self._deleted += 1
            self._bytes_deleted += archive.size


class _Pace:
    """How many deletions at once: one more for every full round that goes well, half after a slow one.

    The service says "slow down" by refusing, and the layer that tries again then waits; a deletion that took
    long is how that shows here.
    """

    def __init__(self) -> None:
        self.limiter = anyio.CapacityLimiter(_FIRST_CONCURRENCY)
        self._good = 0

    @property
    def concurrency(self) -> int:
        return int(self.limiter.total_tokens)

    def note(self, seconds: float) -> None:
        if seconds > _SLOW_SECONDS:
            self._good = 0
            self.limiter.total_tokens = max(1, self.concurrency // 2)
            return
        self._good += 1
        if self._good >= self.concurrency and self.concurrency < _MAX_CONCURRENCY:
            self._good = 0
            self.limiter.total_tokens = self.concurrency + 1


def why_not_deletable(vault: VaultDescription) -> str | None:
    """Why the service will not delete a vault yet, by what it says of it; ``None`` if it may.

    It may refuse all the same: it counts what was written since the last inventory, and does not tell.
    """
    if vault.archive_count == 0:
        return None
    when = f"{vault.inventoried:%Y-%m-%d %H:%M} UTC" if vault.inventoried else "some time ago"
    return (
        f"the last inventory, of {when}, lists {vault.archive_count} "
        f"{'archive' if vault.archive_count == 1 else 'archives'}; the service deletes a vault "
        "only after an inventory has seen it empty, and makes one about once a day: try again tomorrow"
    )
