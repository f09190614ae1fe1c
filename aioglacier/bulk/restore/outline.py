"""Make the paths of a folder that have no content of their own: folders, links, empty files.

Folders, symbolic links and empty files are made first, hard links after the contents, and folders get their
permissions and times at last.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio.from_thread

from aioglacier.bulk.restore.placer import as_target_error
from aioglacier.core.errors import GlacierError, TargetError
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.bulk.restore.folder_version import FolderVersion
    from aioglacier.bulk.restore.placer import Placer
    from aioglacier.bulk.restore.restore_progress import RestoreProgress
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry


class Outline:
    """Makes the paths that have no content of their own."""

    def __init__(self, version: FolderVersion, placer: Placer, progress: RestoreProgress) -> None:
        self._version = version
        self._selection = version.selection
        self._placer = placer
        self._progress = progress

    async def open_folders(self) -> None:
        """Let the owner into folders that a former run has given their permissions."""
        await self._walk(self._open_folder)

    def _open_folder(self, entry: Entry) -> None:
        with suppress(GlacierError, OSError):  # it is reported when the folder is to be made
            if entry.kind == "directory" and self._placer.is_there(entry):
                self._placer.make_folder(entry.path)

    async def make_first(self) -> None:
        """Make folders, symbolic links and empty files."""
        await self._walk(self._make_first)

    async def make_links(self, *, are_files_left: bool) -> None:
        """Make hard links.

        Args:
            are_files_left: Some jobs were not waited for, so that a link whose file is missing is no failure.
        """
        if self._version.has_links:  # most folders have none, and reading their records takes as long
            await self._walk(partial(self._make_link, are_files_left))

    async def finish_folders(self) -> None:
        """Give folders their permissions and times, from the innermost to the top."""
        await self._walk(self._finish_folder, is_descending=True)

    async def _walk(self, step: Callable[[Entry], None], *, is_descending: bool = False) -> None:
        """Take a step for each path, in a thread."""

        def take(page: list[StoredEntry]) -> None:
            for stored in page:
                entry = stored.entry
                if not self._selection.selects(entry):
                    continue
                try:
                    step(entry)
                except (GlacierError, OSError) as error:
                    self._progress.failures.add(entry.path, as_target_error(entry.path, error))
            self._progress.note_placed(self._placer.land())

        async for page in self._version.outline(is_descending=is_descending):
            await run_in_thread(partial(take, page))

    def _make_first(self, entry: Entry) -> None:
        if entry.kind == "directory":
            if not self._selection.is_query:
                is_made = self._placer.make_folder(entry.path)
                if entry.path:  # the folder of all was made by its placer, so it is never missing here
                    self._count(is_made)
            return
        if entry.kind == "hardlink" or entry.size:
            return
        if self._placer.is_there(entry):
            self._progress.there += 1
        elif entry.kind == "symlink":
            self._placer.make_symlink(entry)
            self._progress.done(0)
        else:
            self._placer.write_file(entry, entry.path, b"")

    def _make_link(self, are_files_left: bool, entry: Entry) -> None:
        if entry.kind != "hardlink" or entry.target is None:
            return
        if entry.path in self._version.detached:
            return  # written as a file
        names = self._version.aliases.get(entry.target, [])
        first = names[0] if names else entry.target
        if first == entry.path:
            return  # written as a file
        if not self._is_restored(entry.target, first):
            if are_files_left:
                return
            shown = os.fsdecode(entry.path)
            raise TargetError(
                f"{shown!r} is a hard link of {os.fsdecode(first)!r}, which is not in its place; restore "
                "that first, and run the same command again",
                path=shown,
            )
        is_missing = not self._placer.is_there(entry)
        if is_missing:
            self._placer.make_hardlink(first, entry.path)
        self._count(is_missing)

    def _count(self, is_made: bool) -> None:
        if is_made:
            self._progress.done(0)
        else:
            self._progress.there += 1

    def _is_restored(self, path: bytes, place: bytes) -> bool:
        """Return whether the file of a path is in its place: something else may have that name."""
        stored = anyio.from_thread.run(self._version.stored_at, path)
        try:
            return stored is not None and self._placer.is_there(stored.entry, place)
        except (GlacierError, OSError):
            return False

    def _finish_folder(self, entry: Entry) -> None:
        if entry.kind == "directory" and not self._selection.is_query:
            self._placer.dress_folder(entry)
