"""What went wrong, told as the one thing that it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aioglacier.core.errors import TemporaryServiceError, TransportError, UploadFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def first_cause() -> Iterator[None]:
    """Raise the first error of an exception group instead of the group, which stays as its cause.

    Siblings are cancelled by the first failure, so what else is in the group came of it.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


def as_failed_upload(error: BaseException) -> BaseException:
    """Trouble that outlasted the retries becomes an error that says so; any other is itself."""
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
