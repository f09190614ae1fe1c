"""Two Glaciers under one contract: a local one and, marked ``aws``, Amazon's own."""

from __future__ import annotations

import secrets
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.limits import MIB
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.core.models import ArchiveId, JobId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.vaults.gateway import Gateway

KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@dataclass(frozen=True)
class Subject:
    """One Glacier under test.

    Attributes:
        vault: A new, empty vault.
        advance: Moves the clock of jobs and inventories; skips the test where that is impossible.
    """

    gateway: Gateway
    vault: str
    advance: Callable[[float], Awaitable[None]]

    async def store(self, body: bytes, description: str | None = None) -> ArchiveId:
        """Store an archive in one request."""
        stored = await self.gateway.upload_archive(
            self.vault, memoryview(body), hashes=hash_part(body), description=description
        )
        return stored.id

    async def fetch(self, job_id: JobId, byte_range: ByteRange | None = None) -> tuple[bytes, bytes | None]:
        """Return a job's output, and the service's tree hash of it."""
        async with self.gateway.get_job_output(self.vault, job_id, byte_range) as output:
            blocks = [block async for block in output]
            assert output.size == sum(map(len, blocks))
            return b"".join(blocks), output.head


@pytest.fixture(params=["local", pytest.param("aws", marks=pytest.mark.aws)])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """Yield each Glacier in turn, with an empty vault."""
    if request.param == "aws" and "aws" not in request.config.option.markexpr:
        pytest.skip("costs money; ask for it with -m aws")
    opened = {"local": _local, "aws": _aws}[request.param]
    async with opened(tmp_path) as subject:
        await subject.gateway.create_vault(subject.vault)
        yield subject


@asynccontextmanager
async def _local(directory: Path) -> AsyncIterator[Subject]:
    async with LocalGlacier(
        directory, access_key_id=KEYS[0], secret_access_key=KEYS[1], is_durable=False
    ) as server:
        options = GatewayOptions(
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=KEYS[0],
            aws_secret_access_key=KEYS[1],
        )
        async with open_gateway(options) as gateway:
            yield Subject(gateway, "photos", server.advance)


@asynccontextmanager
async def _aws(_: Path) -> AsyncIterator[Subject]:
    async def advance(seconds: float) -> None:
        pytest.skip(f"the real service takes its time, here {seconds} s")

    async with open_gateway(GatewayOptions()) as gateway:
        yield Subject(gateway, f"aioglacier-conformance-{secrets.token_hex(4)}", advance)


@pytest.fixture(scope="session")
def body() -> bytes:
    """Return six and a half different leaves."""
    return array("I", range(13 * MIB // 2 // 4)).tobytes()
