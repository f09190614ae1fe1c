"""The choice of paths, and of their versions, for a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aioglacier.bulk.filters import PathFilter, PathSelection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aioglacier.catalog.folders.entry_records import Entry


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The conditions that a path must meet; without any, every path does.

    Attributes:
        patterns: As in a ``.gitignore``; a path is selected if one matches it or a folder that it is in.
        exclude: Patterns of paths that are left out although a pattern selects them.
        at: As the folder was at this time; aware.
        larger, smaller: Bytes, both included; of files only.
        modified_after, modified_before: Of files only; aware.
    """

    patterns: Sequence[str] = ()
    exclude: Sequence[str] = ()
    at: datetime | None = None
    larger: int | None = None
    smaller: int | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None


@dataclass(slots=True)
class Selection:
    """Decides path by path.

    Attributes:
        selects_all: Whether every path is selected.
        is_query: Whether files are chosen by what they are, so that empty folders are not selected.
    """

    options: SelectionOptions
    selects_all: bool = field(init=False)
    is_query: bool = field(init=False)
    _patterns: PathSelection | None = field(init=False)
    _exclude: PathFilter | None = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        bounds = (options.larger, options.smaller, options.modified_after, options.modified_before)
        self.is_query = any(bound is not None for bound in bounds)
        self._patterns = PathSelection(options.patterns) if options.patterns else None
        self._exclude = PathFilter(options.exclude) if options.exclude else None
        self.selects_all = self._patterns is None and self._exclude is None and not self.is_query

    @property
    def unmatched(self) -> list[str]:
        """Patterns that have matched no path so far."""
        return self._patterns.unmatched if self._patterns is not None else []

    @property
    def bounds(self) -> tuple[bytes, bytes] | None:
        """Return a path before all selected paths and one after them; ``None`` for no bound."""
        return self._patterns.bounds if self._patterns is not None else None

    @property
    def has_patterns(self) -> bool:
        """Return whether paths are chosen by their names."""
        return self._patterns is not None

    def selects(self, entry: Entry) -> bool:
        """Return whether this version is selected."""
        path = entry.path
        if self._patterns is not None and not self._patterns.selects(path):
            return False
        if self._exclude is not None and self._exclude.excludes(path):
            return False
        return not self.is_query or self._answers(entry)

    def _answers(self, entry: Entry) -> bool:
        options = self.options
        if entry.kind not in {"file", "hardlink"}:
            return False
        if options.larger is not None and entry.size < options.larger:
            return False
        if options.smaller is not None and entry.size > options.smaller:
            return False
        if options.modified_after is not None and entry.mtime_ns < _ns(options.modified_after):
            return False
        return options.modified_before is None or entry.mtime_ns < _ns(options.modified_before)


def _ns(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000
