"""The errors for a file that changed while it was read, or that could not be read."""

from __future__ import annotations

from aioglacier.core.errors import SourceChangedError, SourceUnreadableError


def source_changed(path: str, field: str) -> SourceChangedError:
    """Return the error for a file whose ``field`` has changed."""
    return SourceChangedError(
        f"{path!r} changed while it was read (its {field} is not what it was at the start); no archive was "
        "made; archive it again when nothing writes to it",
        path=path,
        field=field,
    )


def source_unreadable(path: str, offset: int, error: OSError) -> SourceUnreadableError:
    """Return the error for a file that could be read up to ``offset``, or somewhat further."""
    return SourceUnreadableError(
        f"{path!r} cannot be read at byte {offset} or after: {error.strerror}",
        path=path,
        errno=error.errno,
        offset=offset,
    )
