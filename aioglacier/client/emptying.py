"""Emptying a vault: delete every archive of an inventory, as fast as the service allows.

Emptying may be stopped and started again at any time: deleting an archive twice is no error, and the
inventory job of the first run is used again. An emptied vault can be deleted only after the service's next
inventory, about a day later.
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

#: Users report that 16 deleting workers were throttled and that one alone deleted 23 a second for hours.
_MAX_CONCURRENCY: Final = 16
_FIRST_CONCURRENCY: Final = 4

#: A deletion takes some 40 ms. One that takes this long was refused and repeated.
_SLOW_SECONDS: Final = 1.0

#: After so many refusals without a single deletion a right is missing, or all archives are locked.
_MAX_REFUSED_AT_FIRST: Final = 1_000

#: Failures kept as examples. All are counted.
_MAX_EXAMPLES: Final = 100


@dataclass(frozen=True, slots=True)
class EmptyingSnapshot:
    """The progress of emptying a vault.

    Attributes:
        deleted: Archives deleted, including those that were gone already.
        bytes_deleted: Their bytes.
        refused: Archives that the service refused to delete, for example because of a vault lock.
    """

    deleted: int
    bytes_deleted: int
    refused: int


class Emptying:
    """One run over the archives of one vault; ``snapshot`` shows its progress.

    Attributes:
        failures: Up to a hundred archives that the service refused to delete, each with the error.
    """

    def __init__(self, context: VaultContext) -> None:
        self._context = context
        self._deleted = 0
        self._bytes_deleted = 0
        self._refused = 0
        self._pace = _Pace()
        self.failures: list[tuple[ArchiveId, GlacierError]] = []

    def snapshot(self) -> EmptyingSnapshot:
        """Return the counters now."""
        return EmptyingSnapshot(self._deleted, self._bytes_deleted, self._refused)

    async def run(self, archives: AsyncIterable[Archive]) -> EmptyingSnapshot:
        """Delete archives as they are listed. Cancelling stops between deletions.

        An archive that a policy protects is counted and skipped.

        Raises:
            AccessDeniedError: The service refused the first thousand deletions.
            GlacierError: The service cannot be reached, or refuses for another reason.
        """
        offer, take = anyio.create_memory_object_stream["Archive"](0)
        with first_cause():
            async with anyio.create_task_group() as tasks:
                for _ in range(_MAX_CONCURRENCY):
                    tasks.start_soon(self._delete_offered, take.clone())
                take.close()  # each task has a clone, and the last one that ends closes the stream
                async with offer:
                    async for archive in archives:
                        await offer.send(archive)
        return self.snapshot()

    async def _delete_offered(self, take: MemoryObjectReceiveStream[Archive]) -> None:
        async with take:
            async for archive in take:
                async with self._pace.limiter:
                    began = time.monotonic()  # inside the limit: to wait for it is no sign of trouble
                    await self._delete(archive)
                self._pace.note(time.monotonic() - began)

    async def _delete(self, archive: Archive) -> None:
        try:
            await self._context.delete_archive(archive.id, archive)
        except (AccessDeniedError, InvalidParameterError) as error:
            self._refused += 1
            if not self._deleted and self._refused >= _MAX_REFUSED_AT_FIRST:
                raise  # a policy that locks some archives does not lock the first thousand
            if len(self.failures) < _MAX_EXAMPLES:
                self.failures.append((archive.id, error))
        else:
            self._deleted += 1
            self._bytes_deleted += archive.size


class _Pace:
    """The number of deletions at once: one more after every full round, half after a slow deletion."""

    def __init__(self) -> None:
        self.limiter = anyio.CapacityLimiter(_FIRST_CONCURRENCY)
        self._good = 0

    def note(self, seconds: float) -> None:
        allowed = int(self.limiter.total_tokens)
        if seconds > _SLOW_SECONDS:  # the retry layer has waited, since the service throttled it
            self._good = 0
            self.limiter.total_tokens = max(1, allowed // 2)
            return
        self._good += 1
        if self._good >= allowed and allowed < _MAX_CONCURRENCY:
            self._good = 0
            self.limiter.total_tokens = allowed + 1


def why_not_deletable(vault: VaultDescription) -> str | None:
    """Return why the service will not delete a vault yet; ``None`` if it may.

    It may still refuse: it counts archives written since the last inventory, and does not report their
    number.
    """
    if vault.archive_count == 0:
        return None
    when = f"{vault.inventoried:%Y-%m-%d %H:%M} UTC" if vault.inventoried else "some time ago"
    return (
        f"the last inventory, of {when}, lists {vault.archive_count} "
        f"{'archive' if vault.archive_count == 1 else 'archives'}; the service deletes a vault "
        "only after an inventory has seen it empty, and makes one about once a day: try again tomorrow"
    )
