"""The error that an upload's caller sees."""

from __future__ import annotations

from aioglacier.core.errors import TemporaryServiceError, TransportError, UploadFailedError


def as_failed_upload(error: BaseException) -> BaseException:
    """Return an ``UploadFailedError`` for trouble that outlasted the retries, any other error as it is."""
    if not isinstance(error, TemporaryServiceError | TransportError) or not error.is_retryable:
        return error
    failure = UploadFailedError(f"the upload could not go on: {error}")
    failure.__cause__ = error
    failure.vault, failure.attempts, failure.elapsed_seconds = (
        error.vault,
        error.attempts,
        error.elapsed_seconds,
    )
    return failure
