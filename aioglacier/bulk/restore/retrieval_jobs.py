"""The retrieval jobs of a restore or recovery: those that the service already has, and those started now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.models import JobStatus
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId, Tier


class RetrievalJobs:
    """Jobs by archive and range; the range is ``None`` for the whole archive.

    Attributes:
        started: Jobs started.
        ranges: The ranges of each archive that have jobs, in the order of ``start``; for ``plan_retrievals``.
    """

    def __init__(self, vault: Vault, tier: Tier) -> None:
        self.started = 0
        self.ranges: dict[ArchiveId, list[ByteRange]] = {}
        self._vault = vault
        self._tier = tier
        self._jobs: dict[tuple[ArchiveId, ByteRange | None], Job] = {}

    async def look(self) -> None:
        """Ask the service for its list of jobs, which costs nothing; any program may have started them."""
        ranges: dict[ArchiveId, set[ByteRange]] = {}
        async for job in self._vault.jobs():
            if job.archive_id is None or job.archive_size is None or job.status is JobStatus.FAILED:
                continue
            whole = ByteRange(0, job.archive_size)
            byte_range = job.byte_range or whole
            key = (job.archive_id, None if byte_range == whole else byte_range)
            self._jobs[key] = self._vault.job(job.id)
            ranges.setdefault(job.archive_id, set()).add(byte_range)
        for archive_id, found in ranges.items():
            self.ranges[archive_id] = sorted(found, key=lambda one: (one.start, -one.stop))

    def has(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> bool:
        """Whether there is a job for this range."""
        return (archive_id, byte_range) in self._jobs

    async def get(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> Job:
        """Return the job for this range; start one if there is none.

        Raises:
            ArchiveNotFoundError: The service does not know the archive.
            CostLimitError: Another job would cost more than is allowed.
        """
        key = (archive_id, byte_range)
        if (job := self._jobs.get(key)) is None:
            job = await self._vault.retrieve(archive_id, tier=self._tier, byte_range=byte_range)
            self._jobs[key] = job
            self.started += job.is_new
        return job

    def forget(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> None:
        """Leave out a job whose output is gone."""
        self._jobs.pop((archive_id, byte_range), None)
