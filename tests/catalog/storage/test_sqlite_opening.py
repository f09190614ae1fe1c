"""Opening a catalog: its path, its permissions, and a damaged or foreign file."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import ArchiveState, Catalog
from aioglacier.catalog.storage import migrations, sqlite_file as files, sqlite_opening as opening
from aioglacier.catalog.storage.backend import BusyError
from aioglacier.catalog.storage.sqlite import SqliteStore
from aioglacier.core.errors import CatalogDamagedError, CatalogError, GlacierError
from tests.catalog.conftest import (
    NOON,
    PHOTOS,
    archive,
    child,
    count,
    fill,
    mounting_child,
    outcome,
    read_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


# --- where it is, and whose -----------------------------------------------------------------------------


async def test_the_default_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a path, with every folder made on the way."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with Catalog.open() as catalog:
        assert catalog.location == str((tmp_path / "data" / "aioglacier" / "catalog.db").resolve())
        assert repr(catalog) == f"<Catalog {catalog.location!r}>"


# --- damage -------------------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_inside_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def _cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _zero_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(bytes(4096))


def _write_text(path: Path) -> None:
    path.write_text("this is no database\n" * 1000)


def _flip_in_the_header_of_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(7 * 4096)
        (byte,) = file.read(1)
        file.seek(7 * 4096)
        file.write(bytes([byte ^ 0x40]))


def _lose_the_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM catalog_version")
        connection.commit()


def _break_an_index(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'archives_of_place'")
        connection.commit()


def _break_a_state(path: Path) -> None:
    data = path.read_bytes()
    assert b"stored" in data.partition(b"archive 50")[2][:100]
    before, mark, after = data.partition(b"archive 50")
    path.write_bytes(before + mark + after.replace(b"stored", b"stozed", 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _cut_inside_a_page,
        _cut_to_nothing,
        _zero,
        _zero_a_page,
        _write_text,
        _flip_in_the_header_of_a_page,
        _lose_the_version,
        _break_an_index,
        _break_a_state,
    ],
    ids=lambda function: function.__name__.strip("_"),
)
def test_a_damaged_catalog_is_kept_aside(path: Path, damage: Callable[[Path], None]) -> None:
    """DC-04: found at open, renamed and not written to; the error says where it is and what to do."""
    fill(path)
    damage(path)
    damaged = path.read_bytes()
    with pytest.raises(CatalogDamagedError) as raised:
        count(path)
    kept = Path(raised.value.moved_to)
    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.name.startswith("catalog.db.damaged-2")
    for part in (str(path), str(kept), "aioglacier inventory VAULT"):
        assert part in str(raised.value)
    for _ in range(2):
        assert not path.exists()
        with pytest.raises(CatalogDamagedError) as again:
            count(path)
        assert again.value.moved_to == str(kept)
    fill(path)
    assert count(path) == 100
    assert kept.read_bytes() == damaged


def test_a_copy_in_the_place_of_a_damaged_catalog_is_used(path: Path) -> None:
    """Nothing more is said of the damaged one."""
    fill(path)
    copy = path.read_bytes()
    path.write_bytes(copy[:5000])
    for _ in range(2):
        with pytest.raises(CatalogDamagedError):
            count(path)
    path.write_bytes(copy)
    assert count(path) == 100


@pytest.mark.parametrize("content", [b"my notes", b"SQLite format 3\0 and no more of one", bytes(5000)])
def test_a_file_that_was_never_a_catalog_is_left_alone(path: Path, content: bytes) -> None:
    """A mistyped name renames nothing and makes nothing, however often."""
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(CatalogError, match="is not a catalog of aioglacier") as raised:
            count(path)
        assert not isinstance(raised.value, CatalogDamagedError)
        assert path.read_bytes() == content


def test_two_damaged_catalogs_are_both_kept(path: Path) -> None:
    """Two within one second get different names."""
    kept = set()
    fill(path)
    for text in ("one", "two", "three"):
        path.write_text(text)
        with pytest.raises(CatalogDamagedError) as raised:
            count(path)
        kept.add(raised.value.moved_to)
    assert {Path(name).read_text() for name in kept} == {"one", "two", "three"}


@pytest.mark.slow
def test_a_flipped_bit_is_found_or_in_doubt(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """80 places by chance: no crash and no other error, and no archive that is wrong is taken for good."""
    fill(path, 300)
    sound = path.read_bytes()
    expected = [archive(number) for number in range(300)]
    chance = random.Random(20261122)  # noqa: S311  # not a secret
    found = silent = doubted = 0
    for _ in range(80):
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            records = read_records(path)
        except CatalogError:
            found += 1
            for leftover in path.parent.glob("*.damaged-*"):
                leftover.unlink()
            continue
        silent += 1
        assert len(records) == 300
        for record, one in zip(records, expected, strict=True):
            if record.archive != one:
                assert record.state is ArchiveState.SUSPECT
                assert "is damaged; 'aioglacier inventory photos' repairs it" in caplog.text
                doubted += 1
    assert found > 8
    assert doubted > 0
    assert found + silent == 80


def test_an_inventory_repairs_what_was_damaged(path: Path) -> None:
    """A size with a flipped bit is the service's again, and a description too; nothing else is changed."""
    fill(path, 3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE archives SET size = size + 64 WHERE number = 1")
        connection.execute("UPDATE archives SET description = 'q' WHERE number = 2")
        connection.commit()
    states = [record.state for record in read_records(path)]
    assert states == [ArchiveState.SUSPECT, ArchiveState.SUSPECT, ArchiveState.STORED]
    fill(path, 3)
    assert [record.archive for record in read_records(path)] == [archive(number) for number in range(3)]
    assert {record.state for record in read_records(path)} == {ArchiveState.STORED}


async def _count(catalog: Catalog) -> None:
    await catalog.archives.totals(PHOTOS)


async def _record(catalog: Catalog) -> None:
    await catalog.archives.record(PHOTOS, archive(1))


async def _merge(catalog: Catalog) -> None:
    await catalog.archives.merge_inventory(PHOTOS, map(archive, range(5000)), inventoried=NOON)


@pytest.mark.slow
@pytest.mark.parametrize("use", [_count, _record, _merge])
def test_damage_met_later_is_kept_aside_too(
    path: Path, use: Callable[[Catalog], Coroutine[None, None, None]]
) -> None:
    """A page that goes bad while the catalog is open, whatever meets it."""

    def spoil() -> None:
        with path.open("r+b") as file:
            file.seek(8 * 4096)
            file.write(os.urandom(path.stat().st_size - 8 * 4096))

    async def work() -> str:
        async with Catalog.open(path) as catalog:
            await catalog.archives.record(PHOTOS, archive(5000))  # the vault is known from now on
            spoil()
            with pytest.raises(CatalogDamagedError) as raised:
                await use(catalog)
            with pytest.raises(CatalogError, match="deleted or replaced"):
                await catalog.archives.record(PHOTOS, archive(1))
            return raised.value.moved_to

    fill(path, 5000)
    assert Path(asyncio.run(work())).exists()
    fill(path, 1)
    assert count(path) == 1


# --- what is looked through, and when --------------------------------------------------------------------


def spoil_inside(path: Path) -> None:
    """Change a byte that only a look at every page would find, and leave the dates as they are."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size // 4096 // 2 * 4096)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x40]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.slow
def test_a_large_catalog_that_somebody_touched_is_looked_through(path: Path) -> None:
    """DC-04, although the size and the date of the change are as before."""
    fill(path, 8000)
    assert path.stat().st_size > files._SMALL_SIZE
    spoil_inside(path)
    with pytest.raises(CatalogDamagedError):
        count(path)


@pytest.mark.slow
def test_a_large_catalog_is_looked_through_after_a_kill(path: Path) -> None:
    """The killed process left no note; the next one leaves it, so the check is not repeated."""
    program = """
async def work(catalog):
    await catalog.archives.record(PHOTOS, archive(9000))
    os.kill(os.getpid(), 9)
run(work)
"""
    fill(path, 8000)
    note = path.with_name("catalog.db.locks") / "in-use"
    assert json.loads(note.read_text())["left"] == opening._state_of(path)
    with child(program, path) as process:
        process.wait(timeout=60)
    assert opening._state_of(path) is None
    use = opening._Use(path, note)
    use.begin()
    assert not use.is_trusted()
    use.end()
    assert count(path) == 8001
    use = opening._Use(path, note)
    use.begin()
    assert use.is_trusted()
    use.end()


def test_one_that_another_has_open_is_trusted_once_that_one_has_looked(path: Path) -> None:
    """Only the first one looks, and the others wait until it has."""
    fill(path)
    note = path.with_name("catalog.db.locks") / "in-use"
    first, second = opening._Use(path, note), opening._Use(path, note)
    first.begin()
    with pytest.raises(BusyError):
        second.begin()
    first.share()
    second.begin()
    assert second.is_trusted()
    second.end()
    assert count(path) == 100  # a third, meanwhile
    first.end()
    assert json.loads(note.read_text())["left"] == opening._state_of(path)


@pytest.mark.parametrize(
    "note", ["", "[]", "{", '{"left": null, "checked": 0}', '{"left": [1], "checked": 1e12}']
)
def test_a_note_that_makes_no_sense_is_no_reason_to_trust(path: Path, note: str) -> None:
    """A note from the future is no reason either."""
    fill(path)
    (path.with_name("catalog.db.locks") / "in-use").write_text(note)
    use = opening._Use(path, path.with_name("catalog.db.locks") / "in-use")
    use.begin()
    assert not use.is_trusted()
    use.end()
    assert count(path) == 100


# --- other versions, other programs -------------------------------------------------------------------


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    """DC-05: of two new versions the first stands, and of the second not even the number."""
    steps = (
        *migrations.MIGRATIONS,
        "CREATE TABLE one (x {blob}); INSERT INTO one VALUES (7)",
        "CREATE TABLE two (x {blob}); ALTER TABLE one ADD COLUMN y TEXT; INSERT INTO nowhere VALUES (1)",
    )
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with closing(SqliteStore(path)) as store:
        with pytest.raises(CatalogError, match="nowhere"):  # noqa: PT012  # as it is called
            while True:
                assert store.run(lambda c: migrations.upgrade_once(c, steps), is_write=True)
        assert store.run(migrations.read_version, is_write=False) == migrations.VERSION + 1
    with closing(sqlite3.connect(path)) as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"))
    assert "two" not in made
    assert made["one"] == "CREATE TABLE one (x BLOB)"


async def test_a_closed_catalog_takes_nothing(path: Path) -> None:
    """The error of the library says so."""
    async with Catalog.open(path) as catalog:
        pass
    with pytest.raises(GlacierError, match="has been closed"):
        await catalog.archives.totals(PHOTOS)


async def test_an_exception_leaves_the_block_as_it_is(path: Path) -> None:
    """The error is not wrapped in a group."""
    with pytest.raises(KeyError, match="mine"):
        async with Catalog.open(path):
            raise KeyError("mine")


# --- network filesystems ------------------------------------------------------------------------------


def test_a_catalog_changes_its_journal_with_its_filesystem(path: Path) -> None:
    """DC-11: no write-ahead log where other machines may have it open, and back again."""
    fill(path)
    for is_network, mode in ((True, "delete"), (True, "delete"), (False, "wal")):
        files.set_journal(path, is_network=is_network)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert count(path) == 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_one_warning_on_a_network_filesystem(path: Path, tmp_path: Path) -> None:
    """DC-11: said once at opening, and everything works without a log."""
    mounts = tmp_path / "mounts"
    mounts.write_text("22 1 0:40 / / rw - nfs4 server:/ rw\n")
    program = """
import logging, subprocess
logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stdout)
table = f"/proc/{os.getpid()}/mountinfo"
if subprocess.run(["mount", "--bind", sys.argv[2], table], stderr=subprocess.DEVNULL).returncode:
    print("no mount")
    sys.exit()
async def work(catalog):
    await catalog.archives.record(PHOTOS, archive(1))
    print(sorted(os.listdir(Path(catalog.location).parent)))
run(work)
"""
    with mounting_child(program, path, mounts) as process:
        output = outcome(process)
    if output == "no mount\n":
        pytest.skip("this kernel does not let a table of mounts be covered")
    lines = output.splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("WARNING aioglacier.catalog the catalog ")
    assert lines[1] == "['catalog.db', 'catalog.db.locks']"
