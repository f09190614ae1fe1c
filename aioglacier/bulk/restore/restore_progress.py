"""The counters, failures and notices of one restore."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.path_failures import PathFailures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aioglacier.bulk.restore.placer import Placed

#: Older versions that are named one by one.
_NAMED: Final = 20


@dataclass(slots=True)
class RestoreProgress:
    """The state of one restore; all of its tasks and threads add to it.

    Attributes:
        there: Links, folders and empty files that were in their places already.
        restored: Paths put into their places.
        restored_size: Their bytes.
        waiting: Jobs not done yet.
        left: Jobs that were not done, and not waited for.
        fetched: Bytes fetched.
        failures: Paths that are not in their places.
        refused: The kinds of attributes that the system did not let us set, each with the first reason.
        older: Paths of which an older version comes back, because the archive of the newest is not proven.
    """

    there: int = 0
    restored: int = 0
    restored_size: int = 0
    waiting: int = 0
    left: int = 0
    fetched: int = 0
    failures: PathFailures = field(default_factory=PathFailures)
    refused: dict[str, str] = field(default_factory=dict)
    older: list[bytes] = field(default_factory=list)

    def done(self, size: int) -> None:
        """Count a path that is in its place now."""
        self.restored += 1
        self.restored_size += size

    def note_placed(self, placed: Iterable[Placed]) -> None:
        """Count files that are in their places, and files that could not be put there."""
        for path, size, error in placed:
            if error is not None:
                self.failures.add(path, error)
            else:  # as ``done`` does, without a call for each of a million files
                self.restored += 1
                self.restored_size += size

    def notices(self) -> Iterable[str]:
        """Yield sentences about paths that differ from what was archived."""
        for kind, why in self.refused.items():
            yield f"the {kind} of some paths could not be set: {why}"
        for path in self.older[:_NAMED]:
            shown = os.fsdecode(path)
            yield f"{shown!r} is an older version: the archive of the newest one is not proven"
        if len(self.older) > _NAMED:
            yield f"so are {len(self.older) - _NAMED} more"
