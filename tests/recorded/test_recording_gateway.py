"""The answers of the service about vaults and archives are on record, for every caller."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.catalog import ArchiveState, Catalog, VaultKey
from aioglacier.recorded.recording_gateway import RecordingGateway
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.recorded.conftest import House


async def states(house: House) -> list[ArchiveState]:
    """Return the states of the archives on record."""
    every = house.catalog.archives.list_vault(house.records.key, states=tuple(ArchiveState))
    return [record.state async for record in every]


def stranger(house: House) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Return a connection without a catalog."""
    return aioglacier.connect(
        endpoint_url=house.server.url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


async def test_an_archive_that_the_service_does_not_know_counts_no_more(house: House) -> None:
    """An archive that another client has deleted is in doubt at the first request for it."""
    archive = await house.vault.upload(b"small")
    await house.vault.upload(b"other")
    async with stranger(house) as glacier:
        await glacier.vault("v").delete_archive(archive.id)
    with pytest.raises(aioglacier.ArchiveNotFoundError):
        await house.vault.retrieve(archive.id)
    assert await states(house) == [ArchiveState.SUSPECT, ArchiveState.STORED]


@pytest.mark.slow
async def test_a_vault_that_was_made_again_has_none_of_its_archives(house: House) -> None:
    """Archives older than the vault are in doubt as soon as the vault is described."""
    archive = await house.vault.upload(b"small")
    assert (await house.vault.describe()).name == "v"
    assert await states(house) == [ArchiveState.STORED]
    async with stranger(house) as glacier:
        vault = glacier.vault("v")
        await house.server.run_inventory()
        await vault.delete_archive(archive.id)
        await house.server.advance(3600)
        await house.server.run_inventory()
        await vault.delete()
        await glacier.create_vault("v")
    await house.vault.describe()
    assert await states(house) == [ArchiveState.SUSPECT]
    await house.vault.upload(b"new")
    await house.vault.describe()
    assert await states(house) == [ArchiveState.SUSPECT, ArchiveState.STORED]


async def test_a_vault_that_is_not_there_has_no_archives(house: House) -> None:
    """A vault that another client has deleted: every archive on record is in doubt at the first request."""
    archive = await house.vault.upload(b"small")
    async with stranger(house) as glacier:
        await glacier.vault("v").delete_archive(archive.id)
        await house.server.run_inventory()
        await glacier.vault("v").delete()
    with pytest.raises(aioglacier.VaultNotFoundError):
        await house.vault.upload(b"more")
    assert ArchiveState.STORED not in await states(house)


async def test_a_vault_that_is_deleted_takes_its_records_along(house: House) -> None:
    """``Vault.delete`` leaves no archive that counts, also none that the catalog did not see deleted."""
    archive = await house.vault.upload(b"small")
    async with stranger(house) as glacier:
        await glacier.vault("v").delete_archive(archive.id)
    await house.server.run_inventory()
    await house.vault.delete()
    assert await states(house) == [ArchiveState.SUSPECT]


@pytest.fixture
async def moving(tmp_path: Path) -> AsyncIterator[Catalog]:
    """Return a catalog of vaults on a local Glacier that moves."""
    async with Catalog.open(tmp_path / "catalog.db") as catalog:
        yield catalog


def connected(server: LocalGlacier, catalog: Catalog) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Return a connection that records."""
    return aioglacier.connect(
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        catalog=catalog,
    )


async def test_records_follow_a_local_glacier_to_another_port(moving: Catalog, tmp_path: Path) -> None:
    """A depot that is served on another port keeps its jobs; another depot there does not get them."""
    depot = tmp_path / "depot"
    async with LocalGlacier(depot, job_delay=0) as server, connected(server, moving) as glacier:
        vault = await glacier.create_vault("v")
        archive = await vault.upload(b"small")
        job = await vault.retrieve(archive.id)
        before = server.url
    async with LocalGlacier(depot, job_delay=0) as server, connected(server, moving) as glacier:
        assert server.url != before
        vault = glacier.vault("v")
        await vault.job(job.id).wait_until_done()
        assert (await vault.retrieve(archive.id)).id == job.id
        assert [key.endpoint for key in await moving.archives.vault_keys("v")] == [server.url]
    async with (
        LocalGlacier(tmp_path / "another", job_delay=0) as server,
        connected(server, moving) as glacier,
    ):
        vault = await glacier.create_vault("v")
        await vault.upload(b"small")
        assert len(await moving.archives.vault_keys("v")) == 2


async def test_inventories_are_judged_by_the_clock_of_the_service(house: House) -> None:
    """An inventory from before an archive, or from before its loss, says nothing about it.

    The service's clock is days ahead of ours here; archives and doubts have the dates of its answers.
    """
    await house.server.advance(9 * 86400)
    first = await house.vault.upload(b"first")
    await house.server.advance(9 * 86400)
    second = await house.vault.upload(b"second")
    async with stranger(house) as glacier:
        await glacier.vault("v").delete_archive(first.id)
    with pytest.raises(aioglacier.ArchiveNotFoundError):
        await house.vault.retrieve(first.id)
    inventoried = second.created - timedelta(days=4)
    await house.catalog.archives.merge_inventory(house.records.key, [first], inventoried=inventoried)
    assert await states(house) == [ArchiveState.SUSPECT, ArchiveState.STORED]
    assert second.created - first.created >= timedelta(days=8)


@pytest.mark.slow
@pytest.mark.parametrize("is_own", [True, False])
async def test_a_vault_of_another_account_is_not_missed(house: House, *, is_own: bool) -> None:
    """At AWS, "-" is the account of the credentials: a vault on record in another account stays as it was."""
    archive = replace(await house.vault.upload(b"small"), vault="gone")
    key = VaultKey("gone", "us-east-1")
    async with stranger(house) as glacier:
        account = (await glacier.vault("v").describe()).arn.split(":")[4]
        await house.catalog.archives.note_vault(key, account if is_own else "999999999999", archive.created)
        inventoried = archive.created - timedelta(days=1)
        await house.catalog.archives.merge_inventory(key, [archive], inventoried=inventoried)
        gateway = RecordingGateway(glacier.vault("v").context.gateway, house.catalog, "-", "")
        with pytest.raises(aioglacier.VaultNotFoundError):
            await gateway.describe_vault("gone")
    (record,) = [each async for each in house.catalog.archives.list_vault(key, states=tuple(ArchiveState))]
    assert record.state is (ArchiveState.SUSPECT if is_own else ArchiveState.STORED)
