"""What a task group raised, told as the one thing that went wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
