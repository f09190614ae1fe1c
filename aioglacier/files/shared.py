"""A file on a path that several machines share, by facts that are the same on each of them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from aioglacier.files.open_flags import NOFOLLOW
from aioglacier.files.reading import FileChangedError, FileIdentity, fill, open_unchanged

#: Two disks that were copied block by block have equal inodes, sizes and times; this much of the content at
#: the start, the middle and the end tells them apart.
_SAMPLE: Final = 64 * 1024
_SAMPLE_NAMES: Final = 1000


class Shared(Protocol):
    """Something on a path that several machines share."""

    @property
    def path(self) -> str:
        """Its absolute path."""
        ...

    def difference_here(self) -> str | None:
        """Return the first fact that differs on this machine, ``None`` if it is the same. It blocks.

        "path" says that there is nothing, or that it cannot be used.
        """
        ...


class SharedFile(NamedTuple):
    """A regular file. The device number is left out, because each machine gives its own.

    Attributes:
        path: Absolute.
        inode: Of the file system that the machines share.
        size: Bytes.
        mtime_ns: Of the last change of content.
        sample: SHA-256 of some of the content.
    """

    path: str
    inode: int
    size: int
    mtime_ns: int
    sample: bytes

    @classmethod
    def of(cls, path: str, identity: FileIdentity) -> SharedFile:
        """Look at a file that has this identity here. It blocks.

        Raises:
            OSError: It cannot be read.
            FileChangedError: It is another file.
        """
        size = identity.size
        descriptor = open_unchanged(path, identity)
        try:
            length = min(_SAMPLE, size)
            content = sha256()
            for start in sorted({0, (size - length) // 2, size - length}):
                view = memoryview(bytearray(length))
                fill(view, descriptor, start)
                content.update(view)
        finally:
            os.close(descriptor)
        return cls(path, identity.inode, size, identity.mtime_ns, content.digest())

    def difference_here(self) -> str | None:
        """See ``Shared``."""
        try:
            here = SharedFile.of(self.path, self.identity_here())
        except OSError:
            return "path"
        except FileChangedError as error:  # just now
            return str(error)
        for field in ("inode", "size", "mtime_ns"):
            if getattr(self, field) != getattr(here, field):
                return field.removesuffix("_ns")
        return None if self.sample == here.sample else "content"

    def identity_here(self) -> FileIdentity:
        """Return what the file is on this machine."""
        return FileIdentity.of(Path(self.path).stat())


class SharedTarget(NamedTuple):
    """A file that several machines write to, at different offsets.

    Attributes:
        path: Absolute.
        inode: Of the file system that the machines share.
        size: Bytes, all of them from the start.
    """

    path: str
    inode: int
    size: int

    def open_here(self) -> int:
        """Open it for writing on this machine. It blocks.

        Raises:
            OSError: It cannot be opened.
            FileChangedError: It is another file here; the argument names the fact that differs.
        """
        descriptor = os.open(self.path, os.O_RDWR | NOFOLLOW)
        status = os.fstat(descriptor)
        for field, actual in (("inode", status.st_ino), ("size", status.st_size)):
            if getattr(self, field) != actual:
                os.close(descriptor)
                raise FileChangedError(field)
        return descriptor

    def difference_here(self) -> str | None:
        """See ``Shared``."""
        try:
            os.close(self.open_here())
        except OSError:
            return "path"
        except FileChangedError as error:
            return str(error)
        return None


class SharedFolder(NamedTuple):
    """A folder whose files several machines read or write.

    Attributes:
        path: Absolute.
        inode: Of the file system that the machines share.
        sample: SHA-256 of some of the names in it; ``None`` while files come and go.
    """

    path: str
    inode: int
    sample: bytes | None = None

    @classmethod
    def of(cls, path: str) -> SharedFolder:
        """Look at a folder. It blocks.

        Raises:
            OSError: It cannot be read.
        """
        names = sha256()
        with os.scandir(os.fsencode(path)) as found:
            for name, inode in sorted((each.name, each.inode()) for each in found)[:_SAMPLE_NAMES]:
                names.update(b"%b\0%d\0" % (name, inode))
        return cls(path, os.stat(path).st_ino, names.digest())  # noqa: PTH116  # of any bytes

    def difference_here(self) -> str | None:
        """See ``Shared``."""
        try:
            if self.inode != os.stat(self.path).st_ino:  # noqa: PTH116  # of any bytes
                return "inode"
            if self.sample is not None and self != SharedFolder.of(self.path):
                return "content"
        except OSError:
            return "path"
        return None
