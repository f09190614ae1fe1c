"""Paths that failed while the run went on with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from aioglacier.core.errors import GlacierError

_KEPT: Final = 1000


class PathFailure(NamedTuple):
    """A path that could not be archived or restored."""

    path: bytes
    error: GlacierError


class PathFailures:
    """The failures of one run: all are counted, the first thousand are kept.

    Attributes:
        count: How many there are.
        kept: The first of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[PathFailure] = []

    def add(self, path: bytes, error: GlacierError) -> None:
        """Count a failure, and keep it if there is room."""
        self.count += 1
        if len(self.kept) < _KEPT:
            self.kept.append(PathFailure(path, error))
