"""Inventories: read as a stream, and read into the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.client import inventory
from aioglacier.server import Fault

if TYPE_CHECKING:
    from tests.recorded.conftest import House
    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


@pytest.mark.slow
@pytest.mark.parametrize("output_format", ["JSON", "CSV"])
async def test_an_inventory_is_read_as_a_stream(
    output_format: str, local: aioglacier.Glacier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inventory is read in pieces, wherever they cut it, and no further than the caller reads."""
    monkeypatch.setattr(inventory, "_PIECE_SIZE", 100)
    vault = await local.create_vault("v")
    archives = [await vault.upload(DATA[:size], description=f'"{size}", raw') for size in range(1, 30)]
    job = await vault.retrieve_inventory(output_format=output_format)
    assert await vault.retrievals.find_inventory(output_format) is not None
    listed = [archive async for archive in job.inventory()]
    assert {(each.id, each.size, each.tree_hash, each.description) for each in listed} == {
        (each.id, each.size, each.tree_hash, each.description) for each in archives
    }
    assert {each.vault for each in listed} == {"v"}
    async for archive in job.inventory():
        assert archive == listed[0]
        break


async def test_an_inventory_goes_on_where_one_with_a_limit_ended(local: aioglacier.Glacier) -> None:
    """Limit and marker cut the list into jobs without a gap."""
    vault = await local.create_vault("v")
    ids = {(await vault.upload(DATA[:size])).id for size in range(1, 6)}
    seen: list[str] = []
    marker = None
    while True:
        job = await vault.retrieve_inventory(limit=2, marker=marker)
        seen += [archive.id async for archive in job.inventory()]
        parameters = (await job.describe()).inventory
        assert parameters is not None
        marker = parameters.marker
        if marker is None:
            break
    assert sorted(seen) == sorted(ids)


@pytest.mark.parametrize("body", ['{"code":"InternalServerError"}', "{}", '{"ArchiveList":[]}'])
async def test_an_answer_that_is_not_the_inventory_is_no_empty_inventory(
    scripted: ScriptedGateway, vault: aioglacier.Vault, body: str
) -> None:
    """A success with fewer bytes than the job promised is an error, and no archive counts as gone."""
    await vault.upload(DATA)
    job = await vault.retrieve_inventory()
    await scripted.advance(24 * 3600 - 1)
    scripted.add_faults(Fault("GetJobOutput", count=None, status=200, body=body))
    with pytest.raises(aioglacier.UnexpectedResponseError, match=f"the answer's has {len(body)}"):
        [archive async for archive in job.inventory()]


@pytest.mark.parametrize(("output_format", "counts"), [("JSON", (3, 1)), ("CSV", (0, 0))])
async def test_an_inventory_is_read_into_the_catalog(
    output_format: str, counts: tuple[int, int], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New and known archives are counted while they are listed; a list without a date changes nothing."""
    monkeypatch.setattr(inventory, "_BATCH", 2)
    known = await house.vault.upload(b"known")
    async with aioglacier.connect(
        endpoint_url=house.server.url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        hash_in="threads",
    ) as elsewhere:
        others = [await elsewhere.vault("v").upload(text) for text in (b"one", b"two", b"three")]
    job = await house.vault.retrieve_inventory(output_format=output_format)
    reading = job.read_inventory(await job.wait_until_done())
    listed = [archive.id async for archive in reading.archives()]
    assert set(listed) == {known.id, *(archive.id for archive in others)}
    assert (reading.added, reading.confirmed) == counts
    assert (reading.conflicting, reading.missing) == (0, 0)
    assert reading.is_dated is (output_format == "JSON")
    assert await reading.settle() == []
