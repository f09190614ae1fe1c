"""The real program, started as a process, and its output."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.forking import Fork, Running, forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MIB = 1024 * 1024
ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass
class Done:
    """A run that has ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output."""
        return self.out.decode()

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as ``--json`` writes it."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The only record."""
        (record,) = self.records
        return record

    @property
    def error(self) -> dict[str, Any]:
        """The last error as ``--json`` writes it."""
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return error


@dataclass
class Cli:
    """Starts the program in a folder of the test's own, with an environment that knows no AWS account."""

    folder: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = "aioglacier"

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        code: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Done:
        """Run it to its end, which must be this exit code, and never a traceback or a secret."""
        actual, out, err = forks(self.program).run(
            [*self.arguments, *arguments], cwd=self.folder, env=self.env(environment), stdin=stdin or b""
        )
        return self.judge(actual, out, err, code)

    def judge(self, actual: int, out: bytes, err: bytes, code: int) -> Done:
        """Check how a run ended, and return it."""
        text = err.decode(errors="surrogateescape")
        assert "Traceback" not in text, text
        assert SECRET not in text
        assert SECRET.encode() not in out
        assert actual == code, text
        return Done(actual, out, text)

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "aioglacier", *self.arguments, *arguments]

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONWARNINGS": "error",
            **self.environment,
            **(more or {}),
        }

    @contextmanager
    def started(self, *arguments: str, **settings: Any) -> Iterator[Fork]:
        """Run it in the background; what is left of it in the end is killed."""
        settings = {"cwd": self.folder, "env": self.env(), **settings}
        with forks(self.program).start([*self.arguments, *arguments], **settings) as run:
            try:
                yield run
            finally:
                run.kill()

    @contextmanager
    def loaded(self, *arguments: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Also run it in the background, but load the program, as a user starts it."""
        settings = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.folder,
            "env": self.env(),
            **settings,
        }
        with subprocess.Popen(self.command(*arguments), **settings) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    process.kill()

    def stop(self, process: Running, number: signal.Signals, *, code: int) -> Done:
        """Send a signal, and see it end by it in time."""
        process.send_signal(number)
        out, err = process.communicate(timeout=40)
        return self.judge(process.returncode, out or b"", err or b"", code)


@contextmanager
def serving(cli: Cli, *arguments: str, is_killed: bool = False) -> Iterator[str]:
    """``aioglacier serve`` in the background; gives its URL.

    A server that still holds a request for a fault is killed in the end: a clean stop would wait for it.
    """
    with cli.started("serve", *arguments) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 20)
        assert ready
        yield process.stdout.readline().decode().strip()
        if not is_killed:
            cli.stop(process, signal.SIGTERM, code=0)


def wait_for(
    condition: Callable[[], bool], *, seconds: float = 30, otherwise: Callable[[], str] = lambda: ""
) -> None:
    """Poll until the condition holds."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, otherwise()
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that checks signatures, shared by all tests: each has a vault of its own."""
    folder = tmp_path_factory.mktemp("server")
    keys = {"AIOGLACIER_SERVE_ACCESS_KEY_ID": ACCESS_KEY_ID, "AIOGLACIER_SERVE_SECRET_ACCESS_KEY": SECRET}
    cli = Cli(folder, environment=keys)
    with serving(cli, "glacier", "--job-delay", "0", "--inventory-lag", "0") as url:
        yield url


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """The program without options."""
    return Cli(tmp_path)


@pytest.fixture
def cli(tmp_path: Path, server: str) -> Cli:
    """The program with the server's URL, and the right keys in its environment."""
    return Cli(tmp_path, ("--endpoint-url", server, "--region", "us-east-1"), keys())


@pytest.fixture
def program(tmp_path: Path) -> Cli:
    """The program on a local Glacier with one vault."""
    cli = Cli(tmp_path, ("--local", "glacier"))
    cli("vault", "create", "photos")
    return cli


@pytest.fixture(scope="session")
def vaults(server: str) -> Iterator[str]:
    """Names of empty vaults, made all at once, since each start of the program takes half a second."""
    program = """
import asyncio, sys, aioglacier
async def main():
    async with aioglacier.connect(endpoint_url=sys.argv[1], region_name="us-east-1") as glacier:
        for number in range(60):
            await glacier.create_vault(f"vault-{number}")
asyncio.run(main())
"""
    environment = {**os.environ, **keys()}
    subprocess.run([sys.executable, "-c", program, server], env=environment, check=True)
    return (f"vault-{number}" for number in range(60))


@pytest.fixture
def vault(vaults: Iterator[str]) -> str:
    """A vault of the test's own."""
    return next(vaults)


def keys() -> dict[str, str]:
    """The environment that has the server's keys."""
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


def data(size: int, seed: int = 1) -> bytes:
    """Bytes that look random, the same ones each time."""
    import random  # noqa: PLC0415

    return random.Random(seed).randbytes(size)  # noqa: S311


def upload_some(cli: Cli, vault: str, content: bytes, *arguments: str) -> str:
    """An archive of these bytes, by its id."""
    archive_id: str = cli("--json", "upload", vault, "-", *arguments, stdin=content).record["archive_id"]
    return archive_id


def catalog_of(cli: Cli) -> Path:
    """Return the path of the catalog."""
    return cli.folder / ".local" / "share" / "aioglacier" / "catalog.db"


PARTS = 12


SIZE = PARTS * MIB - 5


@contextmanager
def faulty(folder: Path, *faults: dict[str, Any], size: int = SIZE) -> Iterator[Cli]:
    """The program beside a server where something goes wrong, with a vault "v" and a file "big"."""
    (folder / "faults.json").write_text(json.dumps(faults))
    (folder / "big").write_bytes(data(size))
    arguments = ["glacier", "--job-delay", "0", "--inventory-lag", "0", "--faults", "faults.json"]
    with serving(Cli(folder), *arguments, is_killed=True) as url:
        cli = Cli(folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        ask(url, "PUT", "vaults/v")
        yield cli


def ask(url: str, method: str, path: str) -> Any:
    """One plain request to a server that checks no signatures."""
    headers = {"x-amz-glacier-version": "2012-06-01"}
    request = urllib.request.Request(f"{url}/-/{path}", method=method, headers=headers)  # noqa: S310  # the server's own URL
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")


def struck(cli: Cli) -> int:
    """Return how often the faults of the service have struck."""
    with urllib.request.urlopen(f"{cli.arguments[1]}/_local/status") as answer:  # noqa: S310  # our own
        return sum(fault["struck"] for fault in json.load(answer)["faults"])


def hang(operation: str, where: str = "", **more: Any) -> dict[str, Any]:
    """A fault: the first such request waits for a minute."""
    return {"operation": operation, "kind": "delay", "where": where, "seconds": 60, **more}


def sent(cli: Cli) -> int:
    """Parts that the service has of all unfinished uploads."""
    url = cli.arguments[1]
    uploads = ask(url, "GET", "vaults/v/multipart-uploads")["UploadsList"]
    names = [f"vaults/v/multipart-uploads/{upload['MultipartUploadId']}" for upload in uploads]
    return sum(len(ask(url, "GET", name)["Parts"]) for name in names)
