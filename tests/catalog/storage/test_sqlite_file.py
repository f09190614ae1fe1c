"""The file of a catalog: place, permissions, soundness."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aioglacier.catalog.storage import migrations, sqlite_file as files
from aioglacier.catalog.storage.backend import DamagedError
from aioglacier.core.errors import CatalogDamagedError, CatalogError
from tests.catalog.conftest import child, count, fill, outcome


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG specification has it; a relative path in the variable does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".local" / "share" / "aioglacier" / "catalog.db"
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert files.default_path() == default
    for wrong in ("", "share"):
        monkeypatch.setenv("XDG_DATA_HOME", wrong)
        assert files.default_path() == default
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert files.default_path() == Path("/srv/data/aioglacier/catalog.db")


@pytest.mark.parametrize("umask", ["000", "777"])
def test_only_its_owner_can_read_it(path: Path, umask: str) -> None:
    """SE-06: files 0600 and folders 0700 whatever the umask, and while it is open."""
    program = f"""
os.umask(0o{umask})
async def work(catalog):
    await catalog.archives.record(PHOTOS, archive(1))
    async with catalog.lock_source(PHOTOS, "/film"):
        folder = Path(catalog.location).parent
        for place in [folder, *folder.rglob("*")]:
            print(oct(place.stat().st_mode & 0o7777), place.name)
run(work)
"""
    with child(program, path) as process:
        lines = [line.split() for line in outcome(process).splitlines()]
    modes = {name: mode for mode, name in lines}
    assert {name for name, mode in modes.items() if mode == "0o700"} == {"share", "catalog.db.locks"}
    private = {name for name, mode in modes.items() if mode == "0o600"}
    assert {"catalog.db", "catalog.db-wal", "catalog.db-shm"} < private
    assert len(modes) == len(private) + 2


@pytest.mark.parametrize("name", ["a b?c#d%41.db", "\udcff\udcfe.db", "-x.db", "Übersicht.db", "file:x.db"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    """A path of any bytes names the catalog."""
    fill(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 0
    assert count(tmp_path / name) == 100
    assert names(tmp_path) == sorted([name, f"{name}.locks"])


def test_a_link_leads_to_the_catalog(tmp_path: Path) -> None:
    """Journals and locks lie beside the file, so both names are one catalog."""
    fill(tmp_path / "real" / "catalog.db")
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "catalog.db")
    assert count(tmp_path / "link.db") == 100
    assert names(tmp_path) == ["link.db", "real"]


def test_an_empty_file_made_for_it_is_filled(tmp_path: Path) -> None:
    """``mktemp`` makes such a file."""
    (tmp_path / "new.db").touch()
    fill(tmp_path / "new.db")
    assert count(tmp_path / "new.db") == 100


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a FIFO and a path through a file; nothing hangs and nothing is changed."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("text")
    for wrong in (tmp_path, tmp_path / "fifo", tmp_path / "file" / "catalog.db"):
        with pytest.raises(CatalogError) as raised:
            count(wrong)
        assert type(raised.value) is CatalogError
        assert str(wrong) in str(raised.value)
    assert (tmp_path / "file").read_text() == "text"
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("made_read_only", ["file", "folder"])
def test_a_catalog_that_may_not_be_written_to(made_read_only: str) -> None:
    """It is refused with its name, and stays as it was."""
    program = f"""
async def fill(catalog):
    await catalog.archives.record(PHOTOS, archive(1))
run(fill)
path = Path(sys.argv[1])
for one in [path.parent, *path.parent.rglob("*")]:
    os.chown(one, 65534, 65534)
os.setuid(65534)
before = path.read_bytes()
{"path.chmod(0o400)" if made_read_only == "file" else "path.parent.chmod(0o500)"}
try:
    run(fill)
except CatalogError as error:
    print(str(path) in str(error), path.read_bytes() == before)
"""
    # Somebody else cannot look through every folder above pytest's.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with child(program, Path(folder, "share", "catalog.db")) as process:
            assert outcome(process) == "True True\n"


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.slow
def test_the_journal_of_a_damaged_catalog_goes_with_it(path: Path) -> None:
    """It would be played into the next one."""
    program = """
async def work(catalog):
    await catalog.archives.merge_inventory(PHOTOS, map(archive, range(3000)), inventoried=NOON)
    os.kill(os.getpid(), 9)
run(work)
"""
    with child(program, path) as process:
        process.wait(timeout=60)
    log = path.with_name("catalog.db-wal")
    assert log.stat().st_size > 0
    _zero(path)
    journal = log.read_bytes()
    with pytest.raises(CatalogDamagedError) as raised:
        count(path)
    assert Path(raised.value.moved_to + "-wal").read_bytes() == journal
    assert not log.exists()
    fill(path, 1)
    assert count(path) == 1


def test_the_journal_of_a_deleted_catalog_is_not_played(path: Path) -> None:
    """A user removed the catalog and left the files beside it."""
    fill(path)
    shutil.copy(path, path.with_name("copy"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE archives SET size = 6")
        connection.commit()
        shutil.copy(path.with_name("catalog.db-wal"), path.with_name("kept-wal"))
    path.unlink()
    path.with_name("kept-wal").rename(path.with_name("catalog.db-wal"))
    assert count(path) == 0
    assert len(list(path.parent.glob("catalog.db-wal.damaged-*"))) == 1


def test_a_newer_version_is_refused_untouched(path: Path) -> None:
    """DC-05: the message names the newer version, and the file stays as it is."""
    fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE catalog_version SET version = version + 1")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(CatalogError, match=f"version {migrations.VERSION + 1}") as raised:
        count(path)
    assert not isinstance(raised.value, CatalogDamagedError)
    assert path.read_bytes() == before
    assert names(path.parent) == ["catalog.db", "catalog.db.locks"]


def test_another_programs_database_is_refused_untouched(path: Path) -> None:
    """It is sound, and none of ours."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(CatalogError, match="another program"):
        count(path)
    assert path.read_bytes() == before


def test_a_database_without_tables_is_filled(path: Path) -> None:
    """A sound SQLite database of version 0 is one to upgrade."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA application_id = 1")
    assert path.stat().st_size > 0
    fill(path)
    assert count(path) == 100


MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw,relatime shared:5 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/a\040b rw - ext4 /dev/vdb rw
32 22 0:42 / /mnt/s rw - fuse.sshfs user@host:/ rw
33 22 0:43 / /mnt/n rw - fuseblk /dev/sdc1 rw
34 22 0:44 / /mnt/n/over rw - ext4 /dev/sdd rw
35 34 0:45 / /mnt/n/over rw - cifs //server/share rw
36 22 0:46 / /mnt/café rw - 9p host rw
broken line
"""


@pytest.mark.parametrize(
    ("place", "is_network"),
    [
        ("/x/catalog.db", False),
        ("/home/me/catalog.db", True),
        ("/homes/me/catalog.db", False),
        ("/home/a b/catalog.db", False),
        ("/mnt/s/catalog.db", True),
        ("/mnt/n/catalog.db", False),
        ("/mnt/n/over/catalog.db", True),
        ("/mnt/café/catalog.db", True),
    ],
)
def test_network_filesystems_are_told_by_the_table_of_mounts(place: str, *, is_network: bool) -> None:
    """The nearest mount above the file counts, and the later of two on one point."""
    assert files.is_on_network(Path(place), MOUNTS) is is_network


def test_a_text_that_cannot_be_decoded_is_damage(path: Path) -> None:
    """Python refuses such a column without a code of SQLite, and the catalog counts as damaged."""
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError) as raised,
    ):
        connection.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
    assert isinstance(files.translate(raised.value, path), DamagedError)
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError) as raised,
    ):
        connection.execute("SELECT x FROM missing")
    assert type(files.translate(raised.value, path)) is CatalogError
