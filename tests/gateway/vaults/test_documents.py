"""The service's documents, in each form that was observed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Callable

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
    ],
)
def test_retrieval_policy_of_any_shape(document: dict[str, object], policy: RetrievalPolicy) -> None:
    """A policy without rules limits nothing."""
    assert documents.read_retrieval_policy(document) == policy


@pytest.mark.parametrize(
    "document",
    [{}, {"Policy": {}}, {"Policy": None}, {"Policy": {"Rules": None}}, {"Policy": {"Rules": [{}]}}],
)
def test_a_document_without_a_policy_is_not_one_without_a_limit(document: dict[str, object]) -> None:
    """Jobs that a limit would refuse are planned by it."""
    with pytest.raises((LookupError, TypeError)):
        documents.read_retrieval_policy(document)


UPLOAD = {
    "ArchiveDescription": "film",
    "CreationDate": "2026-11-22T09:16:45.612Z",
    "MultipartUploadId": "U",
    "PartSizeInBytes": 1_048_576,
    "VaultARN": "arn",
}
VAULT = {"VaultName": "v", "VaultARN": "arn", "CreationDate": "2026-11-22T09:16:45.612Z"}
LOCK = {"Policy": "{}", "State": "Locked", "CreationDate": "2026-11-22T09:16:45.612Z"}
UNIT = {"CapacityId": "C", "StartDate": "2026-11-22T09:16:45Z", "ExpirationDate": "2026-12-22T09:16:45Z"}


@pytest.mark.parametrize(
    ("read", "document", "names"),
    [
        (documents.read_vault, VAULT, ["VaultName", "VaultARN", "CreationDate"]),
        (documents.read_vault, VAULT, ["NumberOfArchives", "SizeInBytes", "LastInventoryDate"]),
        (documents.read_upload, UPLOAD, [*UPLOAD]),
        (documents.read_job, JOB, ["JobId", "VaultARN", "Action", "StatusCode", "CreationDate"]),
        (documents.read_job, JOB, ["StatusMessage", "JobDescription", "SNSTopic", "ArchiveId"]),
        (documents.read_job, JOB, ["ArchiveSizeInBytes", "InventorySizeInBytes", "RetrievalByteRange"]),
        (documents.read_job, JOB, ["ArchiveSHA256TreeHash", "SHA256TreeHash"]),
        (documents.read_lock, LOCK, [*LOCK, "ExpirationDate"]),
        (documents.read_access_policy, {}, ["Policy"]),
        (documents.read_notifications, {"SNSTopic": "arn"}, ["SNSTopic", "Events"]),
        (documents.read_tags, {}, ["Tags"]),
        (documents.page_of("VaultList", documents.read_vault), {"VaultList": []}, ["VaultList", "Marker"]),
        (documents.read_part, {"SHA256TreeHash": "00" * 32}, ["RangeInBytes"]),
        (documents.read_part, {"RangeInBytes": "0-1"}, ["SHA256TreeHash"]),
    ],
)
@pytest.mark.parametrize("value", [5.5, True, -1, 2**63, ["x"], {"x": 5}, float("inf")])
def test_a_member_of_another_type_is_refused(
    read: Callable[[dict[str, object]], object], document: dict[str, object], names: list[str], value: object
) -> None:
    """A wrong type is an error of a kind that the caller translates, and no value of a model."""
    for name in names:
        with pytest.raises((AttributeError, LookupError, TypeError, ValueError)):
            read({**document, name: value})
    for unit in ({**UNIT, name: value} for name in UNIT):
        with pytest.raises(TypeError):
            documents.read_capacities({"ProvisionedCapacityList": [unit]})
    if isinstance(value, float):
        rule = {"Strategy": "BytesPerHour", "BytesPerHour": value}
        with pytest.raises((TypeError, ValueError)):
            documents.read_retrieval_policy({"Policy": {"Rules": [rule]}})


@pytest.mark.parametrize("text", ["ab", "ab" * 31, "ab" * 33, "zz" * 32])
def test_a_hash_of_another_length_is_refused(text: str) -> None:
    """It could only fail later, as damage of bytes that are right."""
    for name in ("ArchiveSHA256TreeHash", "SHA256TreeHash"):
        with pytest.raises(ValueError, match=r"tree hash|hexadecimal"):
            documents.read_job({**JOB, name: text})
    with pytest.raises(ValueError, match=r"tree hash|hexadecimal"):
        documents.read_part({"RangeInBytes": "0-1", "SHA256TreeHash": text})


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    """JSON can hold it as an escape, and neither a catalog nor a terminal takes it."""
    assert documents.read_job({**JOB, "JobDescription": "a\ud800b"}).description == "a\ufffdb"


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
