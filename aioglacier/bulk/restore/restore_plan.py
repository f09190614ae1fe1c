"""The plan of a restore: which files are to come back, and which jobs they need."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.restore.fetcher import FETCHERS, needed_of
from aioglacier.bulk.restore.retrieval_plan import Needed, Retrieval, plan_retrievals
from aioglacier.bulk.restore.selection import Selection
from aioglacier.catalog.folders.entry_records import RunNumber
from aioglacier.catalog.records import UploadNumber, UploadState
from aioglacier.core.errors import ConfigurationError, GlacierError
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry, TreeRecord
    from aioglacier.core.models import ArchiveId
    from aioglacier.core.prices import Prices
    from aioglacier.core.ranges import ByteRange
    from aioglacier.recorded.vault_context import RecordedVault

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
        detached: Hard links whose file is another one by now, each as a file with the content it had.
        older: Paths of which an older version comes back, because the archive of the newest is not proven.
        lost: Paths that no archive has any more, each with the reason.
        unreadable: Retrievals that no identity opens, and that are not paid for.
        others: The recipients of those.
        is_barred: A folder on the way does not let us in.
    """

    def __init__(
        self,
        context: RecordedVault,
        tree: TreeRecord,
        run: RunNumber | None,
        options: RestoreOptions,
        prices: Prices,
    ) -> None:
        self.selection = Selection(options.selection)
        self.aliases: dict[bytes, list[bytes]] = {}
        self.detached: dict[bytes, StoredEntry] = {}
        self.older: list[bytes] = []
        self.lost: dict[bytes, str] = {}
        self.unreadable: list[Retrieval] = []
        self.others: set[str] = set()
        self.is_barred = False
        self._context = context
        self._entries = context.catalog.entries
        self._unproven = self._entries.unproven
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
        detached = await run_in_thread(partial(self._wanted, list(self.detached.values()), placer))
        needed = sorted(map(needed_of, detached), key=lambda each: (each.upload, each.position))
        files, size = files + len(detached), size + sum(stored.entry.size for stored in detached)
        retrievals += [replace(each, is_detached=True) for each in plan_retrievals(needed, gap, asked=asked)]
        retrievals = await self._readable(retrievals)
        # The output of a job that exists is gone before that of one that does not.
        retrievals.sort(key=lambda each: not each.is_asked)
        to_ask = [each.size for each in retrievals if not each.is_asked]
        retrieved = sum(to_ask)
        cost = self._prices.retrieval(self._options.tier, retrieved, len(to_ask))
        cost += self._prices.transfer_out(sum(each.fetched for each in retrievals if each.is_asked))
        return RestorePlan(
            files, size, sum(sealed), self._there, tuple(retrievals), retrieved, cost, self._is_encrypted
        )

    async def _readable(self, retrievals: list[Retrieval]) -> list[Retrieval]:
        """Return those that an identity may open; the others are kept as ``unreadable``."""
        identities = self._options.identities
        if identities is None:
            return retrievals
        opens: dict[int, bool] = {}
        for upload in {each.upload for each in retrievals}:
            names = await self._context.catalog.runs.recipients_of(upload)
            opens[upload] = not names or identities.fit(names)
            if not opens[upload]:
                self.others.update(names)
        self.unreadable = [each for each in retrievals if not opens[each.upload]]
        return [each for each in retrievals if opens[each.upload]]

    async def _look_through(self) -> None:
        """Try the selection on every path, and find out what hard links need.

        Raises:
            ConfigurationError: A pattern matches no path.
        """
        self.aliases.clear()
        self.detached.clear()
        self.older.clear()
        async for page in self._entries.stored(self._tree, self._run):
            meant = await run_in_thread(partial(self._meant, page))
            self.older += [stored.entry.path for stored in meant if stored.is_older]
            for stored in meant:
                if stored.entry.kind == "hardlink":
                    await self._note_link(stored.entry)
        await self._note_lost()
        if patterns := self.selection.unmatched:
            raise ConfigurationError(
                f"nothing in {self._tree.root!r} matches {', '.join(map(repr, patterns))}; a pattern is as "
                "in a .gitignore: '*.jpg' anywhere, /2024/ at the top"
            )

    def _meant(self, page: list[StoredEntry]) -> list[StoredEntry]:
        return [
            stored
            for stored in page
            if self.selection.selects(stored.entry) and (stored.is_older or stored.entry.kind == "hardlink")
        ]

    async def _note_link(self, link: Entry) -> None:
        """Decide where the content of a hard link comes from.

        The link stands for what its file was when the link was recorded. If the file has changed since, or is
        gone, the link becomes a file of its own.
        """
        target = link.target or b""
        then = await self._entries.stored_at(self._tree, target, RunNumber(link.since))
        now = await self._entries.stored_at(self._tree, target, self._run)
        if then is None:
            return  # the outline says so
        if now is None or now.entry.since > link.since:
            self.detached[link.path] = then._replace(entry=then.entry._replace(path=link.path))
        elif not self.selection.selects(now.entry):
            self.aliases.setdefault(target, []).append(link.path)

    async def _note_lost(self) -> None:
        """Find paths that were archived and have no proven version any more."""
        self.lost.clear()
        reasons: dict[int, str | None] = {}
        async for page in self._unproven(self._tree, self._run):
            for entry, _ in page:
                upload = entry.upload or 0
                if upload not in reasons:
                    reasons[upload] = await self._why_unproven(upload)
                if (reason := reasons[upload]) is not None and self.selection.selects(entry):
                    self.lost[entry.path] = reason

    async def _why_unproven(self, upload: int) -> str | None:
        """Return why the archive of an upload is not proven; ``None`` if it never began to exist."""
        record = await self._context.catalog.uploads.get(UploadNumber(upload))
        if record.state is UploadState.COMPLETING:
            return "whether its archive was made is not known yet; an inventory tells"
        if record.archive_id is None:
            return None
        return f"its archive {record.archive_id} is gone or suspect, and there is no other version of it"

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
