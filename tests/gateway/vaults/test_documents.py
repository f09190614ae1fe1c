"""The service's documents, in each form that was observed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aioglacier.core.models import (
    InventoryFormat,
    InventoryParameters,
    JobAction,
    JobStatus,
    RetrievalPolicy,
    RetrievalStrategy,
    Tier,
)
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.vaults import documents

JOB = {
    "Action": "InventoryRetrieval",
    "ArchiveId": None,
    "Completed": False,
    "CompletionDate": None,
    "CreationDate": "2026-11-22T09:16:45.612Z",
    "InventoryRetrievalParameters": {
        "EndDate": None,
        "Format": "JSON",
        "Limit": None,
        "Marker": None,
        "StartDate": None,
    },
    "JobId": "J",
    "StatusCode": "InProgress",
    "VaultARN": "arn:aws:glacier:us-east-1:012345678901:vaults/demo",
}


def test_job_as_recorded_with_nulls() -> None:
    """An inventory job with nulls is read."""
    job = documents.read_job(JOB)
    assert (job.action, job.status) == (JobAction.INVENTORY_RETRIEVAL, JobStatus.IN_PROGRESS)
    assert job.inventory == InventoryParameters()
    assert (job.tier, job.archive_size, job.tree_hash, job.byte_range) == (None, None, None, None)


def test_job_with_nulls_left_out() -> None:
    """A member that is absent counts as null."""
    assert documents.read_job({name: value for name, value in JOB.items() if value}) == documents.read_job(
        JOB
    )


def test_archive_job_as_recorded() -> None:
    """Each member of an archive job is read."""
    job = documents.read_job(
        JOB
        | {
            "Action": "ArchiveRetrieval",
            "ArchiveId": "A",
            "ArchiveSHA256TreeHash": "ab" * 32,
            "ArchiveSizeInBytes": 5_242_880,
            "Completed": True,
            "CompletionDate": "2026-11-22T13:16:45.612Z",
            "InventoryRetrievalParameters": None,
            "RetrievalByteRange": "1048576-5242879",
            "SHA256TreeHash": None,
            "StatusCode": "Succeeded",
            "Tier": "Bulk",
        }
    )
    assert job.is_done
    assert job.byte_range == ByteRange(1_048_576, 5_242_880)
    assert job.output_size == 4_194_304
    assert job.tier is Tier.BULK
    assert (job.archive_tree_hash, job.tree_hash) == (b"\xab" * 32, None)


def test_job_of_a_tier_nobody_knows() -> None:
    """A job of an unknown tier is read without a tier."""
    assert documents.read_job(JOB | {"Tier": "Glacial"}).tier is None


def test_vault_with_null_numbers() -> None:
    """A number that is null counts as zero."""
    vault = documents.read_vault(
        {
            "CreationDate": "2026-11-20T10:00:00.123Z",
            "VaultARN": "arn",
            "VaultName": "demo",
            "NumberOfArchives": None,
        }
    )
    assert (vault.archive_count, vault.size, vault.inventoried) == (0, 0, None)


@pytest.mark.parametrize("text", ["0-4194303", "0-4194304"])
def test_part_trusts_only_the_start_of_its_range(text: str) -> None:
    """The end of a part's range is ignored, as some answers have it one too large."""
    assert documents.read_part({"RangeInBytes": text, "SHA256TreeHash": "00" * 32}).start == 0


@pytest.mark.parametrize(
    ("document", "policy"),
    [
        (
            {"Policy": {"Rules": [{"BytesPerHour": None, "Strategy": "None"}]}},
            RetrievalPolicy(RetrievalStrategy.NONE),
        ),
        (
            {"Policy": {"Rules": [{"BytesPerHour": 5, "Strategy": "BytesPerHour"}]}},
            RetrievalPolicy(RetrievalStrategy.BYTES_PER_HOUR, 5),
        ),
        ({"Policy": {"Rules": []}}, RetrievalPolicy(RetrievalStrategy.NONE)),
        ({}, RetrievalPolicy(RetrievalStrategy.NONE)),
    ],
)
def test_retrieval_policy_of_any_shape(document: dict[str, object], policy: RetrievalPolicy) -> None:
    """A policy without rules limits nothing, whatever its shape."""
    assert documents.read_retrieval_policy(document) == policy


def test_a_list_that_is_not_there_is_no_empty_list() -> None:
    """A document without tags or units of capacity is not taken for one that lists none."""
    for read in (documents.read_tags, documents.read_capacities):
        with pytest.raises(KeyError):
            read({})
    assert (documents.read_tags({"Tags": {}}), documents.read_tags({"Tags": None})) == ({}, {})
    assert documents.read_capacities({"ProvisionedCapacityList": None}) == ()


def test_inventory_parameters_are_written_as_strings() -> None:
    """All parameters are strings; absent ones are left out."""
    parameters = InventoryParameters(
        format=InventoryFormat.CSV, start_date=datetime(2026, 1, 1, tzinfo=UTC), limit=10, marker="M"
    )
    assert documents.write_inventory(parameters) == {
        "StartDate": "2026-01-01T00:00:00Z",
        "Limit": "10",
        "Marker": "M",
    }
    assert documents.write_inventory(InventoryParameters()) == {}
