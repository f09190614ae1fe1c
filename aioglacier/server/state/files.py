"""The files of bytes: one for each part or small archive, and one for each job's inventory.

A file is written in ``incoming/``, synced there, named in the records by a committed transaction, and then
moved to its shelf in ``data/``. So every file that a crash leaves without a record lies in ``incoming/``, and
a start looks only there. A record may for a moment point to a file that has not been moved yet; ``open``
looks in both places.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.core.limits import LEAF_SIZE
from aioglacier.core.treehash import combine_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_LOCK_NAME: Final = "lock"

#: Without it Windows changes line ends.
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)


class DirectoryInUseError(Exception):
    """Another server uses this directory."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes on disk, with all hashes that the service computes of them."""

    file: str
    size: int
    payload_hash: bytes
    tree_hash: bytes
    leaves: bytes


class Files:
    """The files of one server's directory. Every method blocks; call them in threads."""

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._data = directory / "data"
        self._is_durable = is_durable
        self._lock: int | None = None

    def open_directory(self) -> None:
        """Create the folders and lock the directory for this server.

        Raises:
            DirectoryInUseError: Another server uses it.
            OSError: It cannot be created or written.
        """
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._data.mkdir(exist_ok=True)
        self._lock = _lock(self._directory / _LOCK_NAME)
        if self._is_durable:
            # Or a power failure could take a new folder with all in it.
            for folder in (self._directory.parent, self._directory, self._data):
                _sync_folder(folder)

    def close_directory(self) -> None:
        """Unlock the directory for another server."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def new_incoming(self) -> Incoming:
        """Return a new file to receive an archive's bytes into."""
        return Incoming(self._incoming / secrets.token_hex(16), is_durable=self._is_durable)

    def new_file(self, hash_block: Callable[[memoryview], object]) -> IncomingFile:
        """Return a new file to receive bytes into, each block of which is given to ``hash_block``."""
        return IncomingFile(self._incoming / secrets.token_hex(16), hash_block, is_durable=self._is_durable)

    def shelve(self, name: str) -> None:
        """Move a recorded file to its shelf. A file that was replaced in the meantime is already removed."""
        source, target = self._incoming / name, self._shelf(name)
        try:
            source.rename(target)
        except FileNotFoundError:
            if source.exists():  # the first file of its shelf
                target.parent.mkdir(exist_ok=True)
                if self._is_durable:
                    _sync_folder(self._data)
                with contextlib.suppress(FileNotFoundError):
                    source.rename(target)

    def open(self, name: str) -> int:
        """Return a descriptor for reading a recorded file.

        Raises:
            FileNotFoundError: It is in neither folder.
        """
        for path in (self._shelf(name), self._incoming / name):
            with contextlib.suppress(FileNotFoundError):
                return os.open(path, os.O_RDONLY | _BINARY)
        return os.open(self._shelf(name), os.O_RDONLY | _BINARY)  # it was moved between the two attempts

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; a missing file is not an error."""
        for name in names:
            # In this order, because a file that is moved between the two lines would stay otherwise.
            (self._incoming / name).unlink(missing_ok=True)
            self._shelf(name).unlink(missing_ok=True)

    def sweep(self, is_recorded: Callable[[str], bool]) -> None:
        """After a crash, move recorded files to their shelves and remove the others."""
        with os.scandir(self._incoming) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            # The server was killed between the record and the move.
            if _NAME.fullmatch(name) and is_recorded(name):
                self.shelve(name)
            else:
                (self._incoming / name).unlink(missing_ok=True)

    def _shelf(self, name: str) -> Path:
        return self._data / name[:2] / name


class IncomingFile:
    """A file being received: written block by block, in threads.

    ``feed`` and ``sync`` block. They are called one after the other, never at the same time; the event loop
    may call ``discard`` at any moment, also while a cancelled request's thread still works.
    """

    def __init__(self, path: Path, hash_block: Callable[[memoryview], object], *, is_durable: bool) -> None:
        self._path = path
        self._hash_block = hash_block
        self._is_durable = is_durable
        self._file: int | None = None
        self._guard = threading.Lock()
        self._is_discarded = False

    @property
    def name(self) -> str:
        """The file's name, in the records and on the shelf."""
        return self._path.name

    def feed(self, blocks: list[bytes]) -> None:
        """Append blocks; an empty list makes an empty file."""
        with self._guard:
            if self._is_discarded:
                return
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            for block in blocks:
                _write_all(self._file, block)
                self._hash_block(memoryview(block))

    def sync(self) -> None:
        """Put the bytes and the name on disk, and close the file."""
        with self._guard:
            if self._file is None:
                raise ValueError("nothing was received")
            if self._is_durable:
                os.fsync(self._file)
            os.close(self._file)
            self._file = None
            if self._is_durable:
                _sync_folder(self._path.parent)  # which has the name

    def discard(self) -> None:
        """Remove the bytes. It may be called at any time, and repeatedly."""
        with self._guard:
            self._is_discarded = True  # a thread that still waits for the guard must not make the file again
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._path.unlink(missing_ok=True)


class Incoming(IncomingFile):
    """The bytes of an archive or of an inventory being received, with the hashes of the vault service."""

    def __init__(self, path: Path, *, is_durable: bool) -> None:
        super().__init__(path, self._hash, is_durable=is_durable)
        self._size = 0
        self._payload = hashlib.sha256()
        self._leaf = hashlib.sha256()
        self._leaves = bytearray()

    def finish(self) -> Received:
        """Sync the file and return its hashes."""
        self.sync()
        if self._size % LEAF_SIZE:
            self._leaves += self._leaf.digest()
        leaves = bytes(self._leaves)
        return Received(self.name, self._size, self._payload.digest(), combine_leaves(leaves), leaves)

    def _hash(self, view: memoryview) -> None:
        self._payload.update(view)
        while view:
            room = LEAF_SIZE - self._size % LEAF_SIZE
            piece = view[:room]
            self._leaf.update(piece)
            self._size += len(piece)
            view = view[room:]
            if self._size % LEAF_SIZE == 0:
                self._leaves += self._leaf.digest()
                self._leaf = hashlib.sha256()


def _write_all(file: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return  # folders cannot be opened there
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(path: Path) -> int:
    """Open a file that one process at a time can have. A process that ends, however that ends, frees it."""
    in_use = DirectoryInUseError(f"another server uses {path.parent}; stop it, or choose another directory")
    if sys.platform == "win32":
        try:
            path.unlink(missing_ok=True)  # refused while another process has it open
        except PermissionError as error:
            raise in_use from error
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise in_use from error
    return file
