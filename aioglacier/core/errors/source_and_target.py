"""Errors of the bytes to archive, of the place to restore to, and of the order of calls."""

from __future__ import annotations

from aioglacier.core.errors.root import GlacierError


class SourceError(GlacierError):
    """The bytes to archive are missing, unreadable or changed; no archive was made."""


class SourceUnreadableError(SourceError):
    """A file could not be opened or read, or is of a kind that is refused.

    Attributes:
        path: The file.
        errno: The operating system's error number, if it gave one.
        offset: The number of bytes read before the error.
    """

    def __init__(
        self, message: str, *, path: str, errno: int | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno
        self.offset = offset


class SourceChangedError(SourceError):
    """A file changed while it was read.

    Attributes:
        path: The file.
        field: The attribute that shows it: "size", "mtime", "ctime" or "inode".
    """

    def __init__(self, message: str, *, path: str, field: str) -> None:
        super().__init__(message)
        self.path = path
        self.field = field


class NotSharedError(SourceError):
    """A file that several machines were to read is not the same on each of them; nothing of it was sent.

    Attributes:
        path: The file.
        worker: The address of the worker where it differs.
        field: The fact that differs: "path", "inode", "size", "mtime" or "content".
    """

    def __init__(self, message: str, *, path: str, worker: str, field: str) -> None:
        super().__init__(message)
        self.path = path
        self.worker = worker
        self.field = field


class LengthMismatchError(SourceError):
    """A source gave more or fewer bytes than was declared.

    Attributes:
        expected: Bytes declared.
        actual: Bytes read; of a source that is too long, the bytes read before stopping.
    """

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TargetError(GlacierError):
    """The place to restore to exists already, is not writable, or has no room.

    Attributes:
        path: The place.
        needed: Bytes needed, if the disk is full.
        free: Bytes free, if the disk is full.
    """

    def __init__(
        self, message: str, *, path: str, needed: int | None = None, free: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.needed = needed
        self.free = free


class UnsafePathError(TargetError):
    """A path leads out of its folder, or through a link; nothing was read or written there."""


class WriterClosedError(GlacierError):
    """The writer was completed, aborted, or failed before; ``__cause__`` is that failure."""


class WriterOpenError(GlacierError):
    """The archive was asked for before the writer was completed."""


class WriterBusyError(GlacierError):
    """Another task is using the same writer or reader."""
