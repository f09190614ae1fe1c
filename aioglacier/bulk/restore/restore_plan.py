"""The plan of a restore: the files to restore, and the jobs that they need."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.bulk.path_failures import PathFailure
from aioglacier.bulk.restore.placer import as_target_error
from aioglacier.bulk.restore.retrieval_plan import Needed, Retrieval, needed_of, plan_retrievals
from aioglacier.core.errors import GlacierError
from aioglacier.core.prices import HEADS
from aioglacier.tasks.groups import first_cause
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from aioglacier.bulk.places.folder_place import Retriever
    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.catalog.folders.entry_records import ContentPlace, StoredEntry
    from aioglacier.catalog.records import UploadNumber
    from aioglacier.core.prices import Prices

#: Outputs fetched at once; each keeps several connections busy by itself.
FETCHERS: Final = 2

#: Members held before their ranges are planned.
_MOST_NEEDED: Final = 100_000


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """The files and jobs of a restore.

    Attributes:
        files: Files to bring back.
        size: Their bytes.
        room: Bytes that are needed besides while it goes on: a big file that is encrypted is fetched whole,
            and then decrypted.
        there: Paths that are in their places already.
        retrievals: Jobs, in the order in which they are started or used.
        retrieved: Bytes that are retrieved by jobs that do not exist yet.
        cost: Of those jobs, and of fetching the outputs of all, by the price list.
        is_encrypted: Whether any of the files is.
        unreadable: Retrievals that no identity opens, and that are not paid for.
        others: The recipients of those.
        is_barred: A folder on the way does not let us in.
        taken: Files whose places are taken by something else.
        is_fresh: There was nothing in the folder.
    """

    files: int
    size: int
    room: int
    there: int
    retrievals: tuple[Retrieval, ...]
    retrieved: int
    cost: float
    is_encrypted: bool
    unreadable: tuple[Retrieval, ...]
    others: frozenset[str]
    is_barred: bool
    taken: tuple[PathFailure, ...]
    is_fresh: bool


async def plan_restore(
    version: FolderVersion,
    placer: Placer | None,
    options: RestoreOptions,
    prices: Prices,
    retriever: Retriever,
    *,
    looks_through: bool = True,
) -> RestorePlan:
    """Return the plan.

    Args:
        version: The folder.
        placer: Looks at what is in its place already; ``None`` where there is no folder yet.
        options: Of the restore.
        prices: The price list.
        retriever: Knows what was asked for before, and what comes only whole.
        looks_through: Read all records; otherwise the folder is as at the plan before.

    Raises:
        ConfigurationError: A pattern matches no path.
    """
    if looks_through:
        await version.look_through()
    looked = _Looked(version, placer)
    plan = partial(
        plan_retrievals,
        gap=prices.worthwhile_gap(options.tier),
        asked=retriever.ranges,
        whole=retriever.whole,
    )
    retrievals: list[Retrieval] = []
    is_all = placer is None and version.selection.selects_all
    for upload in await version.uploads():
        needed: list[Needed] = []
        if is_all:  # no record need be read twice
            async for places in version.places(upload):
                needed += await run_in_thread(partial(looked.all_of, upload, places))
                if len(needed) > _MOST_NEEDED:
                    retrievals += plan(needed)
                    needed.clear()
            retrievals += plan(needed)
            continue
        give, pages = anyio.create_memory_object_stream["list[StoredEntry]"](1)
        with first_cause():
            async with anyio.create_task_group() as tasks, pages:
                tasks.start_soon(_read_ahead, version, upload, give)
                async for page in pages:
                    needed += await run_in_thread(partial(looked.missing, page))
                    if len(needed) > _MOST_NEEDED:
                        retrievals += plan(needed)
                        needed.clear()
        retrievals += plan(needed)
    detached = await run_in_thread(partial(looked.missing, list(version.detached.values())))
    detached.sort(key=lambda each: (each.upload, each.position))
    retrievals += [replace(each, is_detached=True) for each in plan(detached)]
    others = await _find_strangers(version, retrievals, options)
    unreadable = tuple(each for each in retrievals if others.get(each.upload))
    # The output of a job that exists is gone before that of one that does not.
    readable = sorted(
        (each for each in retrievals if not others.get(each.upload)), key=lambda each: not each.is_asked
    )
    to_ask = [each.size for each in readable if not each.is_asked]
    cost = prices.retrieval(options.tier, sum(to_ask), len(to_ask))
    cost += prices.transfer_out(sum(each.fetched for each in readable if each.is_asked))
    copied = sum(each.size for each in readable if not each.is_asked and each.archive_id in retriever.whole)
    cost += prices.copy(copied, options.days) + prices.looking(1, HEADS * len(readable))
    return RestorePlan(
        looked.files,
        looked.size,
        sum(looked.largest_sealed),
        looked.there,
        tuple(readable),
        sum(to_ask),
        cost,
        looked.is_encrypted,
        unreadable,
        frozenset(name for names in others.values() for name in names),
        looked.is_barred,
        tuple(looked.taken),
        placer is None,
    )


async def _read_ahead(
    version: FolderVersion, upload: UploadNumber, give: MemoryObjectSendStream[list[StoredEntry]]
) -> None:
    """Read the records of an archive, a page ahead of the plan."""
    async with give:
        async for page in version.contents(upload):
            await give.send(page)


async def _find_strangers(
    version: FolderVersion, retrievals: Sequence[Retrieval], options: RestoreOptions
) -> dict[int, list[str]]:
    """Return the recipients of each upload that no identity opens."""
    if options.identities is None:
        return {}
    names = {upload: await version.recipients_of(upload) for upload in {each.upload for each in retrievals}}
    return {upload: each for upload, each in names.items() if each and not options.identities.fit(each)}


class _Looked:
    """Finds the files that are not in their places, and adds up their sizes."""

    def __init__(self, version: FolderVersion, placer: Placer | None) -> None:
        self.files = self.size = self.there = 0
        self.largest_sealed: list[int] = []
        self.taken: list[PathFailure] = []
        self.is_encrypted = self.is_barred = False
        self._version = version
        self._placer = placer

    def missing(self, page: list[StoredEntry]) -> list[Needed]:
        """Return where the contents of missing files lie; in a thread."""
        found = []
        for stored in page:
            entry = stored.entry
            self.is_encrypted = self.is_encrypted or entry.encryption is not None
            path = self._version.paths_of(entry)[0]
            try:
                if self._placer is not None and self._placer.is_there(entry, path):
                    self.there += 1
                    continue
            except PermissionError:
                self.is_barred = True  # a former run has given a folder its permissions
            except (GlacierError, OSError) as error:
                self.taken.append(PathFailure(path, as_target_error(path, error)))
                continue
            self.files += 1
            self.size += entry.size
            needed = needed_of(stored)
            if entry.encryption is not None and needed.is_whole:
                self._note_sealed(stored.archive_size)
            found.append(needed)
        return found

    def all_of(self, upload: int, places: list[ContentPlace]) -> list[Needed]:
        """Return where the contents of files lie of which none is in its place; in a thread."""
        found = []
        for _, size, position, stored, encryption, archive_id, archive_size in places:
            self.size += size
            if encryption is not None:
                self.is_encrypted = True
                if position is None:
                    self._note_sealed(archive_size)
            facts = (
                upload,
                archive_id,
                archive_size,
                position or 0,
                stored or archive_size,
                position is None,
            )
            found.append(tuple.__new__(Needed, facts))  # as the class does it, in half the time
        self.files += len(places)
        return found

    def _note_sealed(self, archive_size: int) -> None:
        self.largest_sealed = heapq.nlargest(FETCHERS, (*self.largest_sealed, archive_size))
