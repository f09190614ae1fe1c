"""Start jobs ahead, fetch their outputs, and put the contents into their places."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.restore.content_delivery import ContentDelivery
from aioglacier.bulk.restore.restore_plan import FETCHERS
from aioglacier.bulk.restore.retrieval_plan import needed_of, plan_retrievals
from aioglacier.core.errors import (
    ArchiveNotFoundError,
    ConfigurationError,
    GlacierError,
    IntegrityError,
    JobFailedError,
    JobNotFoundError,
    NotRetrievedError,
    ObjectChangedError,
    ObjectNotFoundError,
    TargetError,
    UploadLockedError,
)
from aioglacier.tasks.room import Room
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Container, Sequence

    from aioglacier.bulk.places.folder_place import AskedBytes, Retriever
    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.bulk.restore.restore_progress import RestoreProgress
    from aioglacier.bulk.restore.retrieval_plan import Retrieval
    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.core.models import ArchiveId
    from aioglacier.recorded.place_context import RecordedPlace

_log: Final = logging.getLogger("aioglacier.bulk")

#: How often an output that is gone is asked for again.
_RENEWALS: Final = 3

#: The place does not know the archive.
GONE: Final = (ArchiveNotFoundError, ObjectNotFoundError)

#: What concerns one output; the others are still worth fetching.
_ONE_RETRIEVAL: Final = (
    JobFailedError,
    IntegrityError,
    ConfigurationError,
    JobNotFoundError,
    NotRetrievedError,
    TargetError,
    UploadLockedError,
)


@dataclass(slots=True)
class _Asked:
    retrieval: Retrieval
    content: AskedBytes
    renewals: int = 0
    has_failed: bool = False


class Fetcher:
    """Fetches the planned contents.

    Attributes:
        has_lost: Whether an archive turned out to be gone, to be another than on record, or could not be
            retrieved twice. It is in doubt now, and its files need another plan.
    """

    def __init__(
        self,
        context: RecordedPlace,
        version: FolderVersion,
        retriever: Retriever,
        open_placer: Callable[[], Placer],
        options: RestoreOptions,
        progress: RestoreProgress,
        *,
        gap: int,
    ) -> None:
        self.has_lost = False
        self._is_fresh = False
        self._context = context
        self._version = version
        self._retriever = retriever
        self._open_placer = open_placer
        self._options = options
        self._progress = progress
        self._gap = gap
        self._delivery = ContentDelivery(options.identities, version, progress)
        self._ahead = Room(options.ahead)  # bytes that jobs retrieve and that are not fetched yet

    async def run(self, retrievals: Sequence[Retrieval], *, is_fresh: bool = False) -> None:
        """Fetch all contents, and report the paths that failed.

        In a fresh folder no file is looked for in its place. One that appears there meanwhile is met when the
        restored one gets its name.
        """
        self.has_lost, self._is_fresh = False, is_fresh
        if not retrievals:
            return
        give, take = anyio.create_memory_object_stream[_Asked](len(retrievals))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask_all, retrievals, give)
            for _ in range(FETCHERS):
                tasks.start_soon(self._fetch_all, take.clone())
            take.close()

    # --- what is asked for

    async def _ask_all(
        self, retrievals: Sequence[Retrieval], give: anyio.abc.ObjectSendStream[_Asked]
    ) -> None:
        async with give:
            for retrieval in retrievals:
                await self._ahead.enter(retrieval.size)
                try:
                    content = await self._retriever.get(retrieval.archive_id, retrieval.byte_range)
                except GONE:
                    await self._doubt(retrieval.archive_id)
                    self._ahead.leave(retrieval.size)
                    continue
                self._progress.waiting += 1
                await give.send(_Asked(retrieval, content))

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
                self._ahead.leave(asked.retrieval.size)

    async def _fetch_patiently(self, asked: _Asked, placer: Placer) -> None:
        try:
            try:
                await self._fetch_once(asked, placer)
            except (JobNotFoundError, NotRetrievedError):
                if asked.renewals == _RENEWALS:
                    raise
                await asked.content.note_gone()
                await self._renew(asked, placer)
            except JobFailedError as error:
                if asked.has_failed:
                    await self._give_up(asked.retrieval, error)
                else:
                    await self._renew(replace(asked, has_failed=True), placer)
        except (*GONE, ObjectChangedError):
            await self._doubt(asked.retrieval.archive_id)
        except _ONE_RETRIEVAL as error:
            await self._fail_all(asked.retrieval, error, placer)

    async def _fetch_once(self, asked: _Asked, placer: Placer) -> None:
        try:
            if not self._options.waits and not await asked.content.is_ready():
                self._progress.left += 1
                return
            is_another = await self._is_another(asked)
        finally:
            self._progress.waiting -= 1
        retrieval = asked.retrieval
        if is_another:
            await self._doubt(retrieval.archive_id)
            return
        is_first = self._is_fresh and not asked.renewals and not asked.has_failed
        pages = self._version.members(retrieval) if is_first else self._missing(retrieval, placer)
        if retrieval.is_whole:
            async for page in pages:
                for stored in page:
                    await self._delivery.deliver_file(asked.content, stored, placer)
                    # Up to half of the memory limit; another output is read into less, and decoded meanwhile.
                    self._context.resources.buffers.free_idle()
            return
        start = retrieval.byte_range.start if retrieval.byte_range else 0
        first, stop = retrieval.first - start, retrieval.stop - start
        damaged: dict[bytes, int] = {}
        deliver = self._delivery.deliver_members
        async with self._placing() as placing:
            # Each member is compared with its own hash on record, so nothing is hashed twice.
            async with asked.content.open_reader((first, stop), raw=True) as reader:
                await deliver(reader, retrieval.first, pages, placing, damaged=damaged)
            if not damaged:
                return
            first = min(min(damaged.values()) - start, stop - 1)
            _log.warning("%d members of archive %s came damaged", len(damaged), retrieval.archive_id)
            async with asked.content.open_reader((first, stop)) as reader:
                await deliver(reader, start + first, self._only(retrieval, damaged), placing)

    async def _only(self, retrieval: Retrieval, paths: Container[bytes]) -> AsyncIterator[list[StoredEntry]]:
        """Yield the members of a retrieval that have some paths."""
        async for page in self._version.members(retrieval):
            yield [stored for stored in page if self._version.paths_of(stored.entry)[0] in paths]

    async def _is_another(self, asked: _Asked) -> bool:
        """Wait for the retrieval; return whether it brings another archive than the one on record."""
        archives, key = self._context.catalog.archives, self._context.key
        record = await archives.get(key, asked.retrieval.archive_id)
        assert record is not None  # noqa: S101  # its files were planned by it
        return not await asked.content.wait_for(record.archive)

    async def _doubt(self, archive_id: ArchiveId) -> None:
        """Mark an archive as suspect until an inventory lists it; its paths need another plan."""
        await self._context.catalog.archives.doubt(self._context.key, archive_id)
        self.has_lost = True

    async def _give_up(self, retrieval: Retrieval, error: JobFailedError) -> None:
        """Doubt an archive that two jobs could not retrieve."""
        _log.warning(
            "archive %s could not be retrieved twice (%s), and counts as suspect until an inventory lists it",
            retrieval.archive_id,
            error.status_message or "the service gives no reason",
            extra={"is_notice": True},
        )
        await self._doubt(retrieval.archive_id)

    async def _renew(self, asked: _Asked, placer: Placer) -> None:
        """Start another job for the rest of an output that has expired, or whose job failed."""
        old = asked.retrieval
        self._retriever.forget(old.archive_id, old.byte_range)  # or it would be used again
        needed = [needed_of(stored) async for page in self._missing(old, placer) for stored in page]
        for new in plan_retrievals(needed, self._gap, whole=self._retriever.whole):
            retrieval = replace(new, is_detached=old.is_detached)
            content = await self._retriever.get(retrieval.archive_id, retrieval.byte_range)
            self._progress.waiting += 1
            again = _Asked(retrieval, content, asked.renewals + 1, asked.has_failed)
            await self._fetch_patiently(again, placer)

    async def _fail_all(self, retrieval: Retrieval, error: GlacierError, placer: Placer) -> None:
        """Report every path that is neither fetched now nor in its place."""
        async for page in self._missing(retrieval, placer):
            for stored in page:
                self._progress.failures.add(self._version.paths_of(stored.entry)[0], error)

    async def _missing(self, retrieval: Retrieval, placer: Placer) -> AsyncIterator[list[StoredEntry]]:
        async for members in self._version.members(retrieval):
            yield await run_in_thread(partial(self._not_there, members, placer))

    def _not_there(self, members: list[StoredEntry], placer: Placer) -> list[StoredEntry]:
        missing = []
        for stored in members:
            try:
                if placer.is_there(stored.entry, self._version.paths_of(stored.entry)[0]):
                    continue
            except (GlacierError, OSError):
                continue  # the plan has it as taken
            missing.append(stored)
        return missing
