"""The catalog in PostgreSQL, where it differs from a file. All other tests run on both."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.catalog import ArchiveState, Catalog, PartRecord, VaultKey
from aioglacier.catalog.archives import keep_archives
from aioglacier.catalog.storage import migrations, postgresql
from aioglacier.catalog.storage.backend import BusyError
from aioglacier.catalog.storage.database import open_database
from aioglacier.catalog.storage.tables import TABLES
from aioglacier.catalog.vaults import keep_vault
from aioglacier.core.errors import CatalogBusyError, CatalogError, UploadLockedError
from tests.catalog import servers
from tests.catalog.conftest import NOON, PHOTOS, TREE_HASH, archive, child, outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from aioglacier.catalog.storage.backend import Connection

pytestmark = pytest.mark.slow

PASSWORD = "s3cret-Passw0rd"


async def test_the_tables_are_those_that_queries_use(database: str) -> None:
    """The columns that the migrations make are those that ``tables.py`` names; in a schema of their own."""
    async with Catalog.open(database):
        pass
    rows = await servers.ask(
        database, "SELECT table_schema, table_name, column_name FROM information_schema.columns"
    )
    found: dict[str, set[str]] = {}
    for schema, table, column in rows:
        assert schema != "public"
        if schema == "aioglacier":
            found.setdefault(table, set()).add(column)
    for table in TABLES:
        assert found[table.name] == set(table.columns), table.name


@pytest.mark.parametrize(
    ("url", "match"),
    [
        (f"postgresql://tester:{PASSWORD}@127.0.0.1:1/x", "cannot be used: "),
        (f"postgresql+psycopg2://tester:{PASSWORD}@127.0.0.1/x", "a 'postgresql.psycopg2' URL"),
        (f"mysql://tester:{PASSWORD}@127.0.0.1/x", "a 'mysql' URL"),
        (f"postgresql://tester:{PASSWORD}@127.0.0.1:port/x", "of the form"),
        (f"postgresql://tester@127.0.0.1:1/x?password={PASSWORD}", "cannot be used: "),
    ],
)
async def test_a_password_is_never_shown(url: str, match: str, caplog: pytest.LogCaptureFixture) -> None:
    """SE-07: not in an error, not in what led to it, not in a log."""
    caplog.set_level("DEBUG")
    with pytest.raises(CatalogError, match=match) as raised:
        async with Catalog.open(url, busy_timeout_seconds=0.2):
            pass
    error: BaseException | None = raised.value
    while error is not None:
        assert PASSWORD not in f"{error!s} {error!r} {vars(error)}"
        error = None if error.__suppress_context__ and error.__cause__ is None else error.__cause__
    assert PASSWORD not in caplog.text


async def test_the_server_refuses(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password and a database that is not there are said with the place, at once."""
    wrong = database.replace(PASSWORD, "another")
    for url, match in ((wrong, "password authentication failed"), (f"{database}x", "does not exist")):
        with pytest.raises(CatalogError, match=match) as raised:
            async with Catalog.open(url):
                pass
        assert "postgresql://tester@127.0.0.1" in str(raised.value)
        assert "another" not in str(raised.value) + caplog.text
        assert not isinstance(raised.value, CatalogBusyError)


async def test_an_open_catalog_shows_where_it_is(database: str) -> None:
    """Its repr has the URL without the password."""
    async with Catalog.open(database) as catalog:
        assert catalog.location == database.replace(f":{PASSWORD}", "")
        assert repr(catalog) == f"<Catalog {catalog.location!r}>"
        (row,) = await servers.ask(
            database, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%s3cret%'"
        )
        assert row[0] <= 1  # the question itself


async def test_a_newer_version_is_refused_untouched(database: str) -> None:
    """DC-05: the message names the newer version, and the tables stay as they are."""
    async with Catalog.open(database) as catalog:
        await catalog.archives.record(PHOTOS, archive(1))
    await servers.ask(database, "UPDATE aioglacier.catalog_version SET version = version + 1")
    with pytest.raises(CatalogError, match=f"version {migrations.VERSION + 1}"):
        async with Catalog.open(database):
            pass
    rows = await servers.ask(database, "SELECT version FROM aioglacier.catalog_version")
    assert rows[0][0] == migrations.VERSION + 1


async def test_an_upgrade_that_fails_changes_nothing(database: str) -> None:
    """DC-05: of two new versions the first stands, and of the second not even the number."""
    steps = (
        *migrations.MIGRATIONS,
        "CREATE TABLE one (x {blob})",
        "CREATE TABLE two (x {blob}); ALTER TABLE one ADD COLUMN y TEXT; INSERT INTO nowhere VALUES (1)",
    )
    async with (
        postgresql.open_postgresql(database, busy_timeout_seconds=5) as store,
        open_database(store, busy_timeout_seconds=5) as opened,
    ):
        assert await opened.write(lambda c: migrations.upgrade_once(c, steps))
        with pytest.raises(CatalogError, match="nowhere"):
            await opened.write(lambda c: migrations.upgrade_once(c, steps))
        assert await opened.read(migrations.read_version) == migrations.VERSION + 1
        assert await opened.read(lambda c: c.rows("SELECT to_regclass('two')")) == [(None,)]


async def test_a_catalog_that_another_keeps_to_itself(database: str) -> None:
    """DC-06: waited for, but not for ever, and afterwards it goes on as if nothing had been."""
    async with Catalog.open(database, busy_timeout_seconds=0.5) as catalog:
        await catalog.archives.record(PHOTOS, archive(1))
        async with servers.connected(database) as other:
            await other.execute(f"SELECT pg_advisory_lock({postgresql._WRITER})")
            with pytest.raises(CatalogBusyError, match="to itself for") as raised:
                await catalog.archives.record(PHOTOS, archive(2))
            assert 0.5 <= raised.value.waited_seconds < 60
            assert (await catalog.archives.totals(PHOTOS)).archives == 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(catalog.archives.record, PHOTOS, archive(3))
                await anyio.sleep(0.1)
                await other.execute(f"SELECT pg_advisory_unlock({postgresql._WRITER})")
        assert (await catalog.archives.totals(PHOTOS)).archives == 2


async def test_a_lock_goes_with_its_process(database: str) -> None:
    """DC-07, DC-08: the error names its holder, and it is free once that process is killed."""
    holder = """
async def work(catalog):
    async with catalog.lock_source(PHOTOS, "/film"):
        print(os.getpid(), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
run(work)
"""
    async with Catalog.open(database) as catalog:
        with child(holder, database) as process:
            assert process.stdout
            pid = int(await anyio.to_thread.run_sync(process.stdout.readline))
            with pytest.raises(UploadLockedError) as raised:
                async with catalog.lock_source(PHOTOS, "/film"):
                    pass
            assert (raised.value.pid, raised.value.host) == (pid, socket.gethostname())
            process.send_signal(signal.SIGKILL)
            process.wait()
        # The server hears of it through the connection, which takes a moment.
        with anyio.fail_after(20):
            while True:
                try:
                    async with catalog.lock_source(PHOTOS, "/film"):
                        break
                except UploadLockedError:
                    await anyio.sleep(0.05)


def test_processes_that_write_without_pause(database: str) -> None:
    """DC-06: four at once, each record of each is there and none is there twice."""
    program = """
async def work(catalog):
    first = int(sys.argv[2]) * 1000
    import anyio
    async with anyio.create_task_group() as tasks:
        for number in range(first, first + 200):
            tasks.start_soon(catalog.archives.record, PHOTOS, archive(number))
            tasks.start_soon(catalog.archives.record, PHOTOS, archive(number % 1000))
run(work)
"""
    with ExitStack() as stack:
        children = [stack.enter_context(child(program, database, str(number))) for number in range(4)]
        for process in children:
            outcome(process)

    async def look() -> list[str]:
        async with Catalog.open(database) as catalog:
            return [record.archive.id async for record in catalog.archives.list_vault(PHOTOS)]

    ids = asyncio.run(look())
    assert len(ids) == len(set(ids)) == 800


def test_two_that_make_the_tables_at_once(database: str) -> None:
    """One that waited for the other sees its tables: PostgreSQL remembers names that it has not found."""
    parameters = {"dsn": database, "server_settings": {"search_path": "aioglacier"}}
    first, second = (postgresql.PostgresStore(parameters, "") for _ in range(2))
    waiting = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
        "WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()"
    )

    def in_front_of_the_other(step: Callable[[Connection], object]) -> None:
        with ThreadPoolExecutor(1) as pool:

            def wait() -> object:
                while True:
                    with suppress(BusyError):  # a busy machine, see lock_timeout
                        return second.run(step, is_write=True)

            def change(connection: Connection) -> Future[object]:
                other = pool.submit(wait)
                while not other.done() and connection.rows(waiting) != [(1,)]:
                    pass
                step(connection)
                return other

            first.run(change, is_write=True).result()

    in_front_of_the_other(postgresql._make_schema)
    assert second.run(migrations.read_version, is_write=False) == 0
    in_front_of_the_other(migrations.upgrade_once)
    assert second.run(migrations.read_version, is_write=False) == 2
    for store in (first, second):
        store.close()


async def test_a_record_is_made_although_the_server_restarts() -> None:
    """A server that went down hard comes back with what was recorded, and takes the next record."""
    bin_ = servers.programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with servers.running(bin_) as server:
        await servers.ask(f"{server.url}/postgres", "CREATE DATABASE one")
        async with Catalog.open(f"{server.url}/one") as catalog:
            upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, source="/film")
            await anyio.to_thread.run_sync(server.restart)
            await catalog.uploads.record_parts(upload, [PartRecord(0, 1, TREE_HASH, b"")])
            parts = [part.index async for part in catalog.uploads.list_parts(upload.number)]
            assert parts == [0]
            async with catalog.lock_source(PHOTOS, "/film"):
                await anyio.to_thread.run_sync(server.restart)
            async with catalog.lock_source(PHOTOS, "/film"):
                pass


async def test_a_failure_undoes_its_own_change_alone(catalog: Catalog) -> None:
    """Changes that are written together: one raises, the others are there. In both databases."""
    failed: list[str] = []

    async def record(number: int) -> None:
        def change(connection: Connection) -> None:
            connection.rows(
                "INSERT INTO places (account_id, region, endpoint, vault) VALUES ('-', 'r', '', ?)",
                (f"vault{number % 40}",),
            )

        try:
            await catalog._database.write(change)
        except CatalogError as error:
            failed.append(str(error))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(record, number)
    keys = await catalog._database.read(lambda connection: connection.rows("SELECT vault FROM places"))
    assert sorted(vault for (vault,) in keys) == sorted(f"vault{number}" for number in range(40))
    assert len(failed) == 10


async def test_what_a_database_cannot_take_is_an_error_of_ours(database: str) -> None:
    """A path too long for an index of PostgreSQL's; nothing of it is there, and the catalog goes on."""
    # What can be compressed would fit.
    source = "/" + "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(80))
    async with Catalog.open(database) as catalog:
        with pytest.raises(CatalogError, match="index row"):
            await catalog.archives.record(PHOTOS, archive(1), source=source)
        await catalog.archives.merge_inventory(PHOTOS, [archive(2)], inventoried=NOON)
        assert (await catalog.archives.totals(VaultKey("photos", "eu-west-1"))).archives == 1


async def test_a_merge_tells_the_server_how_many_there_are(database: str) -> None:
    """Without that it goes through the whole vault for each few archives, for the first minutes at least."""
    async with Catalog.open(database) as catalog:
        await catalog.archives.merge_inventory(PHOTOS, map(archive, range(300)), inventoried=NOON)
    (row,) = await servers.ask(database, "SELECT reltuples FROM pg_class WHERE relname = 'archives'")
    assert row["reltuples"] == 300


async def test_rows_are_found_by_their_index(database: str) -> None:
    """Also in a table that has grown since the statement was planned, without statistics."""

    def find(connection: Connection, place: int, numbers: range) -> int:
        wanted = "SELECT archive_id FROM archives WHERE place = ? AND archive_id = ?"
        names = [archive(number).id for number in numbers]
        found = connection.rows_of_each(wanted, [(place, name) for name in names])
        assert found == [(name,) for name in names]
        ((read,),) = connection.rows(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
            "WHERE relname = 'archives'"
        )
        return int(read)

    def look(connection: Connection) -> None:
        place = keep_vault(connection, PHOTOS)
        keep(connection, range(2))
        for _ in range(10):  # by now a server has one plan for all values, if it makes one
            find(connection, place, range(2))
        for first in range(2, 2002, 200):
            keep(connection, range(first, first + 200))
        before = find(connection, place, range(0))
        assert find(connection, place, range(1000, 1200)) - before <= 250

    def keep(connection: Connection, numbers: range) -> None:
        state = ArchiveState.STORED
        keep_archives(connection, [(PHOTOS, archive(number), state, {}) for number in numbers])

    async with Catalog.open(database) as catalog:
        await catalog._database.write(look)
