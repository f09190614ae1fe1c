"""Retrieval jobs that the service already has, so that nothing is paid for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.models import JobStatus
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId


class ExistingJobs:
    """The jobs of a vault that have not failed, whichever program started them.

    Attributes:
        jobs: By archive and range; the range is ``None`` for the whole archive.
        ranges: Of each archive, in the order of ``start``; for ``plan_retrievals``.
    """

    def __init__(self) -> None:
        self.jobs: dict[tuple[ArchiveId, ByteRange | None], Job] = {}
        self.ranges: dict[ArchiveId, list[ByteRange]] = {}

    @classmethod
    async def look(cls, vault: Vault) -> ExistingJobs:
        """Ask the service for its list of jobs, which costs nothing."""
        asked = cls()
        ranges: dict[ArchiveId, set[ByteRange]] = {}
        async for job in vault.jobs():
            if job.archive_id is None or job.archive_size is None or job.status is JobStatus.FAILED:
                continue
            whole = ByteRange(0, job.archive_size)
            byte_range = job.byte_range or whole
            asked.jobs[job.archive_id, None if byte_range == whole else byte_range] = vault.job(job.id)
            ranges.setdefault(job.archive_id, set()).add(byte_range)
        for archive_id, found in ranges.items():
            asked.ranges[archive_id] = sorted(found, key=lambda one: (one.start, -one.stop))
        return asked
