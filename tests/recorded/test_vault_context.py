"""The context that every operation on a vault shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.core.limits import MIB
from aioglacier.core.spending import Budget
from aioglacier.core.upload_identity import LATEST_BEGIN
from tests.recorded.test_recording_gateway import stranger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recorded.conftest import House


@pytest.mark.slow
async def test_a_vault_without_a_catalog_cannot_be_recorded(tmp_path: Path) -> None:
    """A call that needs records is refused at once if the connection has no catalog."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        context = glacier.vault("photos").context
        assert context.records is None
        with pytest.raises(aioglacier.ConfigurationError, match="give one to connect"):
            context.recorded()


async def test_two_parts_fit_in_the_memory_limit(tmp_path: Path) -> None:
    """A part size is halved until two parts fit, but never below the service's smallest."""
    limits = aioglacier.Limits(memory=16 * MIB)
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}", limits=limits) as glacier:
        context = glacier.vault("photos").context
        assert context.part_size(8 * MIB) == 8 * MIB
        assert context.part_size(64 * MIB) == 8 * MIB
        assert context.part_size(MIB) == MIB


async def test_an_archive_that_is_deleted_twice_is_charged_once(house: House) -> None:
    """The charge for an early deletion is not repeated with the request."""
    archive = await house.vault.upload(b"small")
    budget = Budget(load_prices("us-east-1"))
    async with house.vault.spending(budget):
        await house.vault.delete_archive(archive.id)
        cost = budget.cost
        await house.vault.delete_archive(archive.id)
    assert cost > 0
    assert budget.cost == cost


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_upload_that_began_late_is_not_that_of_an_intent(house: House, *, is_late: bool) -> None:
    """An intent without an id stands for an upload that the service began soon after it, and for no other."""
    record = await house.catalog.uploads.record_intent(house.records.key, part_size=MIB, description="film")
    if is_late:
        await house.server.advance(LATEST_BEGIN.total_seconds() + 60)
    async with stranger(house) as glacier:
        began = await glacier.vault("v").context.gateway.initiate_multipart_upload(
            "v", part_size=MIB, description="film"
        )
    found = await house.vault.context.recorded().find_lost(record)
    assert found == (None if is_late else began)


async def test_an_upload_is_removed_once_and_its_record_ends(house: House) -> None:
    """An upload that the service has no more is removed without an error."""
    left = await house.left_behind()
    assert left.upload_id is not None
    context = house.vault.context.recorded()
    await context.abort_upload(left.upload_id)
    assert await house.uploads() == []
    await context.abort_at_service(left)
    assert [each async for each in context.list_uploads()] == []
