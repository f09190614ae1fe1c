"""Which paths are meant: patterns as in ``.gitignore``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathspec import GitIgnoreSpec


class PathFilter:
    """Patterns that exclude, and patterns that bring back what those exclude.

    They read as the lines of a ``.gitignore`` at the top of the folder: ``*.tmp`` anywhere, ``/cache/`` at
    the top. What is below an excluded folder is excluded for good, since nobody looks into it.
    """

    def __init__(self, exclude: Sequence[str], include: Sequence[str] = ()) -> None:
        self._spec = _compile([*exclude, *(f"!{pattern}" for pattern in include)])

    def excludes(self, path: bytes) -> bool:
        """Whether a path below the folder is left out; a folder's ends in "/"."""
        return self._spec.match_file(os.fsdecode(path))


class PathSelection:
    """Patterns that select: a path that one of them matches, or that is in a folder that one matches."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._spec = _compile(patterns)

    def selects(self, path: bytes) -> bool:
        """Whether a path below the folder is meant."""
        return self._spec.match_file(os.fsdecode(path))


def make_filter(exclude: Sequence[str], include: Sequence[str] = ()) -> PathFilter | None:
    """The filter that the patterns describe; ``None`` where everything is meant."""
    return PathFilter(exclude, include) if exclude else None


def _compile(patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415  # an extra, and not needed by most
    except ImportError as error:
        raise ConfigurationError(
            "patterns need the package pathspec: pip install 'aioglacier[bulk]'"
        ) from error
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ConfigurationError(f"a pattern is not as in a .gitignore: {error}") from error
