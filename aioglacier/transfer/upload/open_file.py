"""A named file while parts of it are hashed and sent."""

from __future__ import annotations

import os
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from aioglacier.files.reading import FileChangedError, FileIdentity, FileRange, open_unchanged
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.transfer.hashing.part_job import ReadFrom
    from aioglacier.transfer.upload.named_file import NamedFile


class OpenFile:
    """Opens a file for the first of its parts that is hashed or sent, and closes it after the last.

    So a thousand uploads that wait for a connection have no file open, and one that has several connections
    opens its file once. Threads that hash use it, too.
    """

    def __init__(self, file: NamedFile) -> None:
        self.file = file
        self._descriptor: int | None = None
        self._opening = anyio.Lock()
        self._counting = threading.Lock()  # never held for longer than it takes to count
        self._users = 0

    @asynccontextmanager
    async def range(self, place: ReadFrom, length: int) -> AsyncIterator[FileRange]:
        """``length`` bytes of the file, which is open as long as the block.

        Raises:
            SourceUnreadableError: It cannot be opened.
            SourceChangedError: It is no longer what it was.
        """
        self.hold()
        try:
            descriptor = self._descriptor
            if descriptor is None:
                async with self._opening:
                    descriptor = await self._open(place.offset)
            yield FileRange(descriptor, self.file.path, place.offset, length, self.file.identity)
        finally:
            self.let_go()

    def hold(self) -> None:
        """From now on, if the file is open or is opened, it stays so until let go as often as held."""
        with self._counting:
            self._users += 1

    def let_go(self) -> None:
        """End of a hold."""
        unused = None
        with self._counting:
            self._users -= 1
            if not self._users:
                unused, self._descriptor = self._descriptor, None
        if unused is not None:
            os.close(unused)

    def open_unchanged(self) -> int:
        """The file's descriptor, for a thread that holds the file.

        Raises:
            OSError: It cannot be opened, or is gone.
            FileChangedError: It is no longer what it was, or the path leads to another one.
        """
        descriptor = self._descriptor
        if descriptor is None:
            return self._open_in_thread()
        identity = self.file.identity
        if difference := identity.difference(FileIdentity.of(os.stat(self.file.path))):  # noqa: PTH116  # as fast
            raise FileChangedError(difference)
        return descriptor

    async def _open(self, offset: int) -> int:
        descriptor = self._descriptor
        if descriptor is not None:  # another part has opened it meanwhile
            return descriptor
        try:
            return await run_in_thread(self._open_in_thread)
        except FileChangedError as error:
            raise source_changed(self.file.path, str(error)) from None
        except OSError as error:
            raise source_unreadable(self.file.path, offset, error) from error

    def _open_in_thread(self) -> int:
        # Kept here and not only returned: a cancellation that comes meanwhile would lose it.
        opened = open_unchanged(self.file.path, self.file.identity)
        with self._counting:
            if self._descriptor is None:
                self._descriptor = opened
                return opened
            descriptor = self._descriptor
        os.close(opened)  # two threads were at it
        return descriptor
