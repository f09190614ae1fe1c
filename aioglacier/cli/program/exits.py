"""Exit codes, in one table for programs and for the help.

Every class of the error tree is listed: a test fails for a new class without a code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from aioglacier.core import errors


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    OTHER = 1
    USAGE = 2
    SOME_FAILED = 3
    INTEGRITY = 4
    TEMPORARY = 5
    IDENTITY = 6
    REFUSED = 7
    CATALOG = 8
    NOT_YET = 75
    HANGUP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS: Final[dict[Exit, str]] = {
    Exit.DONE: "all done and verified",
    Exit.OTHER: "another error, such as a file that cannot be read or written",
    Exit.USAGE: "wrong usage: options, names, sizes, an empty file. Nothing was sent",
    Exit.SOME_FAILED: "some of several items failed; each is listed, and the others are done",
    Exit.INTEGRITY: "bytes and hashes disagree, or the source changed since the upload began",
    Exit.TEMPORARY: "temporary trouble; the state is saved, run the same command again to go on",
    Exit.IDENTITY: "credentials are missing, wrong or expired, or the clock is wrong",
    Exit.REFUSED: "the service refused: no such vault, archive or job; expired; not allowed",
    Exit.CATALOG: "the catalog, which is the local record, cannot be used",
    Exit.NOT_YET: "asked for and not there yet; run the same command later to fetch it",
    Exit.HANGUP: "stopped by SIGHUP; the state is saved, run the same command again to go on",
    Exit.INTERRUPTED: "stopped by Ctrl-C (SIGINT), with the state saved as above",
    Exit.BROKEN_PIPE: "the reader of standard output went away",
    Exit.TERMINATED: "stopped by SIGTERM, with the state saved as above",
}

CODES: Final[dict[type[errors.GlacierError], Exit]] = {
    errors.GlacierError: Exit.OTHER,
    errors.InvalidPlanError: Exit.USAGE,
    errors.EmptyArchiveError: Exit.USAGE,
    errors.InvalidPartSizeError: Exit.USAGE,
    errors.TooManyPartsError: Exit.USAGE,
    errors.MemoryLimitError: Exit.USAGE,
    errors.DescriptionError: Exit.USAGE,
    errors.VaultNameError: Exit.USAGE,
    errors.InvalidIdError: Exit.USAGE,
    errors.InvalidRangeError: Exit.USAGE,
    errors.InputTypeError: Exit.USAGE,
    errors.ConfigurationError: Exit.USAGE,
    errors.InsecureEndpointError: Exit.USAGE,
    errors.CostLimitError: Exit.USAGE,
    errors.SourceError: Exit.OTHER,
    errors.SourceUnreadableError: Exit.OTHER,
    errors.SourceChangedError: Exit.OTHER,
    errors.LengthMismatchError: Exit.OTHER,
    errors.TargetError: Exit.OTHER,
    errors.UnsafePathError: Exit.OTHER,
    errors.WriterClosedError: Exit.OTHER,
    errors.WriterBusyError: Exit.OTHER,
    errors.CredentialsError: Exit.IDENTITY,
    errors.NoCredentialsError: Exit.IDENTITY,
    errors.InvalidCredentialsError: Exit.IDENTITY,
    errors.CredentialsExpiredError: Exit.IDENTITY,
    errors.ClockSkewError: Exit.IDENTITY,
    errors.ServiceError: Exit.REFUSED,
    errors.AccessDeniedError: Exit.REFUSED,
    errors.InvalidParameterError: Exit.REFUSED,
    errors.LimitExceededError: Exit.REFUSED,
    errors.PolicyEnforcedError: Exit.REFUSED,
    errors.NoLongerSupportedError: Exit.REFUSED,
    errors.InsufficientCapacityError: Exit.REFUSED,
    errors.JobNotReadyError: Exit.NOT_YET,
    errors.ResourceNotFoundError: Exit.REFUSED,
    errors.VaultNotFoundError: Exit.REFUSED,
    errors.ArchiveNotFoundError: Exit.REFUSED,
    errors.UploadNotFoundError: Exit.REFUSED,
    errors.JobNotFoundError: Exit.REFUSED,
    errors.TemporaryServiceError: Exit.TEMPORARY,
    errors.ThrottledError: Exit.TEMPORARY,
    errors.TransportError: Exit.TEMPORARY,
    errors.ConnectionFailedError: Exit.TEMPORARY,
    errors.ConnectionLostError: Exit.TEMPORARY,
    errors.StalledTransferError: Exit.TEMPORARY,
    errors.CertificateError: Exit.OTHER,
    errors.RedirectRefusedError: Exit.OTHER,
    errors.UnexpectedResponseError: Exit.OTHER,
    errors.IntegrityError: Exit.INTEGRITY,
    errors.UploadFailedError: Exit.TEMPORARY,
    errors.UploadExpiredError: Exit.REFUSED,
    errors.ResumeMismatchError: Exit.INTEGRITY,
    errors.OutcomeUnknownError: Exit.TEMPORARY,
    errors.JobFailedError: Exit.REFUSED,
    errors.InventoryError: Exit.INTEGRITY,
    errors.NotStoredError: Exit.INTEGRITY,
    errors.WaitTimeoutError: Exit.NOT_YET,
    errors.WorkerDiedError: Exit.TEMPORARY,
    errors.CatalogError: Exit.CATALOG,
    errors.CatalogBusyError: Exit.CATALOG,
    errors.CatalogDamagedError: Exit.CATALOG,
    errors.CatalogMismatchError: Exit.CATALOG,
    errors.UploadLockedError: Exit.TEMPORARY,
}


def exit_of(error: errors.GlacierError) -> Exit:
    """Return the exit code of an error: its class's, or that of the nearest class above it."""
    for class_ in type(error).__mro__:
        if class_ in CODES:
            return CODES[class_]
    return Exit.OTHER


def is_about_one_item(error: errors.GlacierError) -> bool:
    """Return whether an error concerns only one of several items, so that the others are worth trying."""
    return isinstance(
        error,
        (
            errors.EmptyArchiveError,
            errors.DescriptionError,
            errors.TooManyPartsError,
            errors.SourceError,
            errors.IntegrityError,
            errors.ResumeMismatchError,
            errors.UploadExpiredError,
            errors.OutcomeUnknownError,
            errors.ArchiveNotFoundError,
            errors.UploadNotFoundError,
            errors.WorkerDiedError,
            errors.UploadLockedError,
        ),
    )
