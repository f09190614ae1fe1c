"""The file that a download grows in: it survives a crash, and only bytes that match a recorded hash count.

``.NAME.aioglacier`` beside the target holds the bytes. ``.NAME.aioglacier.journal`` lists the verified
pieces, a line of JSON each, with the hash that proves it. The next download of the same output to the same
target hashes those pieces again before it trusts them, so neither a lost write nor an edit matters.
``files.landing`` gives the complete file its name.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import TargetError
from aioglacier.core.ranges import ByteRange
from aioglacier.files import landing
from aioglacier.files.open_flags import BINARY, NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterable

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY | NOFOLLOW


class PartialFile:
    """An open partial file; one process at a time.

    Attributes:
        path: Its hidden name.
        file: Its descriptor, open until ``close()``.
    """

    def __init__(self, target: str, *, overwrite: bool, fd: int, journal: int) -> None:
        self._target = target
        self._overwrite = overwrite
        self.file = fd
        self._journal = journal
        self.path = Path(landing.hidden_name(target, landing.DOWNLOAD))
        self._journal_path = _journal_of(self.path)

    @classmethod
    def open(
        cls, target: str | os.PathLike[str], size: int, *, overwrite: bool, may_be_there: bool = False
    ) -> PartialFile:
        """Open or make the partial file for ``target``; with ``may_be_there``, ``publish`` compares them.

        Raises:
            TargetError: The target exists, another process downloads to it, there is no room for ``size``
                bytes, or the folder does not allow it. Nothing was changed.
        """
        target = os.fsdecode(target)
        landing.check_target(target, overwrite=overwrite or may_be_there)
        path = landing.hidden_name(target, landing.DOWNLOAD)
        fd = landing.open_hidden(target, landing.DOWNLOAD)
        try:
            try:
                landing.check_room(target, size, kept=[path])
            except TargetError:
                if os.fstat(fd).st_size == 0:
                    os.unlink(path)  # noqa: PTH108  # it was made just now
                raise
            os.ftruncate(fd, size)  # sparse: pages come with the pieces
            journal = os.open(_journal_of(Path(path)), _FLAGS, 0o600)
        except BaseException as error:
            os.close(fd)
            if isinstance(error, OSError):
                raise landing.unwritable(target, error) from error
            raise
        return cls(target, overwrite=overwrite, fd=fd, journal=journal)

    def verified(self, output: dict[str, Any]) -> dict[ByteRange, bytes]:
        """Return the hashes of the pieces recorded for this output; forget those of another one.

        ``output`` identifies what is downloaded: it is the first line of the journal.
        """
        entries, sound = _read_journal(self._journal_path)
        os.ftruncate(self._journal, sound)  # what a crash cut short would spoil the next line
        if (pieces := _pieces_of(entries, output)) is not None:
            return pieces
        os.ftruncate(self._journal, 0)
        self._append(output)
        return {}

    def record(self, byte_range: ByteRange, proof: bytes) -> None:
        """Note that a piece is in the file and verified."""
        self._append({"start": byte_range.start, "stop": byte_range.stop, "hash": proof.hex()})

    def record_all(self, pieces: Iterable[tuple[ByteRange, bytes]]) -> None:
        """Note several pieces."""
        for piece in pieces:
            self.record(*piece)

    def publish(self) -> None:
        """Put the complete file on disk, give it its name, and remove the journal.

        Raises:
            TargetError: A file of that name has other bytes; the partial file stays.
        """
        landing.land(self.file, str(self.path), self._target, overwrite=self._overwrite)
        self._journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files; they stay for the next try."""
        os.close(self._journal)
        os.close(self.file)

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            os.write(self._journal, json.dumps(entry).encode() + b"\n")  # a crash cuts one line
        except OSError as error:
            raise TargetError(
                f"{str(self._journal_path)!r} cannot be written: {error.strerror}", path=self._target
            ) from error


def find_file(target: str | os.PathLike[str], size: int) -> os.stat_result | None:
    """Return the status of a target that is a regular file of this size already, otherwise ``None``."""
    try:
        status = os.lstat(target)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_size == size else None


def left_pieces(target: str | os.PathLike[str], output: dict[str, Any]) -> dict[ByteRange, bytes]:
    """Return the hashes that a download recorded which was killed after its file got its name."""
    if not was_named(target):
        return {}
    entries, _ = _read_journal(_journal_of(Path(landing.hidden_name(target, landing.DOWNLOAD))))
    return _pieces_of(entries, output) or {}


def was_named(target: str | os.PathLike[str]) -> bool:
    """Return whether a download was killed after its file got its name: only its journal is left."""
    hidden = Path(landing.hidden_name(target, landing.DOWNLOAD))
    return _journal_of(hidden).is_file() and not hidden.exists()


def settle(target: str | os.PathLike[str]) -> None:
    """End what a killed download has left undone: put the name on disk, and remove the journal."""
    hidden = Path(landing.hidden_name(target, landing.DOWNLOAD))
    landing.sync_folder(hidden.parent)
    if not hidden.exists():
        _journal_of(hidden).unlink(missing_ok=True)


def _read_journal(path: Path) -> tuple[list[Any], int]:
    """Return the entries of a journal, and the number of bytes that they take."""
    entries, sound = [], 0
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        sound += len(line)
        entries.append(entry)
    return entries, sound


def _pieces_of(entries: list[Any], output: dict[str, Any]) -> dict[ByteRange, bytes] | None:
    """Return the hashes in a journal of this output; ``None`` for that of another one."""
    if not entries or entries[0] != output:
        return None
    try:
        return {
            ByteRange(entry["start"], entry["stop"]): bytes.fromhex(entry["hash"]) for entry in entries[1:]
        }
    except (KeyError, TypeError, ValueError):
        return None


def _journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")
