"""boto3's resources, unchanged: Account, Vault, Archive, Job, MultipartUpload and Notification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.testing import ServedGlacier

MIB = 1024 * 1024
pytestmark = pytest.mark.local_glacier(
    job_delay={"Bulk": 3600, "Standard": 0, "Inventory": 0}, inventory_lag=0
)


@pytest.fixture
def resource(local_glacier: ServedGlacier) -> Any:
    """Return boto3's entry to its resources."""
    return boto3.resource("glacier", **local_glacier.client_arguments)


def test_an_account_makes_and_finds_vaults(local_glacier: ServedGlacier, resource: Any) -> None:
    """Account and Vault create, load, list and delete vaults; attributes match the vault."""
    account = resource.Account("-")
    account.create_vault(vaultName="photos")
    resource.create_vault(vaultName="films")
    assert [vault.name for vault in account.vaults.all()] == ["films", "photos"]
    assert [vault.vault_name for vault in resource.vaults.limit(1)] == ["films"]
    vault = account.Vault("photos")
    assert vault.number_of_archives == 0
    assert vault.vault_arn == "arn:aws:glacier:us-east-1:012345678901:vaults/photos"
    vault.create()  # again: nothing changes
    vault.delete()
    resource.Vault("-", "films").delete()
    assert list(account.vaults.all()) == []
    assert local_glacier.status()["vaults"] == 0


def test_archives_and_jobs(
    local_glacier: ServedGlacier,
    resource: Any,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
) -> None:
    """A vault uploads; a job retrieves the archive and returns its bytes; the archive is deleted."""
    vault = resource.create_vault(vaultName="photos")
    data = pattern(5 * MIB)
    archive = vault.upload_archive(archiveDescription="november", body=data)
    retrieval = archive.initiate_archive_retrieval()
    inventory = vault.initiate_inventory_retrieval()
    assert (retrieval.status_code, retrieval.archive_id) == ("Succeeded", archive.id)
    assert retrieval.sha256_tree_hash == published_hash(5 * MIB)
    assert retrieval.get_output()["body"].read() == data
    (entry,) = json.load(inventory.get_output()["body"])["ArchiveList"]
    assert (entry["ArchiveId"], entry["ArchiveDescription"]) == (archive.id, "november")
    assert {job.id for job in vault.jobs.all()} == {retrieval.id, inventory.id}
    assert vault.Job(retrieval.id).completion_date is not None
    assert vault.Archive(archive.id) == archive
    archive.delete()
    vault.reload()
    assert vault.number_of_archives == 0
    assert local_glacier.status()["archives"] == 0


def test_jobs_are_found_by_their_state(local_glacier: ServedGlacier, resource: Any) -> None:
    """The collections of running, completed, succeeded and failed jobs contain the right jobs."""
    vault = resource.create_vault(vaultName="photos")
    archive = vault.upload_archive(body=b"1")
    wish = {"Type": "archive-retrieval", "ArchiveId": archive.id, "Tier": "Bulk"}
    slow = vault.meta.client.initiate_job(vaultName="photos", jobParameters=wish)["jobId"]
    quick = archive.initiate_archive_retrieval().id
    assert [job.id for job in vault.jobs_in_progress.all()] == [slow]
    assert [job.id for job in vault.succeeded_jobs.all()] == [quick]
    archive.delete()
    local_glacier.advance(3601)
    assert [job.id for job in vault.failed_jobs.all()] == [slow]
    assert {job.id for job in vault.completed_jobs.all()} == {slow, quick}


def test_multipart_uploads(
    local_glacier: ServedGlacier,
    resource: Any,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
    listed: Callable[[str], list[dict[str, Any]]],
) -> None:
    """An upload is initiated, found, sent and completed; another one is aborted."""
    vault = resource.create_vault(vaultName="photos")
    data, tree_hash = pattern(2 * MIB + 1), published_hash(2 * MIB + 1)
    upload = vault.initiate_multipart_upload(archiveDescription="parts", partSize=str(MIB))
    for start in range(0, len(data), MIB):
        part = data[start : start + MIB]
        upload.upload_part(range=f"bytes {start}-{start + len(part) - 1}/*", body=part)
    assert [part["RangeInBytes"] for part in upload.parts()["Parts"]] == [
        "0-1048575",
        "1048576-2097151",
        "2097152-2097152",
    ]
    other = vault.initiate_multipart_upload(partSize=str(MIB))
    assert {one.id for one in vault.multipart_uploads.all()} == {upload.id, other.id}
    found = next(one for one in vault.multipart_uploads.all() if one.id == upload.id)
    assert (found.archive_description, found.part_size_in_bytes) == ("parts", MIB)
    upload.complete(archiveSize=str(len(data)), checksum=tree_hash)
    other.abort()
    assert list(vault.multipart_uploads.all()) == []
    (entry,) = listed("photos")
    assert (entry["Size"], entry["SHA256TreeHash"]) == (len(data), tree_hash)
    assert local_glacier.status()["uploads"] == 0


def test_notifications(resource: Any) -> None:
    """A vault's notifications are set, read and deleted."""
    vault = resource.create_vault(vaultName="photos")
    topic = "arn:aws:sns:us-east-1:012345678901:topic"
    notification = vault.Notification()
    notification.set(vaultNotificationConfig={"SNSTopic": topic, "Events": ["InventoryRetrievalCompleted"]})
    assert (notification.sns_topic, notification.events) == (topic, ["InventoryRetrievalCompleted"])
    notification.delete()
    with pytest.raises(vault.meta.client.exceptions.ResourceNotFoundException):
        vault.Notification().load()
