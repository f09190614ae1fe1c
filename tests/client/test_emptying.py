"""Emptying a vault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest

import aioglacier
from aioglacier.server import Fault, LocalGlacier, VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

REGION = "us-east-1"


async def inventory_job(vault: aioglacier.Vault) -> aioglacier.Job:
    """Return a finished inventory job."""
    job = await vault.retrieve_inventory()
    await job.wait_until_done()
    return job


async def fill(vault: aioglacier.Vault, count: int) -> list[aioglacier.Archive]:
    """Yield some archives."""
    return [await vault.upload(b"archive %d" % number) for number in range(count)]


@pytest.mark.slow
async def test_every_listed_archive_is_deleted(tmp_path: Path) -> None:
    """After emptying, a fresh inventory lists nothing and the vault can be deleted."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        vault = await glacier.create_vault("photos")
        archives = await fill(vault, 40)
        assert "40 archives" in (await vault.why_not_deletable() or "")
        emptying = vault.prepare_emptying()
        result = await emptying.run((await inventory_job(vault)).inventory())
        assert (result.deleted, result.refused) == (40, 0)
        assert result.bytes_deleted == sum(archive.size for archive in archives)
        assert [archive async for archive in (await inventory_job(vault)).inventory()] == []
        assert await vault.why_not_deletable() is None
        await vault.delete()


async def test_emptying_again_is_no_error(tmp_path: Path) -> None:
    """The same inventory may be worked through twice, as after an interruption."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        vault = await glacier.create_vault("photos")
        await fill(vault, 5)
        job = await inventory_job(vault)
        await vault.prepare_emptying().run(job.inventory())
        assert (await vault.prepare_emptying().run(job.inventory())).deleted == 5


async def test_archives_that_a_lock_protects_are_passed_over(tmp_path: Path) -> None:
    """A refusal is counted, with the archive and the reason, and the rest goes on."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "keep",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "glacier:DeleteArchive",
                "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/photos",
                "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "30"}},
            }
        ],
    }
    clock = VirtualClock()
    async with (
        LocalGlacier(tmp_path, clock=clock, job_delay=0, inventory_lag=0) as server,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        ) as glacier,
    ):
        vault = await glacier.create_vault("photos")
        old = await fill(vault, 3)
        clock.advance(40 * 24 * 3600)
        young = await fill(vault, 2)
        await vault.lock.initiate(json.dumps(policy))
        emptying = vault.prepare_emptying()
        result = await emptying.run((await inventory_job(vault)).inventory())
        assert (result.deleted, result.refused) == (len(old), len(young))
        assert {archive_id for archive_id, _ in emptying.failures} == {archive.id for archive in young}
        assert all(isinstance(error, aioglacier.AccessDeniedError) for _, error in emptying.failures)


async def test_a_lost_service_ends_it_with_the_reason(tmp_path: Path) -> None:
    """An error that is not a policy's refusal is raised as itself, not in a group."""
    faults = [Fault("DeleteArchive", status=403, code="ExpiredTokenException", count=None)]
    async with (
        LocalGlacier(tmp_path, faults=faults, job_delay=0, inventory_lag=0) as server,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        ) as glacier,
    ):
        vault = await glacier.create_vault("photos")
        await fill(vault, 3)
        job = await inventory_job(vault)
        with pytest.raises(aioglacier.CredentialsExpiredError), anyio.fail_after(60):
            await vault.prepare_emptying().run(job.inventory())
