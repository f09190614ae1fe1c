"""Records of a bucket at a server of one's own follow the server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import Catalog
from aioglacier.core.errors import CostLimitError
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget, charging
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def serving(folder: Path, catalog: Catalog) -> AsyncIterator[aioglacier.Glacier]:
    """Serve a folder at a new port, and connect to it as to a server of somebody else."""
    async with (
        LocalGlacier(folder, job_delay=0) as server,
        aioglacier.connect(
            endpoint_url=server.url,
            s3_endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            hash_in="threads",
            catalog=catalog,
        ) as glacier,
    ):
        yield glacier


@pytest.mark.slow
async def test_records_follow_a_server_to_another_port(tmp_path: Path) -> None:
    """A file that is stored is known at the new port, and a deletion is recorded in every prefix."""
    film = tmp_path / "film"
    film.write_bytes(b"film")
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        async with serving(tmp_path / "glacier", catalog) as glacier:
            await glacier.create_bucket("museum")
            for prefix in ("", "scans/"):
                bucket = glacier.bucket("museum", "GLACIER_IR", prefix)
                async with bucket.open_or_resume(film, key="film") as upload:
                    await upload.run()
        async with serving(tmp_path / "glacier", catalog) as glacier:
            scans = glacier.bucket("museum", "GLACIER_IR", "scans/")
            async with scans.open_or_resume(film, key="film") as upload:
                assert (await upload.run()).id == "film"
            assert (await catalog.archives.totals(scans.context.key)).archives == 1
            whole = glacier.bucket("museum", "GLACIER_IR")
            await whole.delete("film")
            assert (await catalog.archives.totals(whole.context.key)).archives == 0


@pytest.mark.slow
async def test_another_bucket_of_the_name_has_other_records(tmp_path: Path) -> None:
    """A bucket with another date of creation at another port of the host does not get the records."""
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        for folder in ("one", "two"):
            async with serving(tmp_path / folder, catalog) as glacier:
                bucket = await glacier.create_bucket("museum", "GLACIER_IR")
                assert (await catalog.archives.totals(bucket.context.key)).archives == 0
                await bucket.upload(b"film", key="film")
                assert (await catalog.archives.totals(bucket.context.key)).archives == 1


async def test_an_early_deletion_is_charged_and_limited(tmp_path: Path) -> None:
    """By the prices of the object's class; those of another class tell nothing, and pass no limit."""
    deep, instant = (
        load_prices("us-east-1", storage_class=each)
        for each in (StorageClass.DEEP_ARCHIVE, StorageClass.GLACIER_IR)
    )
    async with (
        Catalog.open(tmp_path / "catalog.db") as catalog,
        serving(tmp_path / "glacier", catalog) as glacier,
    ):
        bucket = await glacier.create_bucket("museum", "DEEP_ARCHIVE")
        await bucket.upload(b"film", key="film")
        for budget in (Budget(deep, 0.0), Budget(instant, 1e9)):
            async with bucket.context.spending(budget):
                with pytest.raises(CostLimitError):
                    await bucket.delete("film")
        budget = Budget(instant)
        async with bucket.context.spending(budget):
            with charging(deep):
                await bucket.delete("film")
            await bucket.delete("film")  # which is gone, and costs nothing
    heads = deep.looking(heads=1) + instant.looking(heads=1)
    assert budget.cost == pytest.approx(deep.early_deletion(4, 0, 1) + heads, rel=1e-3)
