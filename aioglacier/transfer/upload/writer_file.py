"""A writer as a blocking binary file, for code that runs in threads: pandas, pyarrow, tarfile, zipfile."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import WriterBusyError
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import Buffer

    Write = Callable[[Buffer], Coroutine[object, object, None]]

#: Bytes gathered before they cross to the event loop: a crossing takes about 0.1 ms.
_GATHERED: Final = MIB


class WriterFile(io.BufferedWriter):
    """A blocking file that cannot seek, and whose bytes a writer on an event loop archives in order.

    Made by ``ArchiveWriter.file()``. For one thread at a time, which is never the one of the event loop.
    ``close`` hands on what was gathered. It does not complete the archive: the writer does.
    """

    raw: _Crossing

    def __init__(self, write: Write, position: int) -> None:
        super().__init__(_Crossing(write), _GATHERED)
        self._position = position

    def tell(self) -> int:
        """Return the bytes of the archive so far, with those that were written before by other means."""
        return self._position

    def write(self, data: Buffer, /) -> int:
        """Take all of some bytes, waiting while the writer has no free buffer.

        Raises:
            WriterBusyError: This is the thread of the writer's own event loop, which would wait for itself.
            GlacierError: As ``ArchiveWriter.write``.
        """
        self.raw.check_thread()
        count = super().write(data)
        self._position += count
        return count

    def discard(self) -> None:
        """Forget what was gathered, and whatever is written from now on: there will be no archive."""
        self.raw.is_discarding = True


class _Crossing(io.RawIOBase):
    """Hands blocks from a thread to the writer."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self.is_discarding = False
        self._write = write
        self._loop = asyncio.get_running_loop()

    def writable(self) -> bool:
        return True

    def check_thread(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self._loop:
            raise WriterBusyError(
                "the file of a writer blocks, and the writer's own event loop would wait for itself: write "
                "to it in a thread, as with asyncio.to_thread(), or await the writer's write()"
            )

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data)
        if not self.is_discarding:  # or this is the interpreter, which closes a file that was left open
            self.check_thread()
            asyncio.run_coroutine_threadsafe(self._write(view), self._loop).result()
        return view.nbytes
