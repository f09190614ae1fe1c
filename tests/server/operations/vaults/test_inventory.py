"""Inventories: their form, their lag, their pages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

ARN = "arn:aws:glacier:us-east-1:012345678901:vaults/v"
DAY = 24 * 3600


async def test_json_has_the_service_s_bytes(boto: Boto) -> None:
    """Key order, seconds in dates, empty string for no description."""
    first = await boto.upload(b"abc", archiveDescription='photos, "2019"')
    second = await boto.upload(b"de")
    job_id = await boto.job(Type="inventory-retrieval")
    text = (await boto.output(job_id)).decode()
    dates = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert text == (
        f'{{"VaultARN":"{ARN}","InventoryDate":"{dates[0]}","ArchiveList":['
        f'{{"ArchiveId":"{first}","ArchiveDescription":"photos, \\"2019\\"","CreationDate":"{dates[1]}",'
        f'"Size":3,"SHA256TreeHash":"{tree_hash(b"abc").hex()}"}},'
        f'{{"ArchiveId":"{second}","ArchiveDescription":"","CreationDate":"{dates[2]}",'
        f'"Size":2,"SHA256TreeHash":"{tree_hash(b"de").hex()}"}}]}}'
    )
    job = await boto("describe_job", jobId=job_id)
    assert job["InventorySizeInBytes"] == len(text)
    answer = await boto("get_job_output", jobId=job_id)
    assert answer["contentType"] == "application/json"
    assert "checksum" not in answer


async def test_csv_has_the_service_s_escapes(boto: Boto) -> None:
    r"""A quote becomes \", a backslash stays, a comma asks for quotes."""
    descriptions = ["plain", "with, comma", 'a\\"b', "x\\", ""]
    ids = [await boto.upload(b"x", **({"archiveDescription": text} if text else {})) for text in descriptions]
    job_id = await boto.job(Type="inventory-retrieval", Format="CSV")
    lines = (await boto.output(job_id)).decode().split("\n")
    assert lines[0] == "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
    assert lines[-1] == ""
    fields = ["plain", '"with, comma"', '"a\\\\"b"', "x\\", ""]
    for archive_id, field, line in zip(ids, fields, lines[1:-1], strict=True):
        assert line.startswith(f"{archive_id},{field},2")
        assert line.endswith(f",1,{tree_hash(b'x').hex()}")
    answer = await boto("get_job_output", jobId=job_id)
    assert answer["contentType"] == "text/csv"


async def test_an_empty_vault_has_an_empty_inventory(boto: Boto) -> None:
    """In the quick mode an unused vault has an inventory, too."""
    inventory = await boto.inventory()
    assert inventory["ArchiveList"] == []
    assert inventory["VaultARN"] == ARN


async def test_a_new_vault_has_no_inventory_for_a_day(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """The job is refused until then, and the numbers stay 0."""
    wanted = {"Type": "inventory-retrieval"}
    assert (await slow_boto.refused("initiate_job", jobParameters=wanted))[:2] == (
        404,
        "ResourceNotFoundException",
    )
    await slow_boto.upload(b"x" * 10)
    assert (await slow_boto("describe_vault"))["NumberOfArchives"] == 0
    await faithful.advance(DAY - 60)
    assert (await slow_boto.refused("initiate_job", jobParameters=wanted))[0] == 404
    await faithful.advance(60)
    vault = await slow_boto("describe_vault")
    assert (vault["NumberOfArchives"], vault["SizeInBytes"]) == (1, 10 + 32768)
    assert vault["LastInventoryDate"]
    await slow_boto.job(**wanted)


async def test_limit_and_marker_page_an_inventory(boto: Boto) -> None:
    """Each page is a job; the marker of the last page is null."""
    ids = [await boto.upload(b"x") for _ in range(5)]
    seen: list[str] = []
    parameters: dict[str, object] = {"Limit": "2"}
    marker = None
    for expected in (2, 2, 1):
        job_id = await boto.job(Type="inventory-retrieval", InventoryRetrievalParameters=parameters)
        page = json.loads(await boto.output(job_id))["ArchiveList"]
        assert len(page) == expected
        seen += [one["ArchiveId"] for one in page]
        job = await boto("describe_job", jobId=job_id)
        marker = job["InventoryRetrievalParameters"].get("Marker")
        parameters = {"Limit": "2", "Marker": marker}
    assert seen == ids
    assert marker is None


async def test_dates_filter_an_inventory(server: LocalGlacier, boto: Boto) -> None:
    """Archives from StartDate on, before EndDate, are listed."""
    first = await boto.upload(b"1")
    await server.advance(DAY)
    second = await boto.upload(b"2")
    await server.advance(DAY)
    third = await boto.upload(b"3")
    entries = (await boto.inventory())["ArchiveList"]
    dates = [one["CreationDate"] for one in entries]

    async def listed(**parameters: str) -> list[str]:
        inventory = await boto.inventory(InventoryRetrievalParameters=parameters)
        return [one["ArchiveId"] for one in inventory["ArchiveList"]]

    assert await listed(StartDate=dates[1]) == [second, third]
    assert await listed(EndDate=dates[1]) == [first]
    assert await listed(StartDate=dates[1], EndDate=dates[2]) == [second]
    assert await listed(StartDate=dates[2].replace("Z", "+00:00"), EndDate="2099-01-01T00:00:00.000Z") == [
        third
    ]
