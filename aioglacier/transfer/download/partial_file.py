"""The file a download grows in, which survives any crash and is trusted only as far as its hashes reach.

``.NAME.aioglacier`` beside the target holds the bytes, ``.NAME.aioglacier.journal`` which pieces of it were
verified, a line of JSON each, with the tree hash. The next download of the same output to the same target
hashes those pieces again before it trusts them, so neither a lost write nor an edit matters. The target's own
name appears only at the end: verified, on disk, and never over another file unless that was asked for.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import TargetError
from aioglacier.core.ranges import ByteRange
from aioglacier.files.crashpoints import passing

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "win32":
    import fcntl

_SUFFIX: Final = ".aioglacier"
_JOURNAL_SUFFIX: Final = ".aioglacier.journal"
_LONGEST_NAME: Final = 255
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class PartialFile:
    """An open partial file; one process at a time."""

    def __init__(self, target: Path, *, overwrite: bool, fd: int, journal: int) -> None:
        self._target = target
        self._overwrite = overwrite
        self._fd = fd
        self._journal = journal
        self.path, self._journal_path = _paths(target)

    @property
    def file(self) -> int:
        """The descriptor of the file itself, open until ``close()``."""
        return self._fd

    @classmethod
    def open(cls, target: Path, size: int, *, overwrite: bool) -> PartialFile:
        """Open or make the partial file for ``target``.

        Raises:
            TargetError: The target exists, another process downloads to it, there is no room for ``size``
                bytes, or the folder does not allow it. Nothing was changed.
        """
        path, journal_path = _paths(target)
        try:
            if not overwrite and os.path.lexists(target):
                raise TargetError(
                    f"{str(target)!r} exists; choose another name, or ask for it to be overwritten",
                    path=str(target),
                )
            if target.is_dir() and not target.is_symlink():
                raise TargetError(f"{str(target)!r} is a folder; name a file in it", path=str(target))
            fd = os.open(path, _FLAGS, 0o600)
            try:
                _lock(fd, path, target)
                try:
                    _check_room(fd, target, size)
                except TargetError:
                    if os.fstat(fd).st_size == 0:
                        path.unlink()  # it was made just now
                    raise
                os.ftruncate(fd, size)
                journal = os.open(journal_path, _FLAGS | os.O_APPEND, 0o600)
            except BaseException:
                os.close(fd)
                raise
        except OSError as error:
            raise TargetError(
                f"{str(target)!r} cannot be written: {error.strerror}", path=str(target)
            ) from error
        return cls(target, overwrite=overwrite, fd=fd, journal=journal)

    def verified(self, output: dict[str, Any]) -> dict[ByteRange, bytes]:
        """The pieces recorded for this same output, and their tree hashes; begin anew if it is another.

        ``output`` identifies what is downloaded: it is the first line of the journal.
        """
        entries = list(self._read_journal())
        if entries and entries[0] == output:
            with suppress(KeyError, TypeError, ValueError):
                return {
                    ByteRange(entry["start"], entry["stop"]): bytes.fromhex(entry["tree_hash"])
                    for entry in entries[1:]
                }
        os.ftruncate(self._journal, 0)
        self._append(output)
        return {}

    def record(self, byte_range: ByteRange, tree_hash: bytes) -> None:
        """Note that a piece is in the file and verified."""
        self._append({"start": byte_range.start, "stop": byte_range.stop, "tree_hash": tree_hash.hex()})

    def publish(self) -> None:
        """Give the complete file its name, once it is on disk, and remove the journal.

        Raises:
            TargetError: The name was taken meanwhile; the partial file stays.
        """
        try:
            os.fsync(self._fd)
            if self._overwrite:
                self.path.replace(self._target)
            else:
                _rename_to_new(self.path, self._target)
            passing("file renamed")
            self._journal_path.unlink(missing_ok=True)
            _sync_folder(self._target.parent)
        except OSError as error:
            raise TargetError(
                f"{str(self._target)!r} could not be given its name: {error.strerror}; all bytes are in "
                f"{str(self.path)!r}",
                path=str(self._target),
            ) from error

    def close(self) -> None:
        """Let go of the files; they stay, for the next try."""
        os.close(self._journal)
        os.close(self._fd)

    def _read_journal(self) -> Iterator[Any]:
        sound = 0
        for line in self._journal_path.read_bytes().splitlines(keepends=True):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            sound += len(line)
            yield entry
        os.ftruncate(self._journal, sound)  # what a crash cut short would spoil the next line

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            os.write(self._journal, json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise TargetError(
                f"{str(self._journal_path)!r} cannot be written: {error.strerror}", path=str(self._target)
            ) from error


def _paths(target: Path) -> tuple[Path, Path]:
    # A name may have 255 bytes; cut it where the prefix and the suffix would pass that.
    stem = os.fsencode(target.name)[: _LONGEST_NAME - len(_JOURNAL_SUFFIX) - 1]
    hidden = target.parent / os.fsdecode(b"." + stem)
    return Path(f"{hidden}{_SUFFIX}"), Path(f"{hidden}{_JOURNAL_SUFFIX}")


def _lock(fd: int, path: Path, target: Path) -> None:
    if sys.platform == "win32":
        return  # two downloads to one target are not told apart there
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Had another download ended between our opening and our locking, this would be its finished file.
        is_ours = os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    if not is_ours:
        raise TargetError(
            f"another download to {str(target)!r} is under way; wait for it or choose another name",
            path=str(target),
        )


def _check_room(fd: int, target: Path, size: int) -> None:
    filesystem = os.fstatvfs(fd)
    free = filesystem.f_bavail * filesystem.f_frsize
    needed = size - os.fstat(fd).st_blocks * 512
    if needed > free:
        raise TargetError(
            f"{str(target)!r} needs {needed} more bytes, and its filesystem has {free} free",
            path=str(target),
            needed=needed,
            free=free,
        )


def _rename_to_new(path: Path, target: Path) -> None:
    try:
        os.link(path, target)  # unlike rename, it never replaces a file
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
        # No hard links here: look, then rename, which leaves a moment in between.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        path.rename(target)
    else:
        path.unlink()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
