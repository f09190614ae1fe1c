"""Exception groups at the public surface: callers see the first cause, not the group."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def first_cause() -> Iterator[None]:
    """Raise the first error of an exception group instead of the group, which stays as its cause.

    The first failure cancels its siblings, so the other errors in the group are its consequences.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]  # a group lists the failures in their order
        raise error from group
