"""Records that follow a server to another port before a connection to it reads any of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import Catalog, VaultKey
from aioglacier.core.models import Archive, ArchiveId
from aioglacier.core.s3.objects import BucketDescription
from aioglacier.recorded.moved_places import follow_moved
from aioglacier.server import LocalGlacier
from aioglacier.server.requests.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier import Bucket, Vault

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """Return a catalog."""
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        yield catalog


def connected(server: LocalGlacier, catalog: Catalog) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Return a connection as to a server of somebody else."""
    return aioglacier.connect(
        endpoint_url=server.url,
        s3_endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        hash_in="threads",
        catalog=catalog,
    )


async def count(place: Vault | Bucket) -> int:
    """Return the number of archives on record of a place that was asked for nothing yet."""
    context = place.context.recorded()
    return (await context.catalog.archives.totals(context.key)).archives


async def test_the_first_look_at_the_record_of_a_server_that_moved_finds_it(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Vaults, buckets and prefixes are known before they are asked for; a server of other vaults has none."""
    async with LocalGlacier(tmp_path / "depot") as server, connected(server, catalog) as glacier:
        await (await glacier.create_vault("v")).upload(b"small")
        await glacier.create_bucket("museum")
        await glacier.bucket("museum", "GLACIER_IR", "films/").upload(b"film", key="film")
        before = server.url
    async with LocalGlacier(tmp_path / "depot") as server, connected(server, catalog) as glacier:
        assert server.url != before
        assert await count(glacier.vault("v")) == 1
        assert await count(glacier.bucket("museum", prefix="films/")) == 1
        asked = Fault("ListVaults", count=None), Fault("ListBuckets", count=None)
        server.faults.add(*asked)
        async with connected(server, catalog):
            assert [fault["met"] for fault in server.faults.snapshot()] == [0, 0]
    async with LocalGlacier(tmp_path / "other") as server, connected(server, catalog) as glacier:
        await glacier.create_vault("v")
        assert await count(glacier.vault("v")) == 0


async def test_a_server_that_lists_nothing_can_still_be_used(catalog: Catalog, tmp_path: Path) -> None:
    """The records of a vault follow with the first answer about it."""
    async with LocalGlacier(tmp_path / "depot") as server, connected(server, catalog) as glacier:
        await (await glacier.create_vault("v")).upload(b"small")
    async with LocalGlacier(tmp_path / "depot") as server:
        server.faults.add(Fault("ListVaults", status=403, code="AccessDeniedException", count=None))
        async with connected(server, catalog) as glacier:
            vault = glacier.vault("v")
            assert await count(vault) == 0
            await vault.describe()
            assert await count(vault) == 1


OLD = VaultKey("s3://museum/films/", "us-east-1", endpoint="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "here",
    [
        pytest.param(VaultKey("", "us-east-1"), id="the endpoint of AWS"),
        pytest.param(VaultKey("", "us-east-1", endpoint="http://10.0.0.1:1"), id="another host"),
        pytest.param(VaultKey("", "eu-west-1", endpoint="http://127.0.0.1:2"), id="another region"),
        pytest.param(VaultKey("", "us-east-1", "012345678901", "http://127.0.0.1:2"), id="another account"),
        pytest.param(VaultKey("", "us-east-1", endpoint="http://127.0.0.1:1"), id="where it was"),
    ],
)
async def test_a_server_without_places_that_may_have_moved_is_not_asked(
    catalog: Catalog, here: VaultKey
) -> None:
    """A connection sends no request of its own then."""
    await catalog.archives.note_vault(OLD, "", MADE)

    def refuse() -> AsyncIterator[BucketDescription]:
        raise AssertionError

    await follow_moved(catalog, here, refuse, of_buckets=True)
    assert await catalog.archives.vault_keys() == [OLD]


async def test_a_place_is_known_by_its_kind_and_date(catalog: Catalog) -> None:
    """A list of vaults moves no bucket, one of another date moves nothing, and one without a date cannot."""
    here = VaultKey("", "us-east-1", endpoint="http://127.0.0.1:2")
    listed = 0

    async def list_buckets(created: datetime) -> AsyncIterator[BucketDescription]:
        nonlocal listed
        listed += 1
        yield BucketDescription("museum", created, None)

    await catalog.archives.record(OLD, Archive(ArchiveId("film"), "", 4, bytes(32), "", MADE))
    await follow_moved(catalog, here, lambda: list_buckets(MADE), of_buckets=True)
    assert listed == 0
    await catalog.archives.note_vault(OLD, "", MADE)
    await follow_moved(catalog, here, lambda: list_buckets(MADE), of_buckets=False)
    assert listed == 0
    later = MADE.replace(year=2027)
    await follow_moved(catalog, here, lambda: list_buckets(later), of_buckets=True)
    assert listed == 1
    assert await catalog.archives.vault_keys() == [OLD, replace(OLD, endpoint=here.endpoint)]
    assert (await catalog.archives.totals(OLD)).archives == 1
