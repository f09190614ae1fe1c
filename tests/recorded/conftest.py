"""A local Glacier with a catalog, shared by the tests of recorded uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aioglacier
from aioglacier.catalog import Catalog
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault
from tests.cli.conftest import MIB, data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aioglacier.catalog import UploadRecord
    from aioglacier.recorded.vault_records import VaultRecords

SIZE = 5 * MIB + 3


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    with anyio.fail_after(60):  # a busy machine stalls for seconds
        while not await condition():  # noqa: ASYNC110  # nothing tells
            await anyio.sleep(0.01)


async def done(writer: aioglacier.ArchiveWriter[Any], parts: int) -> None:
    """Wait until the service has so many parts."""

    async def condition() -> bool:
        return writer.snapshot().parts_done >= parts

    await until(condition)


@dataclass
class House:
    """A local Glacier, a catalog and its location, and a vault that is connected to both."""

    server: LocalGlacier
    vault: aioglacier.Vault
    records: VaultRecords
    file: Path
    location: str

    @property
    def catalog(self) -> Catalog:
        """Return the catalog."""
        return self.records.catalog

    async def uploads(self) -> list[UploadRecord]:
        """Return every unfinished upload on record."""
        return [upload async for upload in self.catalog.uploads.list_unfinished()]

    async def left_behind(self) -> UploadRecord:
        """Let an upload of the file fail with its sixth request; return its record, with five parts."""
        # A busy machine may send the last part, which is hashed at once, before the one in front of it.
        self.server.faults.add(
            Fault("UploadMultipartPart", first=6, status=403, code="AccessDeniedException")
        )
        with pytest.raises(aioglacier.AccessDeniedError):
            async with self.vault.open_or_resume(self.file, part_size=MIB) as upload:
                await upload.run()
        (record,) = await self.uploads()
        await until(lambda: self.has_parts(record, 5))
        return await self.catalog.uploads.get(record.number)

    async def has_parts(self, record: UploadRecord, count: int) -> bool:
        """Whether so many parts of an upload are on record, which is made in the background."""
        return len([part async for part in self.catalog.uploads.list_parts(record.number)]) == count


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Return the location of a new catalog: a file. A test module may have another database as well."""
    return str(tmp_path / "catalog.db")


@pytest.fixture
async def house(tmp_path: Path, location: str, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Return a local Glacier, a catalog and a vault, with a file of six parts; a parameter delays jobs."""
    file = tmp_path / "film.mkv"
    file.write_bytes(data(SIZE))
    async with (
        LocalGlacier(tmp_path / "glacier", job_delay=getattr(request, "param", 0), inventory_lag=0) as server,
        Catalog.open(location) as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            hash_in="threads",
            limits=aioglacier.Limits(concurrency=1),
            catalog=catalog,
        ) as glacier,
    ):
        vault = await glacier.create_vault("v")
        assert vault.records is not None
        yield House(server, vault, vault.records, file, location)
