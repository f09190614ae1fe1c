"""A vault: uploads listed and ended, inventories read as a stream, settings in batches."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.client import inventory
from aioglacier.core.models import VaultEvent
from aioglacier.server import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted import ScriptedGateway

MIB = 1024 * 1024
DATA = bytes(range(251)) * (3 * MIB // 251)


async def test_a_file_goes_there_and_back(local: aioglacier.Glacier, tmp_path: Path) -> None:
    """The steps of the README work: create, write, upload, retrieve, download."""
    vault = await local.create_vault("photos")
    async with vault.open_writer(description="november, raw") as writer:
        for start in range(0, len(DATA), 100_000):
            await writer.write(DATA[start : start + 100_000])
    assert writer.archive is not None
    job = await vault.retrieve(writer.archive.id, tier="Bulk")
    await job.wait_until_done()
    target = tmp_path / "film.mkv"
    await job.download(target)
    async with job.open_reader((5, 50)) as reader:
        assert await reader.read() == DATA[5:50]
    assert aioglacier.tree_hash(DATA) == writer.archive.tree_hash
    assert (await vault.describe()).archive_count == 1
    await vault.delete_archive(writer.archive.id)
    await vault.delete_archive(writer.archive.id)
    await vault.delete()
    assert [each async for each in local.vaults()] == []


async def test_an_upload_can_be_watched(vault: aioglacier.Vault) -> None:
    """A prepared upload shows its progress, and its archive at the end."""
    upload = await vault.prepare_upload(DATA, part_size=MIB)
    assert upload.snapshot().taken == 0
    assert upload.archive is None
    archive = await upload.run()
    assert upload.snapshot().done == len(DATA)
    assert upload.archive == archive


async def test_unfinished_uploads_are_listed_and_ended(
    scripted: ScriptedGateway, vault: aioglacier.Vault
) -> None:
    """Unfinished uploads are listed with part size, description and parts; aborting twice is no error."""
    ids = [
        await scripted.initiate_multipart_upload("v", part_size=MIB, description=f"number {number}")
        for number in range(60)
    ]
    uploads = [upload async for upload in vault.uploads()]
    assert {upload.id for upload in uploads} == set(ids)
    first = await vault.unfinished_upload(ids[0])
    assert (first.vault, first.part_size, first.description) == ("v", MIB, "number 0")
    assert [part async for part in first.parts()] == []
    assert timedelta(0) <= scripted.now - first.started < timedelta(minutes=1)
    assert repr(first) == f"<Upload v {ids[0]} part_size=1MiB>"
    for upload in uploads:
        await upload.abort()
    assert [upload async for upload in vault.uploads()] == []
    with pytest.raises(aioglacier.UploadNotFoundError):
        await vault.unfinished_upload(ids[0])


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
    with pytest.raises(aioglacier.InventoryError, match="the job promised"):
        [archive async for archive in job.inventory()]


async def test_tags_go_in_batches(scripted: ScriptedGateway, vault: aioglacier.Vault) -> None:
    """A caller may set any number of tags, although the service takes ten at once."""
    tags = {f"key {number}": str(number) for number in range(25)}
    await vault.tags.add(tags)
    assert scripted.calls["AddTagsToVault"] == 3
    assert await vault.tags.get() == tags
    await vault.tags.remove(key for key in tags if key != "key 7")
    assert await vault.tags.get() == {"key 7": "7"}
    await vault.tags.remove([])
    assert scripted.calls["RemoveTagsFromVault"] == 3


async def test_settings_are_set_read_and_removed(vault: aioglacier.Vault) -> None:
    """Notifications, access policy and lock can be set; reading an unset one is an error of its own."""
    policy = '{"Statement":[{"Effect":"Deny","Principal":"*","Action":"glacier:DeleteVault"}]}'
    for read in (vault.notifications.get, vault.access_policy.get, vault.lock.get):
        with pytest.raises(aioglacier.ResourceNotFoundError):
            await read()
    topic = "arn:aws:sns:us-east-1:012345678901:topic"
    await vault.notifications.set(topic)
    assert (await vault.notifications.get()).events == frozenset(VaultEvent)
    await vault.notifications.set(topic, ["ArchiveRetrievalCompleted"])
    assert (await vault.notifications.get()).events == {VaultEvent.ARCHIVE_RETRIEVAL_COMPLETED}
    await vault.notifications.delete()
    await vault.access_policy.set(policy)
    assert await vault.access_policy.get() == policy
    await vault.access_policy.delete()
    await vault.lock.initiate(policy)
    await vault.lock.abort()
    lock_id = await vault.lock.initiate(policy)
    assert (await vault.lock.get()).expires is not None
    await vault.lock.complete(lock_id)
    assert (await vault.lock.get()).policy == policy
    assert repr(vault.lock) == "<Lock of vault v>"
    assert repr(vault) == "<Vault v us-east-1>"


async def test_errors_name_the_vault(vault: aioglacier.Vault, tmp_path: Path) -> None:
    """Errors name the vault, also those that do not come from the service."""
    with pytest.raises(aioglacier.SourceUnreadableError) as unreadable:
        await vault.upload(tmp_path / "none")
    with pytest.raises(aioglacier.LengthMismatchError) as short:
        async with vault.open_writer(expected_size=5) as writer:
            await writer.write(b"four")
    assert unreadable.value.vault == short.value.vault == "v"
