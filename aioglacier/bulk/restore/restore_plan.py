"""The plan of a restore: which files are to come back, and which jobs they need."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.restore.fetcher import FETCHERS, needed_of
from aioglacier.bulk.restore.retrieval_plan import Needed, Retrieval, plan_retrievals
from aioglacier.bulk.restore.selection import Selection
from aioglacier.core.errors import ConfigurationError, GlacierError
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.pricing import Prices
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.catalog.folders.entries import Entries, Entry, RunNumber, StoredEntry, TreeRecord
    from aioglacier.core.models import ArchiveId
    from aioglacier.core.ranges import ByteRange

#: Members held before their ranges are planned.
_MOST_NEEDED: Final = 100_000


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore asks for.

    Attributes:
        files: Files to bring back.
        size: Their bytes.
        room: Bytes that are needed besides while it goes on: a big file that is encrypted is fetched whole,
            and then decrypted.
        there: Paths that are in their places already.
        retrievals: Jobs, in the order in which they are started or used.
        retrieved: Bytes that are retrieved by jobs that do not exist yet.
        cost: By the price list.
        is_encrypted: Whether any of the files is.
    """

    files: int
    size: int
    room: int
    there: int
    retrievals: tuple[Retrieval, ...]
    retrieved: int
    cost: float
    is_encrypted: bool


class RestorePlanner:
    """Plans the restore of one folder as of one run.

    Attributes:
        selection: Which paths are meant.
        aliases: By the path of a file that is not meant, its hard links that are.
        is_barred: A folder on the way does not let us in.
    """

    def __init__(
        self,
        entries: Entries,
        tree: TreeRecord,
        run: RunNumber | None,
        options: RestoreOptions,
        prices: Prices,
    ) -> None:
        self.selection = Selection(options.selection)
        self.aliases: dict[bytes, list[bytes]] = {}
        self.is_barred = False
        self._entries = entries
        self._tree = tree
        self._run = run
        self._options = options
        self._prices = prices
        self._there = 0
        self._is_encrypted = False

    async def plan(
        self, placer: Placer | None, asked: Mapping[ArchiveId, Sequence[ByteRange]] | None = None
    ) -> RestorePlan:
        """Return the plan.

        Args:
            placer: Looks at what is in its place already; ``None`` where there is no folder yet.
            asked: The ranges of archives that there are jobs for.
        """
        await self._look_through()
        files = size = self._there = 0
        sealed: list[int] = []
        needed: list[Needed] = []
        retrievals: list[Retrieval] = []
        gap = self._prices.worthwhile_gap(self._options.tier)
        for upload in await self._entries.uploads_of(self._tree):
            needed.clear()
            async for page in self._entries.stored_in(self._tree, upload, self._run):
                wanted = await run_in_thread(partial(self._wanted, page, placer))
                for stored in wanted:
                    files += 1
                    size += stored.entry.size
                    needed.append(needed_of(stored))
                    if stored.entry.encryption is not None and needed[-1].is_whole:
                        sealed = heapq.nlargest(FETCHERS, (*sealed, stored.archive_size))
                if len(needed) > _MOST_NEEDED:
                    retrievals += plan_retrievals(needed, gap, asked=asked)
                    needed.clear()
            retrievals += plan_retrievals(needed, gap, asked=asked)
        # The output of a job that exists is gone before that of one that does not.
        retrievals.sort(key=lambda each: not each.is_asked)
        to_ask = [each.size for each in retrievals if not each.is_asked]
        retrieved = sum(to_ask)
        cost = self._prices.retrieval(self._options.tier, retrieved, len(to_ask))
        return RestorePlan(
            files, size, sum(sealed), self._there, tuple(retrievals), retrieved, cost, self._is_encrypted
        )

    async def _look_through(self) -> None:
        """Try the selection on every path, and find hard links that are meant while their file is not.

        Raises:
            ConfigurationError: A pattern matches no path.
        """
        self.aliases.clear()
        if self.selection.is_everything:
            return
        async for page in self._entries.stored(self._tree, self._run):
            for entry in await run_in_thread(partial(self._meant_links, page)):
                target = await self._entries.stored_at(self._tree, entry.target or b"", self._run)
                if target is not None and not self.selection.selects(target.entry):
                    self.aliases.setdefault(target.entry.path, []).append(entry.path)
        if patterns := self.selection.unmatched:
            raise ConfigurationError(
                f"nothing in {self._tree.root!r} matches {', '.join(map(repr, patterns))}; a pattern is as "
                "in a .gitignore: '*.jpg' anywhere, /2024/ at the top"
            )

    def _meant_links(self, page: list[StoredEntry]) -> list[Entry]:
        meant = [stored.entry for stored in page if self.selection.selects(stored.entry)]
        return [entry for entry in meant if entry.kind == "hardlink"]

    def paths_of(self, entry: Entry) -> list[bytes]:
        """Return where the content of a file is to go: the first is written, others become hard links."""
        own = [entry.path] if self.selection.selects(entry) else []
        return own or self.aliases.get(entry.path, [])

    def _wanted(self, page: list[StoredEntry], placer: Placer | None) -> list[StoredEntry]:
        """Return those with content to be fetched; in a thread."""
        wanted = []
        for stored in page:
            entry = stored.entry
            if entry.kind != "file" or not entry.size or stored.archive_id is None:
                continue
            paths = self.paths_of(entry)
            if not paths:
                continue
            self._is_encrypted = self._is_encrypted or entry.encryption is not None
            try:
                if placer is not None and placer.is_there(entry, paths[0]):
                    self._there += 1
                    continue
            except PermissionError:
                self.is_barred = True  # a former run has given a folder its permissions
            except (GlacierError, OSError):
                continue  # it is reported when it is to be written
            wanted.append(stored)
        return wanted
