"""Tables as queries use them."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from aioglacier.catalog.storage import migrations, sqlite_file as files
from aioglacier.catalog.storage.sqlite import SqliteStore
from aioglacier.catalog.storage.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.catalog.storage.backend import Connection


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_tables_are_those_that_queries_use(tmp_path: Path) -> None:
    """The columns that the migrations make are those that ``tables.py`` names."""
    files.make_empty(tmp_path / "x.db")
    with closing(SqliteStore(tmp_path / "x.db")) as store:
        while store.run(migrations.upgrade_once, is_write=True):
            pass
        for table in TABLES:
            names = partial(_columns, table.name)
            assert store.run(names, is_write=False) == set(table.columns), table.name


def _columns(table: str, connection: Connection) -> set[str]:
    return {row[1] for row in connection.rows(f"PRAGMA table_info({table})")}
