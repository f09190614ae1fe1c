"""A vault as a place of folders: its archives come by jobs."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import AccessDeniedError
from aioglacier.core.limits import LEAF_SIZE, MIB
from aioglacier.core.models import ArchiveId, JobStatus
from aioglacier.core.ranges import ByteRange
from aioglacier.transfer.download.retrieval_source import JobSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive, Tier
    from aioglacier.core.prices import Prices
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.download.download import Download
    from aioglacier.transfer.download.reader import ArchiveReader


#: A larger bundle would save two requests in 66; a smaller one would lose less to a kill.
BUNDLE_SIZE: Final = 4096 * MIB


class VaultPlace:
    """See ``FolderPlace``."""

    bundle_size: Final = BUNDLE_SIZE
    bare: Final = frozenset[ArchiveId]()

    keeps_sidecars = False

    def __init__(self, vault: Vault) -> None:
        self.context = vault.context.recorded()
        self.recovery = f"'aioglacier inventory {vault.name}', then 'aioglacier catalog recover {vault.name}'"
        self._vault = vault

    async def look(self) -> None:
        """See ``FolderPlace``."""
        await self.context.look()

    async def count_lists(self) -> int:
        """See ``FolderPlace``; lists of a vault cost nothing."""
        return 0

    async def count_archives(self) -> int | None:
        """See ``FolderPlace``."""
        with suppress(AccessDeniedError):
            return (await self.context.gateway.describe_vault(self.context.name)).archive_count
        return None

    async def count_strays(self) -> int:
        """See ``FolderPlace``; a vault removes unfinished uploads after a day."""
        return 0

    async def sample_cost(self, prices: Prices, tier: Tier, sample: int) -> float:
        """See ``FolderPlace``."""
        return prices.retrieval(tier, sample * LEAF_SIZE, sample)

    async def sweep(self) -> None:
        """See ``FolderPlace``; a vault keeps no sidecars."""

    def retriever(self, tier: Tier, days: int = 1) -> JobRetriever:
        """See ``FolderPlace``; a job's output lives a day."""
        del days
        return JobRetriever(self._vault, tier)

    def has_sidecar(self, archive_id: ArchiveId) -> bool:
        """See ``FolderPlace``."""
        del archive_id
        return False

    async def read_sidecar(self, archive_id: ArchiveId) -> None:
        """See ``FolderPlace``."""

    def target_of(self, archive_id: ArchiveId) -> None:
        """See ``FolderPlace``."""

    async def find_unrecorded(self) -> Sequence[Archive]:
        """See ``FolderPlace``; only an inventory lists a vault, and takes hours."""
        return ()

    def stock_cost(self, prices: Prices) -> float:
        """See ``FolderPlace``."""
        del prices
        return 0.0

    async def take_stock(self) -> None:
        """See ``FolderPlace``."""

    @asynccontextmanager
    async def open_sidecar(self, compression: str | None, encryption: str | None) -> AsyncIterator[NoSidecar]:
        """See ``FolderPlace``; any range of an archive can be retrieved, so none is needed."""
        del compression, encryption
        yield NoSidecar()


class NoSidecar:
    """See ``SidecarFile``."""

    async def write(self, data: bytes) -> None:
        """See ``SidecarFile``."""

    async def keep(self, archive: Archive) -> None:
        """See ``SidecarFile``."""


class JobRetriever:
    """The retrieval jobs of a vault by archive and range; see ``Retriever``."""

    whole: frozenset[ArchiveId] = frozenset()

    def __init__(self, vault: Vault, tier: Tier) -> None:
        self.started = 0
        self.ranges: dict[ArchiveId, list[ByteRange]] = {}
        self._vault = vault
        self._tier = tier
        self._jobs: dict[tuple[ArchiveId, ByteRange | None], Job] = {}

    async def learn(self) -> None:
        """See ``Retriever``."""

    async def look(self) -> None:
        """See ``Retriever``."""
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
        """See ``Retriever``."""
        return (archive_id, byte_range) in self._jobs

    async def get(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> JobBytes:
        """See ``Retriever``."""
        key = (archive_id, byte_range)
        if (job := self._jobs.get(key)) is None:
            job = await self._vault.retrieve(archive_id, tier=self._tier, byte_range=byte_range)
            self._jobs[key] = job
            self.started += job.is_new
        return JobBytes(job, self._vault.context.recorded())

    def forget(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> None:
        """See ``Retriever``."""
        self._jobs.pop((archive_id, byte_range), None)


class JobBytes:
    """The output of a job; see ``AskedBytes``."""

    def __init__(self, job: Job, context: RecordedVault) -> None:
        self._job = job
        self._context = context
        self.shared: JobSource | None = None

    async def is_ready(self) -> bool:
        """See ``AskedBytes``."""
        return (await self._job.describe()).is_done

    async def wait_for(self, archive: Archive) -> bool:
        """See ``AskedBytes``."""
        done = await self._job.wait_until_done()
        size = done.output_size or 0
        self.shared = JobSource(self._job.vault, self._job.id, size, done.tree_hash, allows_unverified=True)
        return done.archive_tree_hash in {None, archive.tree_hash}

    def open_reader(
        self, byte_range: tuple[int, int] | None = None, *, raw: bool = False
    ) -> AbstractAsyncContextManager[ArchiveReader]:
        """See ``AskedBytes``."""
        return self._job.open_reader(byte_range, unverified=True, raw=raw)

    async def prepare_download(self, path: str) -> Download:
        """See ``AskedBytes``."""
        return await self._job.prepare_download(path, overwrite=True)

    async def note_gone(self) -> None:
        """See ``AskedBytes``."""
        await self._context.records.note_job_gone(self._job.id)
