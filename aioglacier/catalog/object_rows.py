"""Rows of the facts of objects, one for each archive that is an object in a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.catalog.storage.tables import marks
from aioglacier.core.models import ObjectFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.catalog.records import ArchiveNumber
    from aioglacier.catalog.storage.backend import Connection

_NAMES: Final = ", ".join(ObjectFacts._fields)
_CHANGES: Final = ", ".join(f"{name} = excluded.{name}" for name in ObjectFacts._fields)
_KEEP: Final = (
    f"INSERT INTO objects (archive, {_NAMES}) VALUES ({marks(len(ObjectFacts._fields) + 1)}) "  # noqa: S608
    f"ON CONFLICT (archive) DO UPDATE SET {_CHANGES}"
)
_FIND: Final = (
    f"SELECT {_NAMES} FROM objects WHERE archive = "  # noqa: S608
    "(SELECT number FROM archives WHERE place = ? AND archive_id = ?)"
)

LIST_OBJECTS: Final = (
    "SELECT a.archive_id, a.size, o.etag FROM archives AS a LEFT JOIN objects AS o ON o.archive = a.number "
    "WHERE a.place = ? AND a.state = 'stored'"
)


def keep_object_facts(connection: Connection, kept: Sequence[tuple[ArchiveNumber, ObjectFacts]]) -> None:
    """Record the facts of objects, or change them: another object may have taken the key."""
    connection.each(_KEEP, [(archive, *facts) for archive, facts in kept])


def find_object_facts(connection: Connection, place: int, archive_id: str) -> ObjectFacts | None:
    """Return the facts of an object; ``None`` if they are not on record."""
    for row in connection.rows(_FIND, (place, archive_id)):
        return ObjectFacts(*row)
    return None
