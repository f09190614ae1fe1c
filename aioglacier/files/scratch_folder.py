"""Files for parts that do not fit the memory: each is written once, read by the upload, and removed."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import TargetError
from aioglacier.tasks.threads import run_in_thread

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

#: Parts on disk at once: an upload begins only when there is a second part.
_FILES: Final = 2


class ScratchFolder:
    """Holds the parts of one archive; a later run finds and removes them by the ``token`` in their names."""

    def __init__(self, folder: str | os.PathLike[str], token: str) -> None:
        self._folder = Path(folder).absolute()
        self._token = token
        self._free = anyio.Semaphore(_FILES)
        self._paths: dict[int, Path] = {}

    async def add(self, start: int) -> Path:
        """Wait until there may be another part, and return the path of its file, which is empty."""
        await self._free.acquire()
        path = self._folder / f".aioglacier-{self._token}-{start}"
        self._paths[start] = path
        await self.use(partial(path.write_bytes, b""))
        return path

    async def write(self, start: int, offset: int, view: memoryview) -> None:
        """Write bytes of a part."""

        def write() -> None:
            with self._paths[start].open("r+b", buffering=0) as file:
                file.seek(offset)
                done = 0
                while done < len(view):
                    done += file.write(view[done:])

        await self.use(write)

    async def forget(self, start: int) -> None:
        """Remove the file of a part that has arrived."""
        if (path := self._paths.pop(start, None)) is not None:
            await self.use(partial(path.unlink, missing_ok=True))
            self._free.release()

    def clear(self) -> None:
        """Remove all files of the archive, also those of a killed run."""
        with suppress(OSError):
            for path in self._folder.glob(f".aioglacier-{self._token}-*"):
                path.unlink(missing_ok=True)

    async def use(self, call: Callable[[], object]) -> None:
        """Call a function that uses the disk, in a thread.

        Raises:
            TargetError: The folder cannot be used.
        """
        try:
            await run_in_thread(call)
        except OSError as error:
            raise TargetError(
                f"the scratch folder {str(self._folder)!r} cannot be used: {error.strerror or error}",
                path=str(self._folder),
            ) from error
