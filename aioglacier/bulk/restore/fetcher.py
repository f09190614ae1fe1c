"""The contents of a restore: jobs are started ahead, and what they bring is put into its place."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.restore.content_delivery import ContentDelivery
from aioglacier.bulk.restore.retrieval_plan import Needed, plan_retrievals
from aioglacier.catalog.records import UploadNumber
from aioglacier.core.errors import (
    ArchiveNotFoundError,
    ConfigurationError,
    GlacierError,
    IntegrityError,
    JobFailedError,
    JobNotFoundError,
    TargetError,
)
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aioglacier.bulk.restore.existing_jobs import ExistingJobs
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.bulk.restore.retrieval_plan import Retrieval
    from aioglacier.catalog.folders.entry_records import Entry, RunNumber, StoredEntry, TreeRecord
    from aioglacier.client.job import Job
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId
    from aioglacier.core.prices import Prices
    from aioglacier.core.ranges import ByteRange

#: Outputs fetched at once; each keeps several connections busy by itself.
FETCHERS: Final = 2

#: How often an output that is gone is asked for again.
_RENEWALS: Final = 3


#: What concerns one output; the others are still worth fetching.
_ONE_RETRIEVAL: Final = (
    JobFailedError,
    IntegrityError,
    ConfigurationError,
    ArchiveNotFoundError,
    JobNotFoundError,
    TargetError,
)


@dataclass(slots=True)
class _Asked:
    retrieval: Retrieval
    job: Job
    renewals: int = 0


class Fetcher:
    """Fetches what was planned.

    Attributes:
        started: Jobs started.
        waiting: Jobs not done yet.
        left: Jobs that were not done, and not waited for.
    """

    def __init__(
        self,
        vault: Vault,
        tree: TreeRecord,
        run: RunNumber | None,
        *,
        root: bytes,
        open_placer: Callable[[], Placer],
        existing: ExistingJobs,
        options: RestoreOptions,
        prices: Prices,
        detached: Mapping[bytes, StoredEntry],
        paths_of: Callable[[Entry], list[bytes]],
        done: Callable[[int, int], None],
        fail: Callable[[bytes, GlacierError], None],
    ) -> None:
        self.started = 0
        self.waiting = 0
        self.left = 0
        self._vault = vault
        self._context = vault.context.recorded()
        self._tree = tree
        self._run = run
        self._open_placer = open_placer
        self._options = options
        self._prices = prices
        self._detached = detached
        self._paths_of = paths_of
        self._fail = fail
        self._delivery = ContentDelivery(root, options.identities, paths_of, done=done, fail=fail)
        self._jobs: dict[tuple[ArchiveId, ByteRange | None], Job] = dict(existing.jobs)
        self._ahead = 0
        self._fetched_some = anyio.Event()

    @property
    def fetched(self) -> int:
        """Bytes fetched."""
        return self._delivery.fetched

    async def run(self, retrievals: Sequence[Retrieval]) -> None:
        """Fetch all of it, or tell what failed."""
        if not retrievals:
            return
        give, take = anyio.create_memory_object_stream[_Asked](len(retrievals))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask_all, retrievals, give)
            for _ in range(FETCHERS):
                tasks.start_soon(self._fetch_all, take.clone())
            take.close()

    async def refuse(self, retrievals: Sequence[Retrieval]) -> None:
        """Report what no identity opens; nothing is paid for it."""
        if not retrievals:
            return
        error = ConfigurationError("it was encrypted to others: none of the identities opens it")
        async with self._placing() as placer:
            for retrieval in retrievals:
                await self._fail_all(retrieval, error, placer)

    # --- jobs

    async def _ask_all(
        self, retrievals: Sequence[Retrieval], give: anyio.abc.ObjectSendStream[_Asked]
    ) -> None:
        async with give, self._placing() as placer:
            for retrieval in retrievals:
                while self._ahead and self._ahead + retrieval.size > self._options.ahead:
                    self._fetched_some = anyio.Event()
                    await self._fetched_some.wait()
                try:
                    job = await self._ask(retrieval)
                except ArchiveNotFoundError as error:
                    await self._fail_all(retrieval, error, placer)
                    continue
                self._ahead += retrieval.size
                self.waiting += 1
                await give.send(_Asked(retrieval, job))

    async def _ask(self, retrieval: Retrieval) -> Job:
        """A job that is there, or a new one."""
        key = (retrieval.archive_id, retrieval.byte_range)
        if (job := self._jobs.get(key)) is None:
            job = self._jobs[key] = await self._start(retrieval)
        return job

    async def _start(self, retrieval: Retrieval) -> Job:
        job = await self._vault.retrieve(
            retrieval.archive_id, tier=self._options.tier, byte_range=retrieval.byte_range
        )
        self.started += job.is_new
        return job

    @asynccontextmanager
    async def _placing(self) -> AsyncIterator[Placer]:
        placer = await run_in_thread(self._open_placer)
        try:
            yield placer
        finally:
            placer.close()

    async def _fetch_all(self, take: anyio.abc.ObjectReceiveStream[_Asked]) -> None:
        async with self._placing() as placer, take:
            async for asked in take:
                await self._fetch_patiently(asked, placer)
                self._ahead -= asked.retrieval.size
                self._fetched_some.set()

    async def _fetch_patiently(self, asked: _Asked, placer: Placer) -> None:
        try:
            try:
                await self._fetch_once(asked, placer)
            except JobNotFoundError:
                if asked.renewals == _RENEWALS:
                    raise
                await self._renew(asked, placer)
        except _ONE_RETRIEVAL as error:
            await self._fail_all(asked.retrieval, error, placer)

    async def _fetch_once(self, asked: _Asked, placer: Placer) -> None:
        try:
            if not self._options.waits and not (await asked.job.describe()).is_done:
                self.left += 1
                return
            await asked.job.wait_until_done()
        finally:
            self.waiting -= 1
        await self._fetch(asked, placer)

    async def _renew(self, asked: _Asked, placer: Placer) -> None:
        """Ask again for the rest of an output that has expired."""
        old = asked.retrieval
        self._jobs.pop((old.archive_id, old.byte_range), None)
        await self._context.records.note_job_gone(asked.job.id)
        missing = await run_in_thread(partial(self._missing, await self._members(old), placer))
        gap = self._prices.worthwhile_gap(self._options.tier)
        for new in plan_retrievals([needed_of(stored) for stored in missing], gap):
            retrieval = replace(new, is_detached=old.is_detached)
            job = await self._ask(retrieval)
            self.waiting += 1
            await self._fetch_patiently(_Asked(retrieval, job, asked.renewals + 1), placer)

    async def _members(self, retrieval: Retrieval) -> list[StoredEntry]:
        """Return the files of a retrieval, also those that are in their places already."""
        if retrieval.is_detached:
            return [
                stored
                for stored in sorted(self._detached.values(), key=lambda each: each.entry.position or 0)
                if stored.entry.upload == retrieval.upload
                and retrieval.first <= (stored.entry.position or 0) < retrieval.stop
            ]
        found: list[StoredEntry] = []
        pages = self._context.catalog.entries.stored_in(
            self._tree, UploadNumber(retrieval.upload), self._run, start=retrieval.first, stop=retrieval.stop
        )
        async for page in pages:
            found += [
                stored
                for stored in page
                if stored.entry.kind == "file" and stored.entry.size and self._paths_of(stored.entry)
            ]
        return found

    async def _fail_all(self, retrieval: Retrieval, error: GlacierError, placer: Placer) -> None:
        """Tell of everything that does not come now, and is not in its place."""
        members = await self._members(retrieval)
        for stored in await run_in_thread(partial(self._missing, members, placer)):
            self._fail(self._paths_of(stored.entry)[0], error)

    # --- contents

    async def _fetch(self, asked: _Asked, placer: Placer) -> None:
        members = await self._members(asked.retrieval)
        missing = await run_in_thread(partial(self._missing, members, placer))
        if asked.retrieval.is_whole:
            for stored in missing:
                await self._delivery.deliver_file(asked.job, stored, placer)
            return
        if not missing:
            return
        start = asked.retrieval.byte_range.start if asked.retrieval.byte_range else 0
        first = (missing[0].entry.position or 0) - start
        last = missing[-1].entry
        last_stop = (last.position or 0) + (last.stored or 0) - start
        async with asked.job.open_reader((first, last_stop)) as reader:
            await self._delivery.deliver_members(reader, start + first, missing, placer)

    def _missing(self, members: list[StoredEntry], placer: Placer) -> list[StoredEntry]:
        missing = []
        for stored in members:
            try:
                if placer.is_there(stored.entry, self._paths_of(stored.entry)[0]):
                    continue
            except (GlacierError, OSError):
                continue  # it was reported before
            missing.append(stored)
        return missing


def needed_of(stored: StoredEntry) -> Needed:
    """Return where the content of a version lies."""
    entry = stored.entry
    assert stored.archive_id is not None  # noqa: S101  # only such are wanted
    return Needed(
        entry.upload or 0,
        stored.archive_id,
        stored.archive_size,
        entry.position or 0,
        entry.stored or stored.archive_size,
        is_whole=entry.position is None,
    )
