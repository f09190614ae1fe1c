"""The file of a catalog: its place, its permissions, its soundness, and the place of a damaged one.

- Files are made for their owner alone, and so is each folder that has to be made.
- A new catalog appears under its name at once and whole: it is made under another name, and renamed. So an
  empty file beside a folder of locks was not left by a crash: something cut a catalog short.
- A damaged catalog is renamed and never written to. Its journal goes with it, and goes first: a journal left
  behind would be played into the next catalog.
- This does not find a flipped bit in the middle of a hash or a size: SQLite keeps no checksums, so records
  have their own (``checksums``).

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import glob
import os
import re
import sqlite3
import stat
from contextlib import closing, suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from aioglacier.catalog.storage.backend import BusyError, DamagedError
from aioglacier.catalog.storage.migrations import VERSION
from aioglacier.core.errors import CatalogDamagedError, CatalogError
from aioglacier.core.limits import MIB
from aioglacier.files.host import data_folder
from aioglacier.files.landing import rename, sync_folder

_MAGIC: Final = b"SQLite format 3\0"
_SIDECARS: Final = ("-wal", "-shm", "-journal")

#: Up to this size indexes are compared with their tables too where a file is looked through: 0.3 s. For a
#: million archives (440 MiB) that would be 6 s, and checking the pages alone is 1.
_THOROUGH_SIZE: Final = 32 * MIB

#: Up to this size a file is looked through at every opening: 20 ms.
_SMALL_SIZE: Final = 2 * MIB

#: How long SQLite itself waits for another process before it says "busy"; the caller has more patience.
BUSY_SECONDS: Final = 0.25

#: Filesystems whose files other machines can have open. SQLite's write-ahead log needs shared memory between
#: all who use it (sqlite.org/wal.html, section 1), so it is not used there.
_NETWORK_TYPES: Final = (
    "9p afs beegfs ceph cifs coda gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs smb3 smbfs"
)

_octal: Final = re.compile(r"\\([0-7]{3})")


class Condition(Enum):
    """The state of the file to open."""

    MISSING = auto()
    EMPTY = auto()
    OLD = auto()
    READY = auto()


def default_path() -> Path:
    """``$XDG_DATA_HOME/aioglacier/catalog.db``, by default in ``~/.local/share``.

    Raises:
        CatalogError: There is no home directory.
    """
    try:
        return data_folder() / "catalog.db"
    except RuntimeError as error:
        raise CatalogError(
            "there is no home directory to keep the catalog in; say where with --catalog PATH"
        ) from error


def inspect(path: Path, *, was_used: bool, is_trusted: bool) -> Condition:
    """Look at the file at ``path``, without changing it.

    Args:
        path: The catalog.
        was_used: Whether a catalog has been there before, so that an empty file is a damaged one.
        is_trusted: Our own program left it like this, so check it only if that is quick.

    Raises:
        BusyError: Another process is changing it.
        DamagedError: It is not sound.
        CatalogError: It is another program's, or a newer version's, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CatalogError(f"the catalog {str(path)!r} is not a file", path=str(path))
        if status.st_size == 0:
            if was_used:
                raise DamagedError("it is empty")
            return Condition.EMPTY
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DamagedError("it is not a SQLite database")
    except FileNotFoundError:
        return Condition.MISSING
    except OSError as error:
        raise CatalogError(
            f"the catalog {str(path)!r} cannot be read: {error.strerror}", path=str(path)
        ) from error
    if not os.access(path, os.W_OK):
        raise CatalogError(f"the catalog {str(path)!r} may not be written to", path=str(path))
    try:
        with closing(_connect(path)) as connection:
            condition = _judge(connection, path)
            if not is_trusted or status.st_size <= _SMALL_SIZE:
                _look_through(connection, status.st_size)
            return condition
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except UnicodeDecodeError as error:  # in the words of an error about a name that is damaged
        raise DamagedError(str(error)) from error


def _judge(connection: sqlite3.Connection, path: Path) -> Condition:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and "catalog_version" not in tables:
        raise CatalogError(
            f"{str(path)!r} is another program's database; it was left as it is; choose another place with "
            "--catalog PATH",
            path=str(path),
        )
    version = 0
    if tables:
        rows = connection.execute("SELECT version FROM catalog_version").fetchall()
        if len(rows) != 1 or not isinstance(rows[0][0], int) or rows[0][0] < 1:
            raise DamagedError("its version is missing")
        ((version,),) = rows
    if version > VERSION:
        raise CatalogError(
            f"the catalog {str(path)!r} has version {version}, and this release knows up to {VERSION}; it "
            "was left as it is; use a newer aioglacier",
            path=str(path),
        )
    return Condition.READY if version == VERSION else Condition.OLD


def _look_through(connection: sqlite3.Connection, size: int) -> None:
    check = "integrity_check" if size <= _THOROUGH_SIZE else "quick_check"
    (verdict,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    if verdict != "ok":
        raise DamagedError(verdict)


def refuse_to_forget(path: Path) -> None:
    """Refuse to begin a new catalog beside a damaged one, which still says what was paid for.

    Raises:
        CatalogDamagedError: There is one.
    """
    pattern = f"{glob.escape(path.name)}.damaged-*"
    kept = [each for each in path.parent.glob(pattern) if not each.name.endswith(_SIDECARS)]
    if kept:
        raise CatalogDamagedError("found before", path=str(path), moved_to=str(max(kept)))


def set_journal(path: Path, *, is_network: bool, is_durable: bool = True) -> None:
    """Choose how SQLite keeps transactions whole; remembered in the file.

    Raises:
        BusyError: Another process has it open in the other way.
        CatalogError: It cannot be changed.
    """
    wanted = "delete" if is_network else "wal"
    try:
        with closing(_connect(path)) as connection:
            if not is_durable:
                connection.execute("PRAGMA synchronous = OFF")
            if is_network:
                # Without shared memory a database that has a log can be opened by one process alone.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != wanted:
                connection.execute(f"PRAGMA journal_mode = {wanted}")
    except sqlite3.Error as error:
        raise translate(error, path) from error


def make_empty(path: Path) -> None:
    """Make an empty private file; a crash may have left another of this name."""
    for suffix in ("", *_SIDECARS):
        _with_suffix(path, suffix).unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    path.chmod(0o600)  # the umask may have taken more away


def publish(new: Path, path: Path, *, overwrite: bool) -> None:
    """Give a new catalog its name, on disk too.

    Raises:
        FileExistsError: A file appeared there meanwhile; ``overwrite`` replaces an empty one.
    """
    for suffix in _SIDECARS:
        if os.path.lexists(stray := _with_suffix(path, suffix)):
            rename(stray, _free_name(stray), overwrite=False)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    rename(new, path, overwrite=overwrite)
    sync_folder(path.parent)


def move_aside(path: Path, reason: str) -> CatalogDamagedError:
    """Rename a damaged catalog, and return the error that says so."""
    aside = _free_name(path)
    for suffix in (*_SIDECARS, ""):
        with suppress(FileNotFoundError):
            rename(_with_suffix(path, suffix), _with_suffix(aside, suffix), overwrite=False)
    sync_folder(path.parent)
    return CatalogDamagedError(reason, path=str(path), moved_to=str(aside))


def translate(error: sqlite3.Error, path: Path) -> Exception:
    """Return our error for one of SQLite: ``BusyError``, ``DamagedError`` or ``CatalogError``."""
    code = getattr(error, "sqlite_errorcode", None)
    match code if code is None else code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return BusyError(str(error))
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DamagedError(str(error))
        case sqlite3.SQLITE_FULL:
            return CatalogError(
                f"there is no space left for the catalog {str(path)!r}; make some and run the same command "
                "again",
                path=str(path),
            )
        case None if isinstance(error, sqlite3.OperationalError):  # Python could not decode a column's text
            return DamagedError(str(error))
        case _:
            return CatalogError(f"the catalog {str(path)!r} cannot be used: {error}", path=str(path))


def is_on_network(path: Path, mounts: str | None = None) -> bool:
    """Return whether other machines may have the catalog open, from Linux's table of mounts.

    Args:
        path: The catalog, resolved; it need not exist.
        mounts: The table; by default the one of this process.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        except OSError:
            return False
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _octal.sub(lambda match: chr(int(match[1], 8)), fields[4])
        # The later of two mounts on one point covers the former.
        if path.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), after.split(" ", 1)[0]
    return kind in _NETWORK_TYPES.split() or (kind.startswith("fuse.") and kind != "fuse.portal")


def locks_folder(path: Path) -> Path:
    """Return the folder of the locks of a catalog."""
    return path.with_name(f"{path.name}.locks")


def journals(path: Path) -> list[Path]:
    """Return the files that SQLite may have beside an open catalog."""
    return [_with_suffix(path, suffix) for suffix in _SIDECARS if suffix != "-shm"]


def uri_of(path: Path) -> str:
    """Return the path of any bytes as a URI for SQLite."""
    return "file:" + quote_from_bytes(os.fsencode(path))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{uri_of(path)}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS
    )
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _free_name(path: Path) -> Path:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = path.with_name(f"{path.name}.damaged-{now}")
    count = 1
    while os.path.lexists(name):
        count += 1
        name = path.with_name(f"{path.name}.damaged-{now}-{count}")
    return name
