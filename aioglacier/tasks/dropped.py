"""Objects that were open when their last reference went.

Python then runs the end of their block as best it can: in another task, as the event loop's hook for dropped
generators does, or while the loop ends, where nothing can be waited for and a task group cannot be left. An
open object that is dropped releases everything at once, completes nothing, and warns.
"""

from __future__ import annotations

import asyncio
import warnings


class OwnerTask:
    """The task that opened an object, the only one that can close it properly."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()

    def has_dropped(self, kind: type[BaseException] | None) -> bool:
        """Return whether the block that ends, with an exception of this kind, was dropped instead of left."""
        if kind is GeneratorExit:
            return True
        try:
            return asyncio.current_task() is not self._task
        except RuntimeError:  # there is no loop any more
            return True


def warn_dropped(what: str, *, source: object) -> None:
    """Warn that ``what`` was dropped while it was open."""
    warnings.warn(
        f"{what} was dropped while it was open; use it with 'async with'",
        ResourceWarning,
        stacklevel=2,
        source=source,
    )
