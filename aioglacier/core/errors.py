"""Every error a user can meet: one tree, one root.

::

    GlacierError
        InvalidPlanError (also ValueError)      asked for something that cannot be; nothing was sent
            EmptyArchiveError
            InvalidPartSizeError
            TooManyPartsError
            MemoryLimitError
            DescriptionError
            VaultNameError
            InvalidIdError
            InvalidRangeError
            InputTypeError (also TypeError)
            CostLimitError
            ConfigurationError
        SourceError                             the bytes to archive could not be had as promised
            SourceUnreadableError
            SourceChangedError
            LengthMismatchError
        TargetError                             the place to restore to is not fit
            UnsafePathError
        WriterClosedError                       wrong order of calls
        WriterBusyError
        CredentialsError                        who you are, or when, is not accepted
            NoCredentialsError
            InvalidCredentialsError
            CredentialsExpiredError
            ClockSkewError
        ServiceError                            the service answered, and refused
            AccessDeniedError
            InvalidParameterError
            LimitExceededError
            PolicyEnforcedError
            NoLongerSupportedError
            InsufficientCapacityError
            JobNotReadyError
            ResourceNotFoundError
                VaultNotFoundError
                ArchiveNotFoundError
                UploadNotFoundError
                JobNotFoundError
            TemporaryServiceError
                ThrottledError
        TransportError                          the service could not be talked to
            ConnectionFailedError
            ConnectionLostError
            StalledTransferError
            CertificateError
            RedirectRefusedError
            UnexpectedResponseError
        IntegrityError                          bytes and hashes disagree
        UploadFailedError                       trouble outlasted every retry; the upload can be resumed
        UploadExpiredError
        ResumeMismatchError
        OutcomeUnknownError                     an answer was lost, and asking again does not settle it
        JobFailedError
        InventoryError                          an inventory document is cut short, or is none
        WaitTimeoutError
        WorkerDiedError
        CatalogError                            the local record cannot be used, or does not agree
            CatalogBusyError
            CatalogDamagedError
            CatalogMismatchError
            UploadLockedError

An error is data first and a sentence second: what a program needs is an attribute. The attributes that
``GlacierError`` itself lists are filled in by whoever knows them while the error travels up: the retry
layer knows how often and how long, the writer knows which upload and how much of it is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.ranges import ByteRange


class GlacierError(Exception):
    """The root of every error raised here on purpose.

    Attributes:
        vault: The vault's name.
        upload_id: The multipart upload that was left open; ``Vault.resume`` continues it.
        sent: How many bytes of that upload the service has acknowledged.
        attempts: How often it was tried.
        elapsed_seconds: From the first attempt to the last.
    """

    vault: str | None = None
    upload_id: str | None = None
    sent: int | None = None
    attempts: int | None = None
    elapsed_seconds: float | None = None

    @property
    def message(self) -> str:
        """The sentence alone, without what was filled in on the way up."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        return self.message + self._circumstances()

    def _circumstances(self) -> str:
        facts = []
        if self.vault is not None and self.vault not in self.message:
            facts.append(f"vault {self.vault}")
        if self.upload_id is not None and self.upload_id not in self.message:
            facts.append(f"upload {self.upload_id}")
        if self.sent is not None:
            facts.append(f"{self.sent} bytes are safe at the service")
        if self.attempts is not None and self.attempts > 1:
            facts.append(f"{self.attempts} attempts in {self.elapsed_seconds or 0:.0f} s")
        facts = [fact for fact in facts if fact not in self.message]
        return f" ({', '.join(facts)})" if facts else ""


# --- asked for something that cannot be ---------------------------------------------------------------


class InvalidPlanError(GlacierError, ValueError):
    """What was asked for cannot be done by anyone; nothing was sent."""


class EmptyArchiveError(InvalidPlanError):
    """The source holds no bytes, and the service keeps no empty archives."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}, but the service keeps no empty archives; give at least 1 byte")


class InvalidPartSizeError(InvalidPlanError):
    """The part size is not 1 MiB x 2**k from 1 MiB to 4 GiB.

    Attributes:
        part_size: What was asked for, in bytes.
        nearest: The one or two allowed sizes nearest to it.
    """

    def __init__(self, *, part_size: int, nearest: tuple[int, ...]) -> None:
        super().__init__(
            f"a part size is a number of bytes, 1 MiB x 2**k up to 4 GiB, not {part_size!r}; the nearest: "
            + " or ".join(f"{size} ({size >> 20} MiB)" for size in nearest)
        )
        self.part_size = part_size
        self.nearest = nearest


class TooManyPartsError(InvalidPlanError):
    """The archive needs more than 10,000 parts of this size.

    Attributes:
        part_size: The part size in use.
        size: The archive's size, or ``None`` for a stream whose end is not in sight.
        suggested_part_size: The smallest part size that would do; for a stream the next larger one.
    """

    def __init__(self, *, part_size: int, size: int | None, suggested_part_size: int | None) -> None:
        what = f"an archive of {size} bytes" if size is not None else "the stream"
        hint = (
            f"; choose a part size of {suggested_part_size} ({suggested_part_size >> 20} MiB)"
            if suggested_part_size is not None
            else "; it is more than any archive can hold, so split it"
        )
        super().__init__(
            f"{what} passes {VAULT.max_parts:,} parts of {part_size >> 20} MiB, which end at "
            f"{VAULT.max_parts * part_size} bytes{hint}"
        )
        self.part_size = part_size
        self.size = size
        self.suggested_part_size = suggested_part_size


class MemoryLimitError(InvalidPlanError):
    """One part is larger than the whole memory budget.

    Attributes:
        part_size: Bytes of one part.
        memory_limit: Bytes of the budget.
    """

    def __init__(self, *, part_size: int, memory_limit: int) -> None:
        super().__init__(
            f"a part of {part_size} bytes does not fit the memory limit of {memory_limit} bytes; raise the "
            f"limit to {2 * part_size} or more, or choose smaller parts"
        )
        self.part_size = part_size
        self.memory_limit = memory_limit


class DescriptionError(InvalidPlanError):
    """A description the service would refuse or garble.

    Attributes:
        description: The text as given.
    """

    def __init__(self, message: str, *, description: str) -> None:
        super().__init__(message)
        self.description = description


class VaultNameError(InvalidPlanError):
    """A name no vault can have.

    Attributes:
        name: The text as given.
    """

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class InvalidIdError(InvalidPlanError):
    """An id no archive, upload, job or lock can have.

    Attributes:
        kind: "archive", "upload", "job" or "lock".
        value: The text as given.
    """

    def __init__(self, message: str, *, kind: str, value: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.value = value


class InvalidRangeError(InvalidPlanError):
    """A byte range that cannot be retrieved or read.

    Attributes:
        byte_range: The range, or ``None`` where what was given is none.
    """

    def __init__(self, message: str, *, byte_range: ByteRange | None) -> None:
        super().__init__(message)
        self.byte_range = byte_range


class InputTypeError(InvalidPlanError, TypeError):
    """A source, or what it yielded, is not bytes.

    Attributes:
        type_name: The type that was met.
        chunk_index: Which item of an iterable it was, from 0; ``None`` for the source itself.
    """

    def __init__(self, message: str, *, type_name: str, chunk_index: int | None = None) -> None:
        super().__init__(message)
        self.type_name = type_name
        self.chunk_index = chunk_index


class CostLimitError(InvalidPlanError):
    """It would cost more than was allowed.

    Attributes:
        cost: What it would cost, by the price list, in its currency.
        limit: What was allowed.
    """

    def __init__(self, message: str, *, cost: float, limit: float) -> None:
        super().__init__(message)
        self.cost = cost
        self.limit = limit


class ConfigurationError(InvalidPlanError):
    """Region, endpoint, proxy or another setting is missing or makes no sense."""


# --- sources and targets ------------------------------------------------------------------------------


class SourceError(GlacierError):
    """The bytes to archive could not be had as promised; no archive was made."""


class SourceUnreadableError(SourceError):
    """A file could not be opened or read, or is of a kind that is refused.

    Attributes:
        path: The file.
        errno: The operating system's number, where it gave one.
        offset: How far reading had come, in bytes.
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
        field: What shows it: "size", "mtime", "ctime" or "inode".
    """

    def __init__(self, message: str, *, path: str, field: str) -> None:
        super().__init__(message)
        self.path = path
        self.field = field


class LengthMismatchError(SourceError):
    """A source gave more or fewer bytes than was declared.

    Attributes:
        expected: Bytes declared.
        actual: Bytes that came; where there were more, as many as were read before stopping.
    """

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TargetError(GlacierError):
    """The place to restore to exists already, is not writable, or has no room.

    Attributes:
        path: The place.
        needed: Bytes needed, where room is the trouble.
        free: Bytes free, likewise.
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
    """The writer was completed, aborted, or has failed before; what failed is the ``__cause__``."""


class WriterBusyError(GlacierError):
    """Another task is inside the same writer or reader."""


# --- who you are, or when -----------------------------------------------------------------------------


class CredentialsError(GlacierError):
    """Credentials or clock were not accepted.

    Attributes:
        code: The service's code, ``None`` where nothing was sent.
        request_id: The service's id of the request.
    """

    def __init__(self, message: str, *, code: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        request = f"request {self.request_id}" if self.request_id else ""
        answer = ", ".join(filter(None, (self.code, request)))
        return self.message + (f" [{answer}]" if answer else "") + self._circumstances()


class NoCredentialsError(CredentialsError):
    """No credentials were found anywhere; nothing was read or sent."""


class InvalidCredentialsError(CredentialsError):
    """The access key is unknown, or the secret key does not belong to it."""


class CredentialsExpiredError(CredentialsError):
    """Temporary credentials ran out and no newer ones could be had."""


class ClockSkewError(CredentialsError):
    """This machine's clock and the service's differ by more than a signature may.

    Attributes:
        local_time: By this machine, UTC.
        server_time: By the service's answer, UTC.
    """

    def __init__(
        self,
        message: str,
        *,
        local_time: datetime | None,
        server_time: datetime | None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.local_time = local_time
        self.server_time = server_time


# --- the service refused ------------------------------------------------------------------------------


class ServiceError(GlacierError):
    """The service answered with an error.

    Attributes:
        operation: The operation's name in the API, as "UploadMultipartPart".
        code: The service's code, "" where it gave none.
        status: The HTTP status.
        request_id: The service's id of the request.
        retry_after_seconds: What the answer asked for, where it did.
    """

    #: Whether the same request may succeed a little later.
    is_retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        code: str,
        status: int,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        answer = f"{self.status} {self.code}".strip()
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.operation}: {self.message} [{answer}{request}]{self._circumstances()}"


class AccessDeniedError(ServiceError):
    """A policy does not allow the operation, or the account is not yours."""


class InvalidParameterError(ServiceError):
    """The service calls a value or the state wrong (400)."""


class LimitExceededError(ServiceError):
    """More vaults, tags or capacity units than an account may have."""


class PolicyEnforcedError(ServiceError):
    """The account's data retrieval policy refuses the job; a later hour or another policy may allow it."""


class NoLongerSupportedError(ServiceError):
    """The account has no Glacier vaults, and since 15 December 2025 AWS makes none for new customers."""


class InsufficientCapacityError(ServiceError):
    """No capacity for an Expedited retrieval now; another tier works."""


class JobNotReadyError(ServiceError):
    """The job's output was asked for before the job was done."""


class ResourceNotFoundError(ServiceError):
    """What was named is not there (404)."""


class VaultNotFoundError(ResourceNotFoundError):
    """There is no vault of this name in this account and region."""


class ArchiveNotFoundError(ResourceNotFoundError):
    """There is no archive with this id in this vault."""


class UploadNotFoundError(ResourceNotFoundError):
    """There is no unfinished upload with this id: completed, aborted or expired."""


class JobNotFoundError(ResourceNotFoundError):
    """There is no job with this id; jobs go about a day after they are done."""


class TemporaryServiceError(ServiceError):
    """The service cannot answer now: 408, 429, 500, 502, 503 or 504."""

    is_retryable = True


class ThrottledError(TemporaryServiceError):
    """Too many requests; the service says so with status 400 or 429."""


# --- the service could not be talked to ---------------------------------------------------------------


class TransportError(GlacierError):
    """Something between here and the service failed.

    Attributes:
        operation: The operation's name in the API.
        may_have_taken_effect: Whether the service may have carried the request out all the same.
        is_retryable: Whether the same request may succeed a little later.
    """

    is_retryable: bool = True

    def __init__(self, message: str, *, operation: str, may_have_taken_effect: bool) -> None:
        super().__init__(message)
        self.operation = operation
        self.may_have_taken_effect = may_have_taken_effect

    def __str__(self) -> str:
        return f"{self.operation}: {self.message}{self._circumstances()}"


class ConnectionFailedError(TransportError):
    """No connection could be made: refused, no such host, no route."""


class ConnectionLostError(TransportError):
    """An open connection was closed, reset or cut in the middle of a request or an answer."""


class StalledTransferError(TransportError):
    """No byte moved for too long, or too few did."""


class CertificateError(TransportError):
    """The server's TLS certificate was not accepted."""

    is_retryable = False


class RedirectRefusedError(TransportError):
    """The answer points elsewhere. Bytes and credentials go to one origin only.

    Attributes:
        origin: Where the request went.
        location: Where the answer points.
    """

    is_retryable = False

    def __init__(self, message: str, *, operation: str, origin: str, location: str) -> None:
        super().__init__(message, operation=operation, may_have_taken_effect=False)
        self.origin = origin
        self.location = location


class UnexpectedResponseError(TransportError):
    """The answer is none that Glacier gives: a proxy's page, a success without its proof.

    Attributes:
        status: The HTTP status.
    """

    is_retryable = False

    def __init__(
        self, message: str, *, operation: str, status: int, may_have_taken_effect: bool = True
    ) -> None:
        super().__init__(message, operation=operation, may_have_taken_effect=may_have_taken_effect)
        self.status = status


# --- transfers ----------------------------------------------------------------------------------------


class IntegrityError(GlacierError):
    """Bytes and hashes disagree; nothing was reported as done.

    Attributes:
        expected: The tree hash that should have been.
        actual: The tree hash that was.
        byte_range: The bytes concerned, ``None`` for the whole archive.
        archive_id: The archive, where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: bytes,
        actual: bytes,
        byte_range: ByteRange | None = None,
        archive_id: str | None = None,
    ) -> None:
        super().__init__(f"{message}: expected tree hash {expected.hex()}, got {actual.hex()}")
        self.expected = expected
        self.actual = actual
        self.byte_range = byte_range
        self.archive_id = archive_id


class UploadFailedError(GlacierError):
    """Trouble outlasted every retry; it is the ``__cause__``, and ``upload_id`` resumes the upload."""


class UploadExpiredError(GlacierError):
    """The upload is no longer at the service, which removes one after 24 hours without activity."""


class ResumeMismatchError(GlacierError):
    """The source is not the one the upload was begun with.

    Attributes:
        byte_range: The first bytes that differ, ``None`` where sizes already do.
    """

    def __init__(self, message: str, *, byte_range: ByteRange | None = None) -> None:
        super().__init__(message)
        self.byte_range = byte_range


class OutcomeUnknownError(GlacierError):
    """The service may hold the archive, but its answer was lost and cannot be had again.

    The inventory settles it: within three days it lists an archive of this size and tree hash, or not.

    Attributes:
        size: Bytes of the archive.
        tree_hash: Its tree hash.
    """

    def __init__(self, message: str, *, size: int, tree_hash: bytes) -> None:
        super().__init__(
            f"{message}; look for an archive of {size} bytes with tree hash {tree_hash.hex()} in an "
            "inventory made after today before sending it again"
        )
        self.size = size
        self.tree_hash = tree_hash


class JobFailedError(GlacierError):
    """The service gave the job up.

    Attributes:
        job_id: The job.
        status_message: The service's reason.
    """

    def __init__(self, message: str, *, job_id: str, status_message: str | None) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.status_message = status_message


class InventoryError(GlacierError):
    """An inventory document is cut short, or is not what the service writes.

    Attributes:
        offset: The byte of the document, from 0, where reading stopped.
    """

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(
            f"the inventory cannot be read at byte {offset}: {reason}; download the job's output again, and "
            "if it is the same then, retrieve a new inventory"
        )
        self.offset = offset


class WaitTimeoutError(GlacierError):
    """A wait came to the end it was given; what was waited for goes on.

    Attributes:
        waited_seconds: How long.
    """

    def __init__(self, message: str, *, waited_seconds: float) -> None:
        super().__init__(message)
        self.waited_seconds = waited_seconds


class WorkerDiedError(GlacierError):
    """Hash worker processes died or hung again and again over the same part.

    Attributes:
        exit_code: Of the last one; negative is the number of the signal that killed it.
    """

    def __init__(self, message: str, *, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


# --- the local record ---------------------------------------------------------------------------------


class CatalogError(GlacierError):
    """The local record cannot be read or written; nothing more may be sent that would not be on record.

    Attributes:
        path: The catalog's file.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class CatalogBusyError(CatalogError):
    """Another process kept the catalog to itself for too long.

    Attributes:
        waited_seconds: How long.
    """

    def __init__(self, message: str, *, waited_seconds: float, path: str | None = None) -> None:
        super().__init__(message, path=path)
        self.waited_seconds = waited_seconds


class CatalogDamagedError(CatalogError):
    """The catalog is cut short, overwritten or no catalog at all; it was kept under another name.

    Attributes:
        moved_to: Where it is now.
    """

    def __init__(self, reason: str, *, path: str, moved_to: str) -> None:
        super().__init__(
            f"the catalog {path!r} is damaged ({reason}) and was kept as {moved_to!r}; the next command "
            "begins a new one, and 'aioglacier inventory VAULT' fills it for each vault",
            path=path,
        )
        self.moved_to = moved_to


class CatalogMismatchError(CatalogError):
    """What the catalog has on record belongs elsewhere: another vault, region, account or archive.

    Attributes:
        recorded: What is on record.
        found: What was met.
    """

    def __init__(self, message: str, *, recorded: str, found: str, path: str | None = None) -> None:
        super().__init__(f"{message}: on record is {recorded}, but this is {found}", path=path)
        self.recorded = recorded
        self.found = found


class UploadLockedError(CatalogError):
    """Another process uploads the same source to the same vault; its lock ends with it.

    Attributes:
        source: The source.
        pid: That process, ``None`` if it had no time yet to say.
        host: The machine it runs on, likewise.
    """

    def __init__(
        self, *, source: str, pid: int | None = None, host: str | None = None, path: str | None = None
    ) -> None:
        who = "another process" if pid is None else f"process {pid} on {host}"
        super().__init__(f"{source!r} is being uploaded by {who}; wait for it or stop it", path=path)
        self.source = source
        self.pid = pid
        self.host = host
