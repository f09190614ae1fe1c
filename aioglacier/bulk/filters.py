"""Patterns that select paths, as in ``.gitignore``."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from aioglacier.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pathspec import GitIgnoreSpec


class PathFilter:
    """Patterns that exclude, and patterns that bring back what those exclude.

    They read as the lines of a ``.gitignore`` at the top of the folder: ``*.tmp`` anywhere, ``/cache/`` at
    the top. What is below an excluded folder is excluded, too, unless an include names it from the top:
    ``/cache/keep``. An include without a "/", such as ``*.md``, brings back nothing from an excluded folder.
    """

    def __init__(self, exclude: Sequence[str], include: Sequence[str] = ()) -> None:
        named = [pattern for pattern in include if "/" in pattern.rstrip("/")]
        loose = [pattern for pattern in include if "/" not in pattern.rstrip("/")]
        self._spec = _compile([*exclude, *(f"!{pattern}" for pattern in loose)])
        self._named = _compile(named) if named else None
        self._steps = [pattern.strip("/").split("/") for pattern in named]

    def excludes(self, path: bytes) -> bool:
        """Return whether a path is left out, in a folder that is not; a folder's path ends in "/"."""
        return self._spec.match_file(os.fsdecode(path)) and not self.names(path)

    def names(self, path: bytes) -> bool:
        """Return whether an include brings a path back, even from an excluded folder."""
        return self._named is not None and self._named.match_file(os.fsdecode(path))

    def leads_on(self, folder: bytes) -> bool:
        """Return whether an include may bring back something below an excluded folder."""
        steps = os.fsdecode(folder).strip("/").split("/")
        return any(
            "**" in pattern[: len(steps)]
            or (len(pattern) > len(steps) and all(map(fnmatchcase, steps, pattern)))
            for pattern in self._steps
        )

    def excludes_within(self, path: bytes) -> bool:
        """Return whether a path is left out by itself or because a folder that it is in is."""
        if self.names(path):
            return False
        return any(self.excludes(path[: end + 1]) for end in (*_slashes(path), len(path)))


class NamedPaths:
    """The paths that a list names, with what is in folders among them, less what patterns exclude.

    Attributes:
        unmet: Named paths that nothing asked for so far.
    """

    def __init__(self, named: Iterable[bytes], patterns: PathFilter | None) -> None:
        self._named = frozenset(path.rstrip(b"/") for path in named)
        self.unmet = set(self._named)
        self._above = {path[:end] for path in self._named for end in _slashes(path)}
        self._patterns = patterns

    def excludes(self, path: bytes) -> bool:
        """Return whether a path is left out, in a folder that is not; a folder's path ends in "/"."""
        return not self._is_named(path) or (self._patterns is not None and self._patterns.excludes(path))

    def names(self, path: bytes) -> bool:
        """Return whether a path is to be taken, even from a folder that is not."""
        return not self.excludes_within(path)

    def leads_on(self, folder: bytes) -> bool:
        """Return whether a path below a folder is named."""
        return folder.rstrip(b"/") in self._above

    def excludes_within(self, path: bytes) -> bool:
        """Return whether a path is left out by itself or because a folder that it is in is."""
        is_excluded = self._patterns is not None and self._patterns.excludes_within(path)
        return is_excluded or not self._is_named(path)

    def _is_named(self, path: bytes) -> bool:
        path = path.rstrip(b"/")
        self.unmet.discard(path)
        return path in self._named or any(path[:end] in self._named for end in _slashes(path))


class PathSelection:
    """Patterns that select a path that one of them matches, or that is in a folder that one matches.

    Attributes:
        bounds: All that is selected comes from the first of these paths on, and before the second; ``None``
            where it may be anywhere.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._spec = _compile(patterns)
        self._each = {pattern: _compile([pattern]) for pattern in patterns if not pattern.startswith("!")}
        self.bounds = _bounds([_fixed_start(pattern) for pattern in self._each])

    @property
    def unmatched(self) -> list[str]:
        """Patterns that have matched no path so far."""
        return list(self._each)

    def selects(self, path: bytes) -> bool:
        """Return whether a path below the folder is selected."""
        shown = os.fsdecode(path)
        for pattern in [each for each, spec in self._each.items() if spec.match_file(shown)]:
            self._each.pop(pattern, None)  # two threads may be here
        return self._spec.match_file(shown)


def _fixed_start(pattern: str) -> bytes:
    """Return the bytes that begin every path that a pattern matches; none if it matches anywhere."""
    if "/" not in pattern.rstrip("/"):
        return b""
    # Spaces at the end of a pattern do not count.
    return os.fsencode(re.split(r"[*?[\\]", pattern, maxsplit=1)[0].lstrip("/").rstrip(" "))


def _bounds(starts: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    bodies = [start.rstrip(b"\xff") for start in starts]  # this byte has no next one
    if not bodies or not all(bodies):
        return None
    return min(starts), max(body[:-1] + bytes([body[-1] + 1]) for body in bodies)


def make_filter(
    exclude: Sequence[str], include: Sequence[str] = (), *, only: Iterable[bytes] | None = None
) -> PathFilter | NamedPaths | None:
    """Return the filter that patterns and a list describe; ``None`` where everything is selected."""
    patterns = PathFilter(exclude, include) if exclude else None
    return patterns if only is None else NamedPaths(only, patterns)


def _slashes(path: bytes) -> list[int]:
    return [at for at, byte in enumerate(path) if byte == ord("/")]


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
