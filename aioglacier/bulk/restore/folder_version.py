"""One folder as of one ``sync``, and the paths that a restore selects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.restore import kept_pages
from aioglacier.bulk.restore.kept_pages import KeptPages
from aioglacier.bulk.restore.selection import Selection
from aioglacier.bulk.settling import drop_fruitless_versions
from aioglacier.catalog.folders.entry_records import RunNumber
from aioglacier.catalog.records import UploadNumber, UploadState
from aioglacier.core.errors import ConfigurationError
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.bulk.restore.retrieval_plan import Retrieval
    from aioglacier.catalog.folders.entry_records import ContentPlace, Entry, StoredEntry, TreeRecord
    from aioglacier.recorded.place_context import RecordedPlace

#: The key of the pages of the outline; those of members have the numbers of their uploads.
_OUTLINE: Final = None


class FolderVersion:
    """The stored versions of the paths that are selected.

    Attributes:
        selection: Which paths are selected.
        aliases: By the path of a file that is not selected, its hard links that are.
        has_links: Whether a hard link is selected.
        detached: Hard links whose file is another one by now, each as a file with the content it had.
        older: Paths of which an older version is stored, because the archive of the newest is not proven.
        lost: Paths that no archive has any more, each with the reason.
    """

    def __init__(
        self, context: RecordedPlace, tree: TreeRecord, run: RunNumber | None, selection: Selection
    ) -> None:
        self.selection = selection
        self.aliases: dict[bytes, list[bytes]] = {}
        self.has_links = False
        self.detached: dict[bytes, StoredEntry] = {}
        self.older: list[bytes] = []
        self.lost: dict[bytes, str] = {}
        self.tree = tree
        self._context = context
        self._entries = context.catalog.entries
        self._run = run
        self._kept = KeptPages(kept_pages.MOST_KEPT)

    @classmethod
    async def find(cls, context: RecordedPlace, options: RestoreOptions) -> FolderVersion:
        """Return the requested folder.

        Raises:
            ConfigurationError: There is none, or there are several.
        """
        tree = await context.catalog.trees.choose(context.key, folder=options.folder, host=options.host)
        await drop_fruitless_versions(context, tree)
        run = await context.catalog.runs.find_at(tree, options.selection.at)
        return cls(context, tree, run, Selection(options.selection))

    async def look_through(self) -> None:
        """Apply the selection to every path; find the files that hard links need, and lost paths.

        Raises:
            ConfigurationError: A pattern matches no path.
        """
        for found in (self.aliases, self.detached, self.older, self.lost, self._kept):
            found.clear()
        if self.selection.has_patterns:  # they have to be tried on every path
            pages = self._entries.stored(self.tree, self._run, between=self.selection.bounds)
        else:
            pages = self.outline()
        async for page in pages:
            meant = await run_in_thread(partial(self._meant, page))
            self.older += [stored.entry.path for stored in meant if stored.is_older]
            for stored in meant:
                if stored.entry.kind == "hardlink":
                    self.has_links = True
                    await self._note_link(stored.entry)
        await self._note_lost()
        if patterns := self.selection.unmatched:
            raise ConfigurationError(
                f"nothing in {self.tree.root!r} matches {', '.join(map(repr, patterns))}; a pattern is as "
                "in a .gitignore: '*.jpg' anywhere, /2024/ at the top"
            )

    def _meant(self, page: list[StoredEntry]) -> list[StoredEntry]:
        return [
            stored
            for stored in page
            if self.selection.selects(stored.entry) and (stored.is_older or stored.entry.kind == "hardlink")
        ]

    async def _note_link(self, link: Entry) -> None:
        """Decide where the content of a hard link comes from."""
        target = link.target or b""
        then = await self._entries.stored_at(self.tree, target, RunNumber(link.since))
        now = await self.stored_at(target)
        if then is None:
            return  # the outline says so
        if now is None or now.entry.since > link.since:  # the link keeps the file as it was when recorded
            self.detached[link.path] = then._replace(entry=then.entry._replace(path=link.path))
        elif not self.selection.selects(now.entry):
            self.aliases.setdefault(target, []).append(link.path)

    async def _note_lost(self) -> None:
        """Find paths that were archived and have no proven version any more."""
        reasons: dict[int, str | None] = {}
        async for page in self._entries.unproven(self.tree, self._run):
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

    # --- what is stored

    def paths_of(self, entry: Entry) -> list[bytes]:
        """Return the paths of the content of a file: the first is written, the others become hard links."""
        if self.selection.selects_all:
            return [entry.path]
        own = [entry.path] if self.selection.selects(entry) else []
        return own or self.aliases.get(entry.path, [])

    def outline(self, *, is_descending: bool = False) -> AsyncIterator[list[StoredEntry]]:
        """Yield at least all folders, links and empty files, also some that are not selected, by path."""
        if _OUTLINE in self._kept:
            return self._kept.pages(_OUTLINE, is_descending=is_descending)
        pages = self._entries.stored(
            self.tree, self._run, between=self.selection.bounds, is_outline=True, is_descending=is_descending
        )
        return pages if is_descending else self._kept.keep(_OUTLINE, pages)

    async def stored_at(self, path: bytes) -> StoredEntry | None:
        """Return the stored version of a path."""
        return await self._entries.stored_at(self.tree, path, self._run)

    async def uploads(self) -> list[UploadNumber]:
        """Return the uploads whose archives have something of the folder, oldest first."""
        return await self._entries.uploads_of(self.tree)

    def places(self, upload: UploadNumber) -> AsyncIterator[list[ContentPlace]]:
        """Yield the places of what ``contents`` yields; for a selection of all paths only."""
        return self._entries.places_in(self.tree, upload, self._run)

    def contents(
        self, upload: UploadNumber, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[list[StoredEntry]]:
        """Yield the files with content that lie in one archive and are selected, by position."""
        if upload in self._kept:
            return self._kept.pages(upload, start=start, stop=stop)
        pages = self._with_content(upload, start, stop)
        return self._kept.keep(upload, pages) if not start and stop is None else pages

    async def _with_content(
        self, upload: UploadNumber, start: int, stop: int | None
    ) -> AsyncIterator[list[StoredEntry]]:
        # A hard link may be selected whose file is not, and lies anywhere.
        between = None if self.aliases else self.selection.bounds
        pages = self._entries.stored_in(self.tree, upload, self._run, start=start, stop=stop, between=between)
        async for page in pages:
            yield await run_in_thread(partial(self._meant_files, page))  # the loop receives meanwhile

    def _meant_files(self, page: list[StoredEntry]) -> list[StoredEntry]:
        files = [stored for stored in page if stored.entry.kind == "file" and stored.entry.size]
        if self.selection.selects_all:
            return files
        return [stored for stored in files if self.paths_of(stored.entry)]

    async def members(self, retrieval: Retrieval) -> AsyncIterator[list[StoredEntry]]:
        """Yield the files of a retrieval by position, also those that are in their places already."""
        if retrieval.is_detached:
            yield [
                stored
                for stored in sorted(self.detached.values(), key=lambda each: each.entry.position or 0)
                if stored.entry.upload == retrieval.upload
                and retrieval.first <= (stored.entry.position or 0) < retrieval.stop
            ]
            return
        pages = self.contents(UploadNumber(retrieval.upload), start=retrieval.first, stop=retrieval.stop)
        async for page in pages:
            yield page

    async def recipients_of(self, upload: int) -> list[str]:
        """Return the recipients that the archive of an upload was encrypted to, as far as is on record."""
        return await self._context.catalog.runs.recipients_of(upload)
