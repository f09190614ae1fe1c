"""The findings of a comparison of folder, catalog and vault."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Trouble(StrEnum):
    """The kinds of findings.

    Attributes:
        MISSING: On record, and not in the folder.
        CHANGED: Not as on record; the next ``sync`` archives it.
        ROTTEN: Another content, although size and time are those on record.
        UNREADABLE: It cannot be read.
        SUSPECT: The service and the catalog disagree on an archive.
        UNLISTED: A later inventory does not list an archive.
        DAMAGED: A piece of an archive came back with other bytes than were sent.
        UNAVAILABLE: A piece of an archive that was asked for did not come back.
        SEALED: A file came back as it was sent, and no identity opens it.
        LOST: No archive has any version of a path any more.
        OUTDATED: Only an older version is stored: the archive of the newest is not proven.
        AWAITED: It is not known yet whether the archive of a path was made.
        UNARCHIVED: In the folder, and not on record; the next ``sync`` archives it.
    """

    MISSING = "missing"
    CHANGED = "changed"
    ROTTEN = "rotten"
    UNREADABLE = "unreadable"
    SUSPECT = "suspect"
    UNLISTED = "unlisted"
    DAMAGED = "damaged"
    UNAVAILABLE = "unavailable"
    SEALED = "sealed"
    LOST = "lost"
    OUTDATED = "outdated"
    AWAITED = "awaited"
    UNARCHIVED = "unarchived"


#: Worse than a folder that has changed since the last ``sync``.
SERIOUS: Final = frozenset(
    {
        Trouble.ROTTEN,
        Trouble.SUSPECT,
        Trouble.UNLISTED,
        Trouble.DAMAGED,
        Trouble.UNAVAILABLE,
        Trouble.SEALED,
        Trouble.LOST,
        Trouble.OUTDATED,
        Trouble.AWAITED,
    }
)


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        what: A path, or an archive's id, with a range where only that is selected.
    """

    trouble: Trouble
    what: str
