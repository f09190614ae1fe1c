"""Old catalogs are upgraded without losing a record, and without keeping one that is no longer true."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from aioglacier.catalog import ArchiveState, Catalog
from aioglacier.catalog.checksums import checksum
from aioglacier.catalog.folders.entry_records import Entry, RunNumber, Standing
from aioglacier.catalog.storage.migrations import MIGRATIONS
from tests.catalog.conftest import PHOTOS, archive

if TYPE_CHECKING:
    from pathlib import Path

DAY: Final = 24 * 3600 * 1_000_000
NOON: Final = 1_795_000_000_000_000

#: Two runs of a folder: "a" was replaced in the second, "b" was removed by it; "c" lies in an archive that an
#: inventory does not list five days later; "d" in a bundle whose upload failed.
ROWS: Final = """
INSERT INTO places VALUES (1, '-', 'eu-west-1', '', 'photos', NULL, 1795432000000000);
INSERT INTO uploads VALUES (1, 1, 'n1', 'completed', 'u1', 1, 5, '', NULL, NULL, NULL, 'a1', '', 0, 0);
INSERT INTO uploads VALUES (2, 1, 'n2', 'completed', 'u2', 1, 5, '', NULL, NULL, NULL, 'a2', '', 0, 0);
INSERT INTO uploads VALUES (3, 1, 'n3', 'failed', 'u3', 1, 5, '', NULL, NULL, NULL, NULL, '', 0, 0);
INSERT INTO trees VALUES (1, 1, '/home', '{}', 0, 2);
INSERT INTO runs VALUES (1, 1, 1, 'sync', 'completed', NULL, '{}', '{}', '', 0, 0);
INSERT INTO runs VALUES (2, 1, 1, 'sync', 'completed', NULL, '{}', '{}', '', 1, 1);
"""


def version(path: bytes, since: int, upload: int) -> Entry:
    """A version of a small file."""
    facts = (5, since, 1, 1, 1, 0o644, 1, 1, None, None, bytes(32), upload, 0, 512, None, None)
    return Entry(1, path, since, "file", *facts)


def make_old(path: Path) -> None:
    """Make a catalog as version 2 had it."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE catalog_version (version BIGINT NOT NULL)")
        connection.execute("INSERT INTO catalog_version VALUES (2)")
        for script in MIGRATIONS[:2]:
            connection.executescript(script.format(serial="INTEGER PRIMARY KEY", blob="BLOB"))
        connection.executescript(ROWS)
        for number, seen in ((1, NOON + 5 * DAY), (2, None)):
            one = archive(number)
            facts = (one.id, one.size, one.tree_hash.hex(), one.description, NOON)
            connection.execute(
                "INSERT INTO archives "
                "(place, archive_id, size, tree_hash, description, created, state, upload, seen) "
                "VALUES (1, ?, ?, ?, ?, ?, 'stored', ?, ?)",
                (*facts, number, seen),
            )
        for entry, until in (
            (version(b"a", 1, 1), 2),
            (version(b"a", 2, 1), None),
            (version(b"b", 1, 1), 2),
            (version(b"c", 2, 2), None),
            (version(b"d", 2, 3), None),
        ):
            marks = ", ".join("?" * (len(entry) + 2))
            names = ", ".join(Entry._fields)
            connection.execute(
                f"INSERT INTO entries ({names}, until, checksum) VALUES ({marks})",  # noqa: S608
                (*entry, until, checksum(entry)),
            )
        connection.commit()


@pytest.mark.slow
async def test_an_old_catalog_says_after_the_upgrade_which_files_are_nowhere(path: Path) -> None:
    """Versions keep their places; one whose archive is missing, or was never made, is lost."""
    make_old(path)
    async with Catalog.open(path) as catalog:
        (tree,) = await catalog.trees.list(PHOTOS)
        assert (tree.root, tree.host, len(tree.identity)) == ("/home", "", 32)
        stored = [one async for page in catalog.entries.stored(tree) for one in page]
        assert [(one.entry.path, one.entry.since) for one in stored] == [(b"a", 2)]
        first = [one async for page in catalog.entries.stored(tree, RunNumber(1)) for one in page]
        assert [(one.entry.path, one.entry.since) for one in first] == [(b"a", 1), (b"b", 1)]
        lost = [each async for page in catalog.entries.unproven(tree) for each in page]
        assert [(entry.path, standing) for entry, standing in lost] == [
            (b"c", Standing.LOST),
            (b"d", Standing.LOST),
        ]
        record = await catalog.archives.get(PHOTOS, archive(2).id)
        assert record is not None
        assert record.state is ArchiveState.SUSPECT


@pytest.mark.slow
async def test_the_first_machine_that_opens_an_old_folder_owns_it(path: Path) -> None:
    """Another machine with a folder of the same path gets one of its own."""
    make_old(path)
    async with Catalog.open(path) as catalog:
        (old,) = await catalog.trees.list(PHOTOS)
        mine = await catalog.trees.open(PHOTOS, "/home", host="mine", owner="me")
        theirs = await catalog.trees.open(PHOTOS, "/home", host="theirs", owner="they")
        assert mine.number == old.number
        assert theirs.number != old.number
        assert theirs.identity != mine.identity
        assert await catalog.trees.open(PHOTOS, "/home", host="mine", owner="me") == mine
