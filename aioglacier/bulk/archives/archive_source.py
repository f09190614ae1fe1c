"""The source of archives that are restored or moved: a vault, or a bucket that archives were moved to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aioglacier.core.errors import AccessDeniedError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import JobId, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.bulk.archives.restore_meter import RestoreMeter
    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.catalog.records import MovedRecord
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import JobDescription, Tier
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket
    from aioglacier.recorded.vault_context import RecordedVault

    #: Adds up the cost of archives that are not at the target, each with the tier of the request that it
    #: needs, ``None`` if an earlier run has asked for it; returns whether it takes a request of its own.
    Meter = Callable[[ArchiveRecord, Tier | None], bool]


class Asked(NamedTuple):
    """A request for an archive.

    Attributes:
        is_new: Whether this request is paid for; another program may have asked before.
    """

    job_id: JobId
    is_new: bool


class Ready(NamedTuple):
    """An archive whose bytes can be fetched, and until when; ``None`` for ever."""

    until: datetime | None


class ArchiveSource(Protocol):
    """Gives archives to a ``MoveRun``."""

    @property
    def context(self) -> RecordedVault | RecordedBucket:
        """The place in whose records the archives are."""
        ...

    async def learn(self) -> list[PathFailure]:
        """Record the archives that the service tells of at once; a vault has an inventory instead.

        Return what could not be read, by its key.
        """
        ...

    def meter(self) -> RestoreMeter | None:
        """Return a meter of the cost of a plan; ``None`` where each archive is a job of one price list."""
        ...

    async def find_asked(self) -> dict[str, JobId]:
        """Return the jobs that any program has started, by archive."""
        ...

    async def ask(self, moved: MovedRecord, tier: Tier) -> Asked:
        """Ask for an archive; this may be paid for."""
        ...

    async def check(self, moved: MovedRecord) -> Ready | None:
        """Return whether the archive can be fetched, ``None`` if its job runs.

        Raises:
            JobFailedError, JobNotFoundError, NotRetrievedError: It must be asked for again.
        """
        ...

    async def wait(self, moved: MovedRecord) -> Ready:
        """Wait until the archive can be fetched; raises what ``check`` raises."""
        ...

    async def download(self, moved: MovedRecord, path: str) -> None:
        """Write the archive to a file, every byte verified; a file of that name is overwritten."""
        ...


class VaultSource:
    """A vault, whose archives come as outputs of jobs; see ``ArchiveSource``."""

    def __init__(self, vault: Vault) -> None:
        self.context = vault.context.recorded()
        self._vault = vault

    async def learn(self) -> list[PathFailure]:
        """See ``ArchiveSource``."""
        return []

    def meter(self) -> None:
        """See ``ArchiveSource``."""

    async def find_asked(self) -> dict[str, JobId]:
        """See ``ArchiveSource``. A job that a killed run did not record is found, too."""
        found: dict[str, JobId] = {}
        try:
            async for job in self._vault.jobs():
                is_whole = job.byte_range is None or job.byte_range.size == job.archive_size
                if job.archive_id is not None and is_whole and job.status is not JobStatus.FAILED:
                    found[job.archive_id] = job.id
        except AccessDeniedError:
            pass  # those on record are still found
        return found

    async def ask(self, moved: MovedRecord, tier: Tier) -> Asked:
        """See ``ArchiveSource``."""
        job = await self._vault.retrieve(moved.archive.id, tier=tier)
        return Asked(job.id, job.is_new)

    async def check(self, moved: MovedRecord) -> Ready | None:
        """See ``ArchiveSource``."""
        description = await self._vault.job(_job_of(moved)).describe()
        return await self._ready(moved, description) if description.is_done else None

    async def wait(self, moved: MovedRecord) -> Ready:
        """See ``ArchiveSource``."""
        return await self._ready(moved, await self._vault.job(_job_of(moved)).wait_until_done())

    async def download(self, moved: MovedRecord, path: str) -> None:
        """See ``ArchiveSource``."""
        await (await self._vault.job(_job_of(moved)).prepare_download(path, overwrite=True)).run()

    async def _ready(self, moved: MovedRecord, description: JobDescription) -> Ready:
        # Any program may have started the job, or the catalog may be older than the vault.
        await self._vault.retrievals.check_job(description, moved.archive.id)
        completed = description.completed or datetime.now(UTC)
        return Ready(completed + timedelta(seconds=VAULT.job_output_seconds))


def _job_of(moved: MovedRecord) -> JobId:
    assert moved.job_id is not None  # noqa: S101  # it was asked for
    return moved.job_id
