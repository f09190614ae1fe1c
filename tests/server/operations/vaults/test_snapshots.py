"""The moments that inventories are of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

DAY = 24 * 3600


async def test_the_faithful_inventory_lags_a_day(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """New archives are missing and deleted ones are listed until the next one."""
    old, gone = await slow_boto.upload(b"old"), await slow_boto.upload(b"gone")
    await faithful.advance(DAY)
    await slow_boto("describe_vault")
    new = await slow_boto.upload(b"new")
    await slow_boto("delete_archive", archiveId=gone)

    async def listed() -> list[str]:
        job_id = await slow_boto.job(Type="inventory-retrieval")
        await faithful.advance(4 * 3600)
        return [one["ArchiveId"] for one in json.loads(await slow_boto.output(job_id))["ArchiveList"]]

    assert await listed() == [old, gone]
    await faithful.advance(DAY)
    assert await listed() == [old, new]
    assert (await slow_boto("describe_vault"))["NumberOfArchives"] == 2


async def test_the_snapshot_is_that_of_its_time_not_of_the_look(
    faithful: LocalGlacier, slow_boto: Boto
) -> None:
    """A change after the inventory was due is in the next one, although no request came in between."""
    await slow_boto.upload(b"first")
    await faithful.advance(DAY + 3600)
    await slow_boto.upload(b"second")
    assert (await slow_boto("describe_vault"))["NumberOfArchives"] == 1


async def test_the_inventory_date_moves_only_with_changes(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """A vault at rest keeps its inventory."""
    await slow_boto.upload(b"x")
    await faithful.advance(DAY)
    first = (await slow_boto("describe_vault"))["LastInventoryDate"]
    await faithful.advance(30 * DAY)
    assert (await slow_boto("describe_vault"))["LastInventoryDate"] == first
