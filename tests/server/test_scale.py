"""A vault of ten thousand archives is as quick as one of a thousand: SQLite's own steps are counted.

Steps do not depend on the machine or its load, so what grows with the vault is seen exactly: an inventory may
grow as the vault does, everything else may not grow at all.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aioglacier.server import LocalGlacier
from aioglacier.testing import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FEW, MANY = 1_000, 10_000
V = {"vaultName": "photos"}


class Steps:
    """Counts the instructions that SQLite runs in all connections made in its block."""

    def __init__(self) -> None:
        self.count = 0

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """Make a connection that counts."""
        connection: sqlite3.Connection = _connect(*arguments, **options)
        connection.set_progress_handler(self._step, 1)
        return connection

    def _step(self) -> int:
        self.count += 1
        return 0

    @contextmanager
    def counted(self, into: dict[str, int], name: str) -> Iterator[None]:
        """Note what the block takes."""
        before = self.count
        yield
        into[name] = self.count - before


_connect = sqlite3.connect


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Counts what all connections do that are made from now on."""
    counter = Steps()
    monkeypatch.setattr(sqlite3, "connect", counter.connect)
    return counter


def fill(directory: Path, archives: int) -> None:
    """Put archives into the vault of a local Glacier that is closed."""
    command = [sys.executable, "-m", "benchmarks.local_glacier", "--fill", str(directory)]
    subprocess.run([*command, "--archives", str(archives)], cwd=ROOT, check=True)


def cost_of_each_operation(steps: Steps, directory: Path, archives: int) -> dict[str, int]:
    """The steps of opening the server and of each operation on a vault of so many archives."""
    cost: dict[str, int] = {}
    with serving(LocalGlacier(directory)) as local_glacier:
        boto3.client("glacier", **local_glacier.client_arguments).create_vault(**V)
    fill(directory, archives)
    quick = LocalGlacier(directory, job_delay=0, inventory_lag=0, is_durable=False)
    with ExitStack() as stack:
        with steps.counted(cost, "open"):
            local_glacier = stack.enter_context(serving(quick))
        client = boto3.client("glacier", **local_glacier.client_arguments)
        with steps.counted(cost, "describe"):
            assert client.describe_vault(**V)["NumberOfArchives"] == archives
        with steps.counted(cost, "list vaults"):
            client.list_vaults()
        with steps.counted(cost, "inventory"):
            wish = {"Type": "inventory-retrieval"}
            job_id = client.initiate_job(**V, jobParameters=wish)["jobId"]
            assert client.describe_job(**V, jobId=job_id)["Completed"]
        listing = json.load(client.get_job_output(**V, jobId=job_id)["body"])["ArchiveList"]
        assert len(listing) == archives
        with steps.counted(cost, "a page of the inventory"):
            wish |= {"InventoryRetrievalParameters": {"Limit": "100"}}  # type: ignore[dict-item]  # as boto3 has it
            job_id = client.initiate_job(**V, jobParameters=wish)["jobId"]
            job = client.describe_job(**V, jobId=job_id)
        with steps.counted(cost, "a page from the middle"):
            marker = job["InventoryRetrievalParameters"]["Marker"]
            wish |= {"InventoryRetrievalParameters": {"Limit": "100", "Marker": marker}}  # type: ignore[dict-item]
            job_id = client.initiate_job(**V, jobParameters=wish)["jobId"]
            assert client.describe_job(**V, jobId=job_id)["Completed"]
        with steps.counted(cost, "upload"):
            client.upload_archive(**V, body=b"1")
        with steps.counted(cost, "delete ten"):
            for entry in listing[:: archives // 10]:
                client.delete_archive(**V, archiveId=entry["ArchiveId"])
        with steps.counted(cost, "see it"):
            assert client.describe_vault(**V)["NumberOfArchives"] == archives - 9
    return cost


def test_work_grows_with_the_vault_for_inventories_only(steps: Steps, tmp_path: Path) -> None:
    """Ten times the archives cost ten times the steps of an inventory, and no more of anything else."""
    few = cost_of_each_operation(steps, tmp_path / "few", FEW)
    many = cost_of_each_operation(steps, tmp_path / "many", MANY)
    assert few["inventory"] > 10 * FEW  # SQLite's steps are really counted
    assert 8 * few["inventory"] < many["inventory"] < 12 * few["inventory"]
    grown = {
        name: (few[name], many[name])
        for name in few
        # A deeper B-tree and the rhythm of the housekeeping may cost a little; a scan costs thousands.
        if name != "inventory" and many[name] > few[name] * 1.5 + 500
    }
    assert not grown


def test_work_per_page_of_jobs_does_not_grow(steps: Steps, tmp_path: Path) -> None:
    """A page of jobs, a new job and its end cost the same beside a thousand jobs and beside ten thousand."""
    costs = []
    for jobs in (FEW, MANY):
        directory = tmp_path / str(jobs)
        with serving(LocalGlacier(directory)) as local_glacier:
            boto3.client("glacier", **local_glacier.client_arguments).create_vault(**V)
        fill(directory, 10)
        add_jobs(directory, jobs)
        cost: dict[str, int] = {}
        with serving(LocalGlacier(directory, job_delay=0, is_durable=False)) as local_glacier:
            client = boto3.client("glacier", **local_glacier.client_arguments)
            with steps.counted(cost, "page"):
                page = client.list_jobs(**V)
            assert len(page["JobList"]) == 50
            with steps.counted(cost, "following page"):
                client.list_jobs(**V, marker=page["Marker"])
            with steps.counted(cost, "new job"):
                wish = {"Type": "inventory-retrieval"}
                job_id = client.initiate_job(**V, jobParameters=wish)["jobId"]
                assert client.describe_job(**V, jobId=job_id)["Completed"]
        costs.append(cost)
    few, many = costs
    assert all(many[name] <= few[name] * 1.5 + 500 for name in few), (few, many)


def add_jobs(directory: Path, jobs: int) -> None:
    """Put finished jobs into the records of a local Glacier that is closed."""
    db = sqlite3.connect(directory / "glacier.sqlite3")
    (now,) = db.execute("SELECT inventoried FROM vaults").fetchone()
    db.executemany(
        "INSERT INTO jobs (id, vault, action, created, due, completed, status) "
        "VALUES (?, 1, 'InventoryRetrieval', ?, ?, ?, 'Failed')",
        ((f"{number:092}", now, now, now) for number in range(jobs)),
    )
    db.commit()
    db.close()
