"""Exit codes: the one table of what a program that runs this one is told.

Every class of the error tree is listed, so that whoever adds one has to think about its place. What the help
says is made from here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from aioglacier.core import errors


class Exit(IntEnum):
    """How it ended."""

    DONE = 0
    OTHER = 1
    USAGE = 2
    SOME_FAILED = 3
    INTEGRITY = 4
    TEMPORARY = 5
    IDENTITY = 6
    REFUSED = 7
    CATALOG = 8
    HANGUP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS: Final[dict[Exit, str]] = {
    Exit.DONE: "all done, and verified",
    Exit.OTHER: "another error: a file that cannot be read or written, a certificate that is not accepted",
    Exit.USAGE: "asked for something that cannot be: options, names, sizes, an empty file; nothing was sent",
    Exit.SOME_FAILED: "of several items some failed, each is listed; the others are done",
    Exit.INTEGRITY: "bytes and hashes disagree, or the source is not the one an upload began with",
    Exit.TEMPORARY: "trouble that will pass; what was done is safe, the same command goes on",
    Exit.IDENTITY: "credentials are missing, wrong or expired, or the clock is off",
    Exit.REFUSED: "the service refuses: no such vault, archive or job, expired, not allowed",
    Exit.CATALOG: "the catalog, the local record, cannot be used",
    Exit.HANGUP: "stopped by SIGHUP; what was done is safe, the same command goes on",
    Exit.INTERRUPTED: "stopped by Ctrl-C (SIGINT), likewise",
    Exit.BROKEN_PIPE: "whoever read the archive from standard output went away",
    Exit.TERMINATED: "stopped by SIGTERM, likewise",
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
    errors.JobNotReadyError: Exit.TEMPORARY,
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
    errors.WaitTimeoutError: Exit.TEMPORARY,
    errors.WorkerDiedError: Exit.TEMPORARY,
    errors.CatalogError: Exit.CATALOG,
    errors.CatalogBusyError: Exit.CATALOG,
    errors.CatalogDamagedError: Exit.CATALOG,
    errors.CatalogMismatchError: Exit.CATALOG,
    errors.UploadLockedError: Exit.TEMPORARY,
}


def exit_of(error: errors.GlacierError) -> Exit:
    """The exit code of an error: its class's, or that of the nearest class above it."""
    for class_ in type(error).__mro__:
        if class_ in CODES:
            return CODES[class_]
    return Exit.OTHER


def is_about_one_item(error: errors.GlacierError) -> bool:
    """Whether, of several items, only this one is concerned, so that the others are still worth trying."""
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
