"""Rows of archives, written and read in one transaction each."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveKind, ArchiveState
from aioglacier.catalog.archive_rows import (
    Keeping,
    doubt_missing,
    find_known,
    insert_archives,
    is_sound,
    keep_rows,
    list_known,
    repair_row,
    see_archives,
    suspect_archives,
    trust_archives,
)
from aioglacier.catalog.storage import migrations
from aioglacier.catalog.storage.sqlite import SqliteStore
from aioglacier.catalog.storage.sqlite_file import make_empty
from aioglacier.catalog.vaults import keep_vault
from tests.catalog.samples import NOON, PHOTOS, archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.models import Archive

LATER = NOON + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A database with the tables of a catalog, and three archives that an inventory listed at noon."""
    path = tmp_path / "catalog.db"
    make_empty(path)
    with closing(SqliteStore(path, is_durable=False)) as opened:
        while opened.run(migrations.upgrade_once, is_write=True):
            pass
        write(opened, lambda connection: insert_archives(connection, place(connection), three(), NOON))
        yield opened


def three() -> list[Archive]:
    """The archives."""
    return [archive(number) for number in range(3)]


def place(connection: Connection) -> int:
    """The number of the vault."""
    return keep_vault(connection, PHOTOS)


def write(store: SqliteStore, change: Callable[[Connection], object]) -> object:
    """Run one transaction."""
    return store.run(change, is_write=True)


def states(store: SqliteStore) -> list[str]:
    """The states in the order of recording."""
    listing = "SELECT state FROM archives ORDER BY number"
    return [state for (state,) in store.run(lambda connection: connection.rows(listing), is_write=False)]


def test_what_an_inventory_lists_is_found_by_id(store: SqliteStore) -> None:
    """Archives on record are found with all their facts; others are left out."""
    ids = [archive(number).id for number in (2, 7)]
    found = store.run(lambda connection: find_known(connection, place(connection), ids), is_write=True)
    assert [*found] == [archive(2).id]
    facts = found[archive(2).id]
    assert (facts.size, facts.tree_hash, facts.created) == (5, archive(2).tree_hash, archive(2).created)
    assert is_sound(facts)
    assert not is_sound(facts._replace(size=6))
    assert is_sound(facts._replace(size=6, checksum=None))  # the first version kept no checksum


def test_archives_are_listed_from_a_number_on(store: SqliteStore) -> None:
    """A page ends at its limit, and the next one begins behind the last number."""
    first = store.run(lambda connection: list_known(connection, 0, 2), is_write=False)
    rest = store.run(lambda connection: list_known(connection, first[-1].number, 2), is_write=False)
    assert [one.archive_id for one in (*first, *rest)] == [archive(number).id for number in range(3)]


def test_a_damaged_record_is_repaired(store: SqliteStore) -> None:
    """The facts of the service replace those that no longer match their checksum."""
    write(store, lambda connection: connection.rows("UPDATE archives SET size = 6"))
    damaged = store.run(lambda connection: list_known(connection, 0, 1), is_write=False)[0]
    assert not is_sound(damaged)
    write(store, lambda connection: repair_row(connection, damaged.number, archive(0)))
    assert is_sound(store.run(lambda connection: list_known(connection, 0, 1), is_write=False)[0])


def test_a_record_keeps_what_is_not_given_again(store: SqliteStore) -> None:
    """A source that was recorded stays where a later record does not know it."""

    def keep(**more: object) -> object:
        return write(
            store,
            lambda connection: keep_rows(
                connection, [Keeping(place(connection), archive(9), ArchiveState.STORED, more)]
            )[0],
        )

    made = keep(source="/film", kind=ArchiveKind.PLAIN)
    assert keep() == made
    assert made.source == "/film"  # type: ignore[attr-defined]


def test_records_of_several_kinds_are_kept_at_once(store: SqliteStore) -> None:
    """Each comes back in its order, with the facts that were on record."""
    new, known = store.run(
        lambda connection: keep_rows(
            connection,
            [
                Keeping(place(connection), archive(9), ArchiveState.STORED, {"kind": ArchiveKind.PIECE}),
                Keeping(place(connection), archive(0), ArchiveState.STORED, {}),
            ],
        ),
        is_write=True,
    )
    assert (new.number, new.seen) == (4, None)
    assert (known.number, known.seen) == (1, NOON)
    kinds = store.run(lambda connection: connection.rows("SELECT kind FROM archives"), is_write=False)
    assert kinds == [("plain",), ("plain",), ("plain",), ("piece",)]


def test_a_doubt_ends_with_a_later_inventory_only(store: SqliteStore) -> None:
    """An inventory of before the doubt proves nothing; a later one that lists the archive does."""
    write(store, lambda connection: suspect_archives(connection, [1], LATER))
    assert states(store) == ["suspect", "stored", "stored"]
    write(store, lambda connection: trust_archives(connection, [1], NOON))
    assert states(store) == ["suspect", "stored", "stored"]
    write(store, lambda connection: trust_archives(connection, [1], LATER + timedelta(days=1)))
    assert states(store) == ["stored", "stored", "stored"]


def test_what_a_later_inventory_lists_is_not_missing(store: SqliteStore) -> None:
    """An archive that was missed once, and listed later, stays."""
    write(store, lambda connection: see_archives(connection, [2], LATER))
    missed = write(store, lambda connection: doubt_missing(connection, place(connection), LATER, "1 = 1"))
    assert missed == 2
    assert states(store) == ["suspect", "stored", "suspect"]
