"""A named file to archive. Hashing and sending open it by its path and check that it is unchanged."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aioglacier.core.errors import EmptyArchiveError, SourceUnreadableError
from aioglacier.files.landing import special_kind
from aioglacier.files.open_flags import BINARY, NONBLOCK
from aioglacier.files.reading import FileIdentity
from aioglacier.files.unreadable import source_changed
from aioglacier.tasks.threads import run_in_thread

#: Linux stamps files with a clock that ticks every 1 to 10 ms; twice the slowest is on the safe side.
_TICK_NS: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A regular file to archive.

    Attributes:
        path: Absolute; may hold surrogates for bytes that are not UTF-8.
        identity: What it was when it was opened.
    """

    path: str
    identity: FileIdentity

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self.identity.size

    def check_unchanged(self) -> None:
        """Compare the file with what it was when it was opened.

        Raises:
            SourceChangedError: It is not what it was.
        """
        try:
            difference = self.identity.difference(FileIdentity.of(Path(self.path).stat()))
        except OSError:
            difference = "inode"
        if difference is not None:
            raise source_changed(self.path, difference)


async def look_at_file(path: str | os.PathLike[str], *, takes_empty: bool = False) -> NamedFile:
    """Look at a file to archive, in a thread.

    Raises:
        SourceUnreadableError: It is not there, not readable, or not a regular file.
        EmptyArchiveError: It has no bytes, and the place does not take that.
    """
    return await run_in_thread(lambda: _look_at(os.fsdecode(path), takes_empty=takes_empty))


def _look_at(path: str, *, takes_empty: bool) -> NamedFile:
    path = os.path.abspath(path)  # noqa: PTH100  # for the workers; resolving links would rename the file
    try:
        # Looked at before it is opened: opening a FIFO would wait for a writer or, worse, end the one that
        # waits there, and opening a device may move it.
        _check_regular(path, Path(path).stat())
        fd = os.open(path, os.O_RDONLY | BINARY | NONBLOCK)
        try:
            status = _settled(fd)
            has_bytes = status.st_size > 0 or not stat.S_ISREG(status.st_mode) or bool(os.read(fd, 1))
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:
        raise SourceUnreadableError(
            f"{path!r} cannot be read: {getattr(error, 'strerror', None) or error}",
            path=path,
            errno=getattr(error, "errno", None),
        ) from error
    _check_regular(path, status)
    if not has_bytes:
        if takes_empty:
            return NamedFile(path, FileIdentity.of(status))
        raise EmptyArchiveError(f"{path!r} has no bytes")
    if status.st_size == 0:
        raise SourceUnreadableError(
            f"{path!r} has bytes but no size, as the files of /proc do; to archive what it gives now, pipe "
            "it to standard input",
            path=path,
        )
    return NamedFile(path, FileIdentity.of(status))


def _check_regular(path: str, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        hint = "a folder; archive its files, or all of it with aioglacier.bulk.FolderSync (aioglacier sync)"
    else:
        hint = (
            f"a {special_kind(status.st_mode)}, not a regular file; to archive what it gives, open it and "
            "hand over the open file, or pipe it to standard input"
        )
    raise SourceUnreadableError(f"{path!r} is {hint}", path=path)


def _settled(fd: int) -> os.stat_result:
    """Return the status of a file, read a tick of the clock after the last change."""
    status = os.fstat(fd)
    if 0 <= time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)  # another change within the tick would not show in the times
        status = os.fstat(fd)
    return status
