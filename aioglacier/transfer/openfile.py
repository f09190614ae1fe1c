"""A named file while parts of it are being sent."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from aioglacier.files.reading import FileChangedError, FileRange, open_unchanged
from aioglacier.files.unreadable import source_changed, source_unreadable
from aioglacier.transfer.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.transfer.partjob import ReadFrom
    from aioglacier.transfer.sources import NamedFile


class OpenFile:
    """Opens a file for the first of its parts that is sent, and closes it after the last.

    So a thousand uploads that wait for a connection have no file open, and one that has several connections
    opens its file once.
    """

    def __init__(self, file: NamedFile) -> None:
        self.file = file
        self._descriptor: int | None = None
        self._opening = anyio.Lock()
        self._users = 0

    @asynccontextmanager
    async def range(self, place: ReadFrom, length: int) -> AsyncIterator[FileRange]:
        """``length`` bytes of the file, which is open as long as the block.

        Raises:
            SourceUnreadableError: It cannot be opened.
            SourceChangedError: It is no longer what it was.
        """
        self._users += 1
        try:
            descriptor = self._descriptor
            if descriptor is None:
                async with self._opening:
                    descriptor = await self._open(place.offset)
            yield FileRange(descriptor, self.file.path, place.offset, length, self.file.identity)
        finally:
            self._users -= 1
            if not self._users and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    async def _open(self, offset: int) -> int:
        if self._descriptor is None:  # or another part has opened it meanwhile
            try:
                await run_in_thread(self._open_in_thread)
            except FileChangedError as error:
                raise source_changed(self.file.path, str(error)) from None
            except OSError as error:
                raise source_unreadable(self.file.path, offset, error) from error
        assert self._descriptor is not None  # noqa: S101  # it stays open while there is a user
        return self._descriptor

    def _open_in_thread(self) -> None:
        # Kept here and not returned: a cancellation that comes meanwhile would lose it.
        self._descriptor = open_unchanged(self.file.path, self.file.identity)
