"""A PostgreSQL server for tests: in a folder of its own, on loopback, gone afterwards."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]  # has no types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
# Nothing here outlives the test, so nothing need reach the disk.
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
"""


#: Waits until the process that runs tests has ended, even by a kill; ends the server and removes its folder.
_OWNER = """
cat
if read -r pid <"$0/data/postmaster.pid"; then
    kill -QUIT "$pid"
    for _ in $(seq 100); do
        [ -e "$0/data/postmaster.pid" ] || break
        sleep 0.05
    done
fi
rm -rf "$0"
"""


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL on this machine, of Debian or on the path."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@dataclass(frozen=True)
class Server:
    """A running server without a database in it; ``url`` is that of a user who needs a password."""

    url: str
    _pg_ctl: Path
    _folder: Path
    _owner: pwd.struct_passwd | None

    def start(self) -> None:
        """Start it on its folder."""
        log = self._folder / "log"
        _run(self._owner, self._pg_ctl, "-D", self._data, "-l", log, "-w", "-t", "60", "start")

    def stop(self) -> None:
        """Take it down hard, as a crash of its machine would."""
        _run(self._owner, self._pg_ctl, "-D", self._data, "-m", "immediate", "-w", "stop")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def restart(self) -> None:
        """Take it down hard and start it again."""
        self.stop()
        self.start()


@contextmanager
def running(bin_: Path) -> Iterator[Server]:
    """Run a server in a folder of its own."""
    # Not in pytest's folders: those above it are closed to the user of the server.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    command = ["sh", "-c", _OWNER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **silent):
        owner = _user()
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, password = folder / "data", "s3cret-Passw0rd"
        words = folder / "password"
        words.write_text(password)
        words.chmod(0o644)
        options = ["-U", "tester", "-A", "scram-sha-256", f"--pwfile={words}", "--no-sync"]
        _run(owner, bin_ / "initdb", "-D", data, *options, "-E", "UTF8", "--locale=C.UTF-8")
        port = _free_port()
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS + f"port = {port}\n")
        url = f"postgresql://tester:{password}@127.0.0.1:{port}"
        server = Server(url, bin_ / "pg_ctl", folder, owner)
        server.start()
        yield server


@cache
def shared() -> Server | None:
    """Return the only server of this process for tests that do not stop it, or None without PostgreSQL."""
    bin_ = programs()
    if bin_ is None:
        return None
    kept, process = ExitStack(), os.getpid()

    def close() -> None:
        if os.getpid() == process:  # and not a fork of it
            kept.close()

    atexit.register(close)
    return kept.enter_context(running(bin_))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Open a connection with asyncpg, as any other program may."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def ask(url: str, statement: str) -> Any:
    """Return the rows that the server gives to any other program."""
    async with connected(url) as connection:
        return await connection.fetch(statement)


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    # The server refuses to run as root.
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwuid(65534)


def _run(owner: pwd.struct_passwd | None, *command: str | Path) -> None:
    # Files, not pipes: the server would keep a pipe open after pg_ctl has ended.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            timeout=120,
            check=False,
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )
        output.seek(0)
        assert done.returncode == 0, output.read()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
