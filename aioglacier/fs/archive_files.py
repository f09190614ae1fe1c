"""Archives as blocking files: a new one to write, a retrieved one to read."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import Buffer

    from aioglacier.fs.portal import Portal
    from aioglacier.transfer.upload.writer import ArchiveWriter


class NewArchiveFile(io.BufferedIOBase):
    """A file that becomes one archive when it is closed, and none if the block that it is written in fails.

    With ``autocommit=False`` the archive is made by ``commit``, as the transactions of fsspec do it, or given
    up by ``discard``.
    """

    def __init__(
        self, portal: Portal, writer: AbstractAsyncContextManager[ArchiveWriter[Any]], *, autocommit: bool
    ) -> None:
        super().__init__()
        self._portal = portal
        self._autocommit = autocommit
        self._block = portal.loop.wrap_async_context_manager(writer)
        try:
            self._writer = self._block.__enter__()
        except BaseException:
            super().close()  # or this object would give up what was never opened
            raise
        self._file = portal.loop.call(self._writer.file)
        self._handled = sys.exc_info()[1]  # being handled around the block, so not the block's own failure

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Take all of some bytes; see ``WriterFile.write``."""
        if self.closed:
            raise ValueError("the file is closed")
        return self._file.write(data)

    def tell(self) -> int:
        """Return the bytes written."""
        return self._file.tell()

    def close(self) -> None:
        """Make the archive, unless an exception is on its way or this is left to ``commit``.

        Raises:
            GlacierError: There is no archive.
        """
        if self.closed:
            return
        super().close()
        failure = sys.exc_info()[1]
        if failure is not None and failure is not self._handled:
            self.discard()
        elif self._autocommit:
            self.commit()

    def commit(self) -> None:
        """Make the archive."""
        self._file.close()
        self._block.__exit__(None, None, None)

    def discard(self) -> None:
        """Give the archive up, and abort what was sent of it."""
        self._portal.loop.call(self._writer.abort)
        with suppress(ValueError):
            self._block.__exit__(None, None, None)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and not self.closed:
            super().close()
            self.discard()
        self.close()

    def __del__(self) -> None:
        """Give up an archive whose file was dropped, since it may not be whole."""
        if not self.closed:
            super().close()
            self.discard()


class RetrievedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """An archive that was retrieved, read in verified ranges as they are needed."""

    def __init__(self, *args: Any, fetch: Callable[[int, int], bytes], **options: Any) -> None:
        self._fetch = fetch
        super().__init__(*args, mode="rb", **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._fetch(start, end) if start < end else b""
