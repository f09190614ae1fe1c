"""A local Glacier in its own thread, as tests use it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from aioglacier.server import Fault, LocalGlacier, StartupError
from aioglacier.testing import ServedGlacier, serving

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def boto_client(local_glacier: ServedGlacier) -> Any:
    """Return boto3's client, which tries once."""
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("glacier", config=once, **local_glacier.client_arguments)


def test_serving_ends_with_the_block(tmp_path: Path) -> None:
    """After the block no thread is left, and the folder opens again with its archives."""
    before = set(threading.enumerate())
    with serving(LocalGlacier(tmp_path)) as local_glacier:
        boto_client(local_glacier).create_vault(vaultName="v")
    with serving(LocalGlacier(tmp_path)) as local_glacier:
        assert [vault["VaultName"] for vault in boto_client(local_glacier).list_vaults()["VaultList"]] == [
            "v"
        ]
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)  # an ending thread may need a moment
        assert not thread.is_alive(), thread.name


def test_a_folder_that_cannot_be_used_is_told_to_the_caller(tmp_path: Path) -> None:
    """The server's own error comes out of the ``with`` statement."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError), serving(LocalGlacier(tmp_path / "file")):
        pass


def test_advance_moves_the_clock_and_ends_jobs(local_glacier: ServedGlacier) -> None:
    """After a day's advance, an inventory job can be started and finished."""
    client = boto_client(local_glacier)
    client.create_vault(vaultName="v")
    client.upload_archive(vaultName="v", body=b"1")
    before = local_glacier.now
    assert client.describe_vault(vaultName="v")["NumberOfArchives"] == 0
    local_glacier.advance(25 * 3600)
    assert timedelta(hours=25) <= local_glacier.now - before < timedelta(hours=26)
    assert client.describe_vault(vaultName="v")["NumberOfArchives"] == 1


def test_an_inventory_can_be_taken_at_once(local_glacier: ServedGlacier) -> None:
    """``run_inventory`` takes the inventory without moving the clock."""
    client = boto_client(local_glacier)
    client.create_vault(vaultName="v")
    client.upload_archive(vaultName="v", body=b"1")
    local_glacier.run_inventory()
    assert client.describe_vault(vaultName="v")["SizeInBytes"] == 1 + 32 * 1024


def test_faults_strike_are_counted_and_cleared(local_glacier: ServedGlacier) -> None:
    """A fault strikes as often as scripted, and not after it was cleared."""
    client = boto_client(local_glacier)
    local_glacier.add_faults(
        Fault("CreateVault", code="ThrottlingException"), Fault("ListVaults", count=None)
    )
    with pytest.raises(client.exceptions.ClientError, match="Rate exceeded"):
        client.create_vault(vaultName="v")
    client.create_vault(vaultName="v")
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        client.list_vaults()
    assert [(one["operation"], one["met"], one["struck"]) for one in local_glacier.status()["faults"]] == [
        ("CreateVault", 2, 1),
        ("ListVaults", 1, 1),
    ]
    local_glacier.clear_faults()
    assert len(client.list_vaults()["VaultList"]) == 1


def test_the_status_is_that_of_this_moment(local_glacier: ServedGlacier) -> None:
    """The status counts archives, jobs, uploads and vaults as they are now."""
    client = boto_client(local_glacier)
    client.create_vault(vaultName="v")
    archive_id = client.upload_archive(vaultName="v", body=b"1")["archiveId"]
    client.upload_archive(vaultName="v", body=b"2")
    client.delete_archive(vaultName="v", archiveId=archive_id)
    client.initiate_multipart_upload(vaultName="v", partSize="1048576")
    status = local_glacier.status()
    assert (status["vaults"], status["archives"], status["uploads"], status["jobs"]) == (1, 1, 1, 0)


async def test_connect_works_on_any_event_loop(local_glacier: ServedGlacier) -> None:
    """An async test may open several connections, and block in between."""
    async with local_glacier.connect() as one, local_glacier.connect() as other:
        vault = await one.create_vault("v")
        archive = await vault.upload(b"1")
        local_glacier.run_inventory()
        assert (await other.vault("v").describe()).archive_count == 1
        assert archive.size == 1
