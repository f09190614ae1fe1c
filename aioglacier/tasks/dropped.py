"""What is done for something that was open when its last reference went.

Python then runs the end of its block as best it can: in another task, as the event loop's hook for dropped
generators does, or while the loop ends, where nothing can be waited for and a task group cannot be left. So
whoever holds one lets go of everything at once there, completes nothing, and warns.
"""

from __future__ import annotations

import asyncio
import warnings


class Home:
    """The task that opened something, which alone can close it properly."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()

    def is_left(self, kind: type[BaseException] | None) -> bool:
        """Whether what is being closed, for an exception of this kind, was really dropped."""
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
