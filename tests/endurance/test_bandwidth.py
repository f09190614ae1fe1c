"""The rate of several processes together, measured on their connections: any ten seconds hold it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Cli, data, keys, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB: Final = 1_000_000
RATE: Final = 10 * MB
SIZE: Final = 130 * MB
WINDOW: Final = 10.0

#: Work that several processes share has 1 GiB and more.
LARGE: Final = 1024 * 1024 * 1024
LARGE_RATE: Final = 20 * MB


class Relay:
    """Passes connections on to a server, and notes when how many bytes went in either direction."""

    def __init__(self, url: str) -> None:
        self.passed: list[tuple[float, int]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets = [self._listener]
        self._server = ("127.0.0.1", urlsplit(url).port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                # What waits in the relay is not on the line yet.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)
                server = socket.create_connection(self._server)
                self._sockets += client, server
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(64 * 1024):
                target.sendall(block)
                self.passed.append((time.monotonic(), len(block)))
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all connections."""
        for each in self._sockets:
            each.close()

    def windows(self) -> list[float]:
        """Return the bytes a second of each ten seconds, one window a tenth of a second later.

        The first bytes are left out, which fill the buffers of sockets and were saved before, and the last
        ones, since one process may have nothing to do by then.
        """
        passed = sorted(self.passed)
        passed = passed[len(passed) * 5 // 100 : len(passed) * 95 // 100]
        began, ended = passed[0][0], passed[-1][0]
        starts = [began + step / 10 for step in range(int((ended - began - WINDOW) * 10))]
        return [sum(count for at, count in passed if 0 <= at - start < WINDOW) / WINDOW for start in starts]


@contextmanager
def relayed(folder: Path, rate: int = RATE) -> Iterator[tuple[Cli, Cli, Relay]]:
    """The program on a server, and on a relay to it with a limit that is shared in a folder of the test's."""
    with serving(Cli(folder), "glacier", "--job-delay", "0", is_killed=True) as url:
        relay = Relay(url)
        environment = {**keys(), "XDG_RUNTIME_DIR": str(folder)}
        limited = ("--endpoint-url", relay.url, "--region", "us-east-1", f"--bandwidth={rate}", "--quiet")
        yield (
            Cli(folder, ("--endpoint-url", url, "--region", "us-east-1"), keys()),
            Cli(folder, limited, environment),
            relay,
        )
        relay.close()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("way", ["up", "down"])
def test_workers_share_the_rate(tmp_path: Path, way: str) -> None:
    """One large archive in two worker processes keeps the rate of the command, within 5 %."""
    pytest.importorskip("distributed")
    block = data(LARGE // 16, 0)
    with (tmp_path / "large").open("wb") as file:
        for _ in range(16):
            file.write(block)
    with relayed(tmp_path, LARGE_RATE) as (free, limited, relay):
        free("vault", "create", "photos")
        words = ["upload", "photos", "large"]
        if way == "down":
            archive_id = free("--json", *words).record["archive_id"]
            words = ["download", "photos", f"--archive-id={archive_id}", "fetched"]
        with limited.loaded("--processes=2", *words) as run:
            assert run.wait(timeout=180) == 0, run.stderr and run.stderr.read()
        rates = relay.windows()
    print(f"\nworkers {way}: {min(rates) / MB:.2f} to {max(rates) / MB:.2f} MB/s")  # noqa: T201
    assert len(rates) > 50
    assert min(rates) > 0.9 * LARGE_RATE
    assert max(rates) < 1.05 * LARGE_RATE


@pytest.mark.long
@pytest.mark.parametrize("kind", ["vault", "bucket"])
@pytest.mark.parametrize("ways", ["up up", "down down", "up down"])
def test_any_ten_seconds_hold_the_rate(tmp_path: Path, kind: str, ways: str) -> None:
    """Two processes, each told 10 MB/s, move 10 MB/s together within 5 %, up, down and both."""
    is_bucket = kind == "bucket"
    place = "s3://museum/" if is_bucket else "photos"
    more = ["--storage-class=GLACIER_IR"] if is_bucket else []
    (tmp_path / "0").write_bytes(data(SIZE, 0))
    (tmp_path / "1").write_bytes(data(SIZE, 1))
    with relayed(tmp_path) as (free, limited, relay), ExitStack() as stack:
        free("bucket" if is_bucket else "vault", "create", "museum" if is_bucket else "photos")
        commands = []
        for number, way in enumerate(ways.split()):
            if way == "up":
                commands.append(["upload", place, str(number), *more])
                continue
            record = free("--json", "upload", place, str(number), *more).record
            name = record["key" if is_bucket else "archive_id"]
            commands.append(["download", place, f"--archive-id={name}", "-"])
        runs = [
            stack.enter_context(limited.loaded(*command, stdout=subprocess.DEVNULL)) for command in commands
        ]
        codes = [run.wait(timeout=120) for run in runs]
        assert codes == [0, 0], [run.stderr.read() for run in runs if run.stderr]
        rates = relay.windows()
        moved = sum(count for _, count in relay.passed) / MB
    print(f"\n{kind} {ways}: {min(rates) / MB:.2f} to {max(rates) / MB:.2f} MB/s, {moved:.0f} MB")  # noqa: T201
    assert len(rates) > 50
    assert min(rates) > 0.9 * RATE  # a busy machine loses some
    assert max(rates) < 1.05 * RATE
