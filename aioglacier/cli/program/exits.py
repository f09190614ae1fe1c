"""Exit codes, in one table for programs and for the help."""

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

#: The codes of errors. A class that is not listed has the code of the nearest class above it.
CODES: Final[dict[type[errors.GlacierError], Exit]] = {
    errors.GlacierError: Exit.OTHER,
    errors.InvalidPlanError: Exit.USAGE,
    errors.ClusterUnreachableError: Exit.TEMPORARY,
    errors.SourceError: Exit.OTHER,
    errors.TargetError: Exit.OTHER,
    errors.WriterClosedError: Exit.OTHER,
    errors.WriterOpenError: Exit.OTHER,
    errors.WriterBusyError: Exit.OTHER,
    errors.CredentialsError: Exit.IDENTITY,
    errors.ServiceError: Exit.REFUSED,
    errors.JobNotReadyError: Exit.NOT_YET,
    errors.TemporaryServiceError: Exit.TEMPORARY,
    errors.TransportError: Exit.TEMPORARY,
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
    errors.UploadLockedError: Exit.TEMPORARY,
}

#: Errors of one of several items: the others are worth trying.
_OF_ONE_ITEM: Final = (
    errors.EmptyArchiveError,
    errors.CostLimitError,
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
)


def exit_of(class_: type[errors.GlacierError]) -> Exit:
    """Return the exit code of a class of errors."""
    return next(CODES[each] for each in class_.__mro__ if each in CODES)


def is_about_one_item(error: errors.GlacierError) -> bool:
    """Return whether an error concerns only one of several items, so that the others are worth trying."""
    return isinstance(error, _OF_ONE_ITEM)
