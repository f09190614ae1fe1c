"""Errors of a transfer, a job or an inventory as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors.root import GlacierError

if TYPE_CHECKING:
    from aioglacier.core.ranges import ByteRange


class IntegrityError(GlacierError):
    """Bytes and hashes disagree; nothing was reported as done.

    Attributes:
        expected: The tree hash, or S3's checksum, that was expected.
        actual: The one of the bytes.
        byte_range: The bytes concerned, ``None`` for the whole archive.
        is_stored: Whether the service stored them nevertheless.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: bytes,
        actual: bytes,
        byte_range: ByteRange | None = None,
        archive_id: str | None = None,
        kind: str = "tree hash",
        is_stored: bool = False,
    ) -> None:
        hashes = f": expected {kind} {expected.hex()}, got {actual.hex()}" if expected or actual else ""
        super().__init__(message + hashes)
        self.expected = expected
        self.actual = actual
        self.byte_range = byte_range
        self.archive_id = archive_id
        self.is_stored = is_stored or archive_id is not None


class UploadFailedError(GlacierError):
    """The upload failed after every retry; ``__cause__`` has the reason and ``upload_id`` resumes it."""


class UploadExpiredError(GlacierError):
    """The upload is no longer at the service, which removes one after 24 hours without activity."""


class ResumeMismatchError(GlacierError):
    """The source is not the one that the upload began with.

    Attributes:
        byte_range: The first bytes that differ, ``None`` if the sizes differ.
    """

    def __init__(self, message: str, *, byte_range: ByteRange | None = None) -> None:
        super().__init__(message)
        self.byte_range = byte_range


class OutcomeUnknownError(GlacierError):
    """The service may hold the archive: its answer was lost, and it gives no other.

    A later inventory of a vault settles it: within three days it lists an archive of this size and tree hash,
    or not. The head of an S3 object settles it at once.

    Attributes:
        size: Bytes of the archive.
        tree_hash: Its tree hash, ``b""`` for an S3 object.
    """

    def __init__(self, message: str, *, size: int, tree_hash: bytes = b"") -> None:
        super().__init__(
            f"{message}; look for an archive of {size} bytes with tree hash {tree_hash.hex()} in an "
            "inventory made after today before sending it again"
            if tree_hash
            else f"{message}; look at the object under this key before sending it again"
        )
        self.size = size
        self.tree_hash = tree_hash


class JobFailedError(GlacierError):
    """The service failed to carry out the job.

    Attributes:
        status_message: The service's reason.
    """

    def __init__(self, message: str, *, job_id: str, status_message: str | None) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.status_message = status_message


class InventoryError(GlacierError):
    """An inventory document is cut short, or is not what the service writes.

    Attributes:
        offset: The byte of the document, from 0, at which reading stopped.
    """

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(
            f"the inventory cannot be read at byte {offset}: {reason}; download the job's output again; "
            "if that fails too, retrieve a new inventory"
        )
        self.offset = offset


class NotStoredError(GlacierError):
    """No proven archive has a file that was archived before; ``file`` is its path."""


class WaitTimeoutError(GlacierError):
    """A wait reached its time limit; the job or upload continues.

    Attributes:
        waited_seconds: The length of the wait.
    """

    def __init__(self, message: str, *, waited_seconds: float) -> None:
        super().__init__(message)
        self.waited_seconds = waited_seconds


class WorkerDiedError(GlacierError):
    """Worker processes died or hung repeatedly at the same work, or all of them were lost.

    Attributes:
        exit_code: The last one's; a negative number is the signal that killed it. ``None`` if unknown.
    """

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
