"""A local Glacier, a proxy that injects trouble, and the real program or library as the client."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import Session

from aioglacier.client.glacier import Glacier
from aioglacier.core.treehash import tree_hash
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions, Timeouts
from aioglacier.gateway.retry.retrying_gateway import RetryingGateway
from aioglacier.server import LocalGlacier
from aioglacier.testing.served import ServedGlacier, serving
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.resources import open_resources
from tests.cli.conftest import MIB, Cli, Done, data, wait_for
from tests.faults.lies import Lies, build, lying
from tests.faults.proxy import Kind, Proxy, Since, Trouble, proxying
from tests.scripted import GivenServices
from tests.transfer.conftest import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from aioglacier.gateway.retry.patience import RetryPolicy
    from tests.forking import Running

__all__ = ["MIB", "Cli", "Done", "Lies", "Proxy", "ServedGlacier", "Stand", "Trouble", "data", "wait_for"]

#: For tests that wait for a fault to be noticed; on a busy machine a sound exchange can be silent as long.
SHORT = Timeouts(connect=2.0, stall=0.4, first_byte=0.8)


@dataclass
class Stand:
    """Service, proxy and program, and a vault "v".

    Attributes:
        folder: Where the program runs, and where it keeps its records.
        glacier: The service.
        proxy: The service, as the program sees it.
    """

    folder: Path
    glacier: ServedGlacier
    proxy: Proxy

    @property
    def cli(self) -> Cli:
        """Return the program's command with the proxy as the service."""
        return self.cli_at(self.proxy.url)

    def cli_at(self, url: str) -> Cli:
        """Return the program's command with another service."""
        keys = {
            "AWS_ACCESS_KEY_ID": self.glacier.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.glacier.secret_access_key,
        }
        return Cli(self.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys)

    def file(self, size: int, name: str = "big", seed: int = 1) -> bytes:
        """Make a file in the program's folder; return its bytes."""
        content = data(size, seed)
        (self.folder / name).write_bytes(content)
        return content

    def stored(self) -> list[tuple[int, str]]:
        """Return size and tree hash of every archive from an inventory, fetched without the proxy."""
        with asking(self.glacier) as service:
            wish = {"Type": "inventory-retrieval"}
            job_id = service.initiate_job(vaultName="v", jobParameters=wish)["jobId"]
            output = service.get_job_output(vaultName="v", jobId=job_id)["body"].read()
        return [(entry["Size"], entry["SHA256TreeHash"]) for entry in json.loads(output)["ArchiveList"]]

    def elsewhere(self) -> dict[str, str]:
        """Return an environment with another catalog than the program's own."""
        return {"XDG_DATA_HOME": str(self.folder / "elsewhere")}

    def count(self, what: str) -> int:
        """Return how many "archives", "uploads" or "jobs" the service has now."""
        count = self.glacier.status()[what]
        assert isinstance(count, int)
        return count

    @contextmanager
    def started(
        self, *arguments: str, lies: Lies | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        """Start the program in the background, with a false clock if given, which needs a new process."""
        more = {**(lies.environment if lies is not None else {}), **(environment or {})}
        start = self.cli.started if "LD_PRELOAD" not in more else self.cli.loaded
        with start(*arguments, env=self.cli.env(more)) as process:
            yield process

    def ended(self, process: Running, code: int = 0) -> Done:
        """Wait for the end of the program and compare its exit code."""
        out, err = process.communicate(timeout=60)
        return self.cli.judge(process.returncode, out, err, code)

    def killed(self, size: int, *missing: int) -> bytes:
        """Kill an upload of "big" in parts of 1 MiB when the service has all but these parts."""
        content = self.file(size)
        for index in missing:
            self.proxy.add(Trouble(Kind.FREEZE, where=f"bytes {index * MIB}-", since=Since.BODY, at=9))
        parts = -(-size // MIB)
        with self.started("upload", "v", "big", "--part-size", "1MiB") as process:
            wait_for(
                lambda: self.parts_sent() == parts - len(missing), otherwise=lambda: str(self.proxy.seen)
            )
            process.kill()
            process.communicate(timeout=10)
        self.proxy.clear()
        self.proxy.seen.clear()
        return content

    def parts_sent(self) -> int:
        """Return how many parts the service has acknowledged through the proxy."""
        return sum(seen.status == 204 for seen in self.proxy.requests("PUT /-/vaults/v/multipart-uploads/"))

    def proven(self, content: bytes) -> None:
        """Assert that the service has exactly this archive and no unfinished upload."""
        assert self.stored() == [(len(content), tree_hash(content).hex())]
        assert self.count("uploads") == 0

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read or change the program's catalog."""
        with (
            closing(sqlite3.connect(self.folder / ".local/share/aioglacier/catalog.db")) as database,
            database,
        ):
            return database.execute(statement).fetchall()

    def go_on(self, resume: str) -> Done:
        """Run the command that an error names, which contains the service's address."""
        name, *arguments = shlex.split(resume)
        assert name == "aioglacier"
        return replace(self.cli, arguments=())(*arguments)

    def struck(self) -> None:
        """Wait until the first trouble strikes."""
        wait_for(lambda: self.proxy.struck() > 0, otherwise=lambda: str(self.proxy.seen))

    @asynccontextmanager
    async def connect(
        self, *, policy: RetryPolicy = QUICK, max_concurrency: int | None = None, **options: Any
    ) -> AsyncIterator[Glacier]:
        """Connect with the library, by default with timeouts that only a fault exceeds."""
        given: dict[str, Any] = {
            "region_name": "us-east-1",
            "endpoint_url": self.proxy.url,
            "aws_access_key_id": self.glacier.access_key_id,
            "aws_secret_access_key": self.glacier.secret_access_key,
            "timeouts": Timeouts(connect=30, stall=30, first_byte=30),
        }
        limits = Limits(memory=24 * MIB, concurrency=max_concurrency, hash_workers=2)
        async with (
            open_gateway(GatewayOptions(**(given | options))) as gateway,
            open_resources(limits, "threads") as resources,
        ):
            yield Glacier(GivenServices(RetryingGateway(gateway, policy)), resources)
            assert resources.buffers.lent == 0


@cache
def _session() -> Session:
    return Session()


@contextmanager
def asking(glacier: ServedGlacier) -> Iterator[Any]:
    """Return a foreign client of the service, which needs no process and shares no code with ours."""
    client: Any = _session().create_client("glacier", **glacier.client_arguments)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def glacier(tmp_path: Path) -> Iterator[ServedGlacier]:
    """A service with a vault "v" that checks signatures; jobs are done and inventories made at once."""
    server = LocalGlacier(
        tmp_path / "glacier",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        job_delay=0,
        inventory_lag=0,
        is_durable=False,
    )
    with serving(server) as served:
        yield served


@pytest.fixture
def stand(glacier: ServedGlacier, tmp_path: Path) -> Iterator[Stand]:
    """Yield service, proxy and program."""
    folder = tmp_path / "home"
    folder.mkdir()
    with proxying(glacier.url) as proxy:
        stand = Stand(folder, glacier, proxy)
        with asking(glacier) as service:
            service.create_vault(vaultName="v")
        yield stand


@pytest.fixture(scope="session")
def lies_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library of the false clock, built once for all tests."""
    return build(tmp_path_factory.mktemp("lies"))


@pytest.fixture
def lies(lies_library: Path, tmp_path: Path) -> Iterator[Lies]:
    """Yield a false clock for programs that start with its environment."""
    with lying(lies_library, tmp_path) as told:
        yield told


@pytest.fixture
def retries(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the log of failed attempts."""
    return lambda: [record.getMessage() for record in caplog.records if getattr(record, "is_trouble", False)]


@pytest.fixture(autouse=True)
def _no_aws_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide this machine's AWS settings from every test."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
