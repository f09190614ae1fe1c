"""boto3's client, unchanged, against the local Glacier: every operation, paginator and waiter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from aioglacier.server import Fault, FaultKind, Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.testing import ServedGlacier

MIB = 1024 * 1024
QUICK = pytest.mark.local_glacier(job_delay=0, inventory_lag=0)

LOCK_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "glacier:DeleteArchive",
                "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/photos",
                "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}},
            }
        ],
    }
)


@pytest.fixture
def client(local_glacier: ServedGlacier) -> Any:
    """Return boto3's client with its own retries, and create a vault "photos"."""
    made = boto3.client("glacier", **local_glacier.client_arguments)
    made.create_vault(vaultName="photos")
    return made


def upload_in_parts(client: Any, data: bytes, part_size: int, tree_hash: str, *, order: int = 1) -> Any:
    """Upload an archive in parts, each hashed by botocore; the last one first if ``order`` is -1."""
    place = {"vaultName": "photos"}
    made = client.initiate_multipart_upload(**place, partSize=str(part_size), archiveDescription="in parts")
    place["uploadId"] = made["uploadId"]
    for start in range(0, len(data), part_size)[::order]:
        part = data[start : start + part_size]
        span = f"bytes {start}-{start + len(part) - 1}/*"
        client.upload_multipart_part(**place, range=span, body=part)
    return client.complete_multipart_upload(**place, archiveSize=str(len(data)), checksum=tree_hash)


@pytest.mark.slow
def test_every_operation(
    local_glacier: ServedGlacier, pattern: Callable[[int], bytes], published_hash: Callable[[int], str]
) -> None:
    """The life of one vault uses all 33 operations of the model, and another operation shows each effect."""
    client = boto3.client("glacier", **local_glacier.client_arguments)
    called: set[str] = set()
    client.meta.events.register("before-call.glacier", lambda model, **_: called.add(model.name))
    v = {"vaultName": "photos"}

    # vaults
    assert client.create_vault(**v)["location"] == "/012345678901/vaults/photos"
    assert client.describe_vault(**v)["NumberOfArchives"] == 0
    assert [vault["VaultName"] for vault in client.list_vaults()["VaultList"]] == ["photos"]

    # settings
    config = {
        "SNSTopic": "arn:aws:sns:us-east-1:012345678901:topic",
        "Events": ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"],
    }
    client.set_vault_notifications(**v, vaultNotificationConfig=config)
    assert client.get_vault_notifications(**v)["vaultNotificationConfig"] == config
    client.delete_vault_notifications(**v)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_vault_notifications(**v)
    client.set_vault_access_policy(**v, policy={"Policy": LOCK_POLICY.replace("365", "0")})
    assert json.loads(client.get_vault_access_policy(**v)["policy"]["Policy"])["Version"] == "2012-10-17"
    client.delete_vault_access_policy(**v)
    client.add_tags_to_vault(**v, Tags={"colour": "blue", "year": "2026"})
    client.remove_tags_from_vault(**v, TagKeys=["year"])
    assert client.list_tags_for_vault(**v)["Tags"] == {"colour": "blue"}

    # archives
    whole = client.upload_archive(**v, archiveDescription="whole", body=pattern(3 * MIB))
    assert whole["checksum"] == published_hash(3 * MIB)
    data, tree_hash = pattern(7 * MIB), published_hash(7 * MIB)
    begun = client.initiate_multipart_upload(**v, partSize=str(4 * MIB))
    u = {**v, "uploadId": begun["uploadId"]}
    client.upload_multipart_part(**u, range=f"bytes 0-{4 * MIB - 1}/*", body=data[: 4 * MIB])
    client.upload_multipart_part(**u, range=f"bytes {4 * MIB}-{7 * MIB - 1}/*", body=data[4 * MIB :])
    assert len(client.list_parts(**u)["Parts"]) == 2
    given_up = client.initiate_multipart_upload(**v, partSize=str(MIB))
    assert len(client.list_multipart_uploads(**v)["UploadsList"]) == 2
    client.abort_multipart_upload(**v, uploadId=given_up["uploadId"])
    parts = client.complete_multipart_upload(**u, archiveSize=str(7 * MIB), checksum=tree_hash)
    status = local_glacier.status()
    assert (status["archives"], status["uploads"]) == (2, 0)

    # jobs
    local_glacier.run_inventory()
    wish = {"Type": "archive-retrieval", "ArchiveId": parts["archiveId"], "Tier": "Bulk"}
    retrieval = client.initiate_job(**v, jobParameters=wish)["jobId"]
    inventory = client.initiate_job(**v, jobParameters={"Type": "inventory-retrieval"})["jobId"]
    assert not client.describe_job(**v, jobId=retrieval)["Completed"]
    local_glacier.advance(9 * 3600)
    assert {job["JobId"] for job in client.list_jobs(**v, statuscode="Succeeded")["JobList"]} == {
        retrieval,
        inventory,
    }
    output = client.get_job_output(**v, jobId=retrieval)
    assert output["body"].read() == data
    assert output["checksum"] == tree_hash
    listing = json.load(client.get_job_output(**v, jobId=inventory)["body"])["ArchiveList"]
    assert [(entry["ArchiveDescription"], entry["Size"], entry["SHA256TreeHash"]) for entry in listing] == [
        ("whole", 3 * MIB, published_hash(3 * MIB)),
        ("", 7 * MIB, tree_hash),
    ]

    # the lock, which keeps archives younger than a year
    client.initiate_vault_lock(**v, policy={"Policy": LOCK_POLICY})
    client.abort_vault_lock(**v)
    lock_id = client.initiate_vault_lock(**v, policy={"Policy": LOCK_POLICY})["lockId"]
    client.complete_vault_lock(**v, lockId=lock_id)
    assert client.get_vault_lock(**v)["State"] == "Locked"
    with pytest.raises(client.exceptions.ClientError, match="AccessDeniedException"):
        client.delete_archive(**v, archiveId=whole["archiveId"])
    assert local_glacier.status()["archives"] == 2
    local_glacier.advance(366 * 24 * 3600)
    for archive in (whole, parts):
        client.delete_archive(**v, archiveId=archive["archiveId"])
    assert local_glacier.status()["archives"] == 0

    # the account
    rules = {"Rules": [{"Strategy": "BytesPerHour", "BytesPerHour": MIB}]}
    client.set_data_retrieval_policy(Policy=rules)
    assert client.get_data_retrieval_policy()["Policy"] == rules
    bought = client.purchase_provisioned_capacity()["capacityId"]
    assert [unit["CapacityId"] for unit in client.list_provisioned_capacity()["ProvisionedCapacityList"]] == [
        bought
    ]

    # and the end
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="not empty or recently"):
        client.delete_vault(**v)
    local_glacier.advance(25 * 3600)
    client.delete_vault(**v)
    assert local_glacier.status()["vaults"] == 0
    assert called == set(client.meta.service_model.operation_names)


@pytest.mark.slow
@QUICK
@pytest.mark.parametrize("part_size", [MIB, 2 * MIB, 8 * MIB])
@pytest.mark.parametrize("size", [MIB, 8 * MIB - 1, 8 * MIB + 1])
def test_parts_of_any_size_in_any_order(
    local_glacier: ServedGlacier,
    client: Any,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
    size: int,
    part_size: int,
) -> None:
    """Parts that botocore hashed and sent, the last one first, give the published tree hash."""
    data, tree_hash = pattern(size), published_hash(size)
    made = upload_in_parts(client, data, part_size, tree_hash, order=-1)
    assert made["checksum"] == tree_hash
    assert made["location"].endswith(f"/archives/{made['archiveId']}")
    wish = {"Type": "archive-retrieval", "ArchiveId": made["archiveId"]}
    job = client.initiate_job(vaultName="photos", jobParameters=wish)
    document = client.describe_job(vaultName="photos", jobId=job["jobId"])
    assert (document["ArchiveSizeInBytes"], document["ArchiveSHA256TreeHash"]) == (size, tree_hash)
    assert client.get_job_output(vaultName="photos", jobId=job["jobId"])["body"].read() == data
    assert local_glacier.status()["archives"] == 1


@QUICK
def test_ranges_come_with_the_checksums_of_nodes(
    client: Any, pattern: Callable[[int], bytes], published_hash: Callable[[int], str]
) -> None:
    """boto3 reads any range of an output; ranges that are nodes of the tree have a checksum."""
    data = pattern(7 * MIB)
    made = client.upload_archive(vaultName="photos", body=data)
    wish = {"Type": "archive-retrieval", "ArchiveId": made["archiveId"]}
    job = {
        "vaultName": "photos",
        "jobId": client.initiate_job(vaultName="photos", jobParameters=wish)["jobId"],
    }
    node = client.get_job_output(**job, range=f"bytes=0-{4 * MIB - 1}")
    assert (node["status"], node["checksum"]) == (206, published_hash(4 * MIB))
    assert node["contentRange"] == f"bytes 0-{4 * MIB - 1}/{7 * MIB}"
    assert node["body"].read() == data[: 4 * MIB]
    unaligned = client.get_job_output(**job, range="bytes=1000-2999")
    assert "checksum" not in unaligned
    assert unaligned["body"].read() == data[1000:3000]
    clipped = client.get_job_output(**job, range=f"bytes={6 * MIB}-{9 * MIB}")
    assert clipped["body"].read() == data[6 * MIB :]
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="larger than size"):
        client.get_job_output(**job, range=f"bytes={8 * MIB}-{9 * MIB}")


@pytest.mark.slow
@QUICK
def test_a_file_is_uploaded_from_disk(
    client: Any,
    tmp_path: Any,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
    listed: Callable[[str], list[dict[str, Any]]],
) -> None:
    """An open file as the body arrives completely, and the inventory lists its published hash."""
    (tmp_path / "film").write_bytes(pattern(6 * MIB + MIB // 2))
    with (tmp_path / "film").open("rb") as file:
        made = client.upload_archive(vaultName="photos", archiveDescription='a "film", 2026', body=file)
    (entry,) = listed("photos")
    assert entry["ArchiveId"] == made["archiveId"]
    assert entry["ArchiveDescription"] == 'a "film", 2026'
    assert (entry["Size"], entry["SHA256TreeHash"]) == (6815744, published_hash(6815744))


@QUICK
def test_paginators_see_everything_once(local_glacier: ServedGlacier, client: Any) -> None:
    """Each paginator of botocore reads all pages, whatever their size."""
    names = sorted(["photos", *(f"v{number:02}" for number in range(24))])
    for name in names:
        client.create_vault(vaultName=name)
    pages = list(client.get_paginator("list_vaults").paginate())
    assert [len(page["VaultList"]) for page in pages] == [10, 10, 5]
    assert [vault["VaultName"] for page in pages for vault in page["VaultList"]] == names

    place = {"vaultName": "photos"}
    begun = {client.initiate_multipart_upload(**place, partSize=str(MIB))["uploadId"] for _ in range(7)}
    uploads = list(
        client.get_paginator("list_multipart_uploads")
        .paginate(**place, PaginationConfig={"PageSize": 3})
        .search("UploadsList[].MultipartUploadId")
    )
    assert len(uploads) == 7
    assert set(uploads) == begun

    upload_id = uploads[0]
    for index in range(5):
        span = f"bytes {index * MIB}-{index * MIB + 9}/*"
        client.upload_multipart_part(**place, uploadId=upload_id, range=span, body=b"0123456789")
    parts = client.get_paginator("list_parts").paginate(
        **place, uploadId=upload_id, PaginationConfig={"PageSize": 2}
    )
    assert list(parts.search("Parts[].RangeInBytes")) == [
        f"{index * MIB}-{index * MIB + 9}" for index in range(5)
    ]

    archive_id = client.upload_archive(**place, body=b"1")["archiveId"]
    wish = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    started = [client.initiate_job(**place, jobParameters=wish)["jobId"] for _ in range(5)]
    jobs = client.get_paginator("list_jobs").paginate(
        **place, completed="true", PaginationConfig={"PageSize": 2}
    )
    found = list(jobs.search("JobList[].JobId"))
    assert len(found) == 5
    assert set(found) == set(started)
    status = local_glacier.status()
    assert (status["vaults"], status["uploads"], status["jobs"]) == (25, 7, 5)


def test_waiters_wait_until_the_vault_is_there_and_gone(local_glacier: ServedGlacier, client: Any) -> None:
    """Both waiters poll until their state is reached."""
    config = {"Delay": 0, "MaxAttempts": 5}
    local_glacier.add_faults(
        Fault("DescribeVault", code="ResourceNotFoundException", status=404, message="not yet", count=3)
    )
    client.get_waiter("vault_exists").wait(vaultName="photos", WaiterConfig=config)
    assert local_glacier.status()["faults"][0]["met"] == 4
    client.delete_vault(vaultName="photos")
    client.get_waiter("vault_not_exists").wait(vaultName="photos", WaiterConfig=config)
    assert local_glacier.status()["vaults"] == 0


def refusals() -> dict[str, tuple[str, dict[str, Any], str, int, str]]:
    """Refused requests: operation, arguments, error class, status, and a part of the service's sentence."""
    v = {"vaultName": "photos"}
    unknown = "X" * 92
    return {
        "no such vault": (
            "describe_vault",
            {"vaultName": "nowhere"},
            "ResourceNotFoundException",
            404,
            "Vault not found for ARN: arn:aws:glacier:us-east-1:012345678901:vaults/nowhere",
        ),
        "no such job": (
            "describe_job",
            {**v, "jobId": unknown},
            "ResourceNotFoundException",
            404,
            f"The job ID was not found: {unknown}",
        ),
        "no such upload": (
            "list_parts",
            {**v, "uploadId": unknown},
            "ResourceNotFoundException",
            404,
            "The upload ID was not found",
        ),
        "empty archive": (
            "upload_archive",
            {**v, "body": b""},
            "InvalidParameterValueException",
            400,
            "Invalid Content-Length: 0",
        ),
        "wrong tree hash": (
            "upload_archive",
            {**v, "body": b"1", "checksum": "0" * 64},
            "InvalidParameterValueException",
            400,
            "Checksum mismatch: expected " + "0" * 64,
        ),
        "odd part size": (
            "initiate_multipart_upload",
            {**v, "partSize": "1000000"},
            "InvalidParameterValueException",
            400,
            "Invalid part size: 1000000. Part size must not be null, must be a power of two",
        ),
        "no part size": (
            "initiate_multipart_upload",
            v,
            "MissingParameterValueException",
            400,
            "Required parameter missing",
        ),
        "no inventory yet": (
            "initiate_job",
            {**v, "jobParameters": {"Type": "inventory-retrieval"}},
            "ResourceNotFoundException",
            404,
            "No inventory",
        ),
        "unknown kind of job": (
            "initiate_job",
            {**v, "jobParameters": {"Type": "nonsense"}},
            "InvalidParameterValueException",
            400,
            "nonsense",
        ),
        "unknown status": (
            "list_jobs",
            {**v, "statuscode": "finished"},
            "InvalidParameterValueException",
            400,
            "The job status code is not valid: finished",
        ),
        "bad lock policy": (
            "initiate_vault_lock",
            {**v, "policy": {"Policy": "{"}},
            "InvalidParameterValueException",
            400,
            "The specified vault lock policy is invalid. Provide a valid policy.",
        ),
        "too many tags": (
            "add_tags_to_vault",
            {**v, "Tags": {str(number): "" for number in range(11)}},
            "InvalidParameterValueException",
            400,
            "between 1 and 10",
        ),
        "another account": (
            "describe_vault",
            {**v, "accountId": "999999999999"},
            "ClientError",
            403,
            "Access denied for account ID: 999999999999",
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", refusals())
def test_refusals_arrive_as_boto3s_exceptions(local_glacier: ServedGlacier, client: Any, name: str) -> None:
    """Each refusal is the exception of its code, with status, request id and the service's own sentence."""
    operation, arguments, error, status, sentence = refusals()[name]
    kind = getattr(client.exceptions, error)
    with pytest.raises(kind) as caught:
        getattr(client, operation)(**arguments)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(answer["ResponseMetadata"]["RequestId"]) == 47
    assert sentence in answer["Error"]["Message"]
    assert local_glacier.status()["archives"] == 0


def test_a_policy_refuses_what_it_forbids(local_glacier: ServedGlacier, client: Any) -> None:
    """A job above the data retrieval policy's rate gets PolicyEnforcedException and is not created."""
    archive_id = client.upload_archive(vaultName="photos", body=b"1" * MIB)["archiveId"]
    rules = {"Rules": [{"Strategy": "BytesPerHour", "BytesPerHour": 1000}]}
    client.set_data_retrieval_policy(Policy=rules)
    wish = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    with pytest.raises(client.exceptions.PolicyEnforcedException):
        client.initiate_job(vaultName="photos", jobParameters=wish)
    assert local_glacier.status()["jobs"] == 0


def test_limits_arrive_as_boto3s_exceptions(client: Any) -> None:
    """The third capacity unit and the 51st tag are refused with LimitExceededException."""
    for _ in range(2):
        client.purchase_provisioned_capacity()
    with pytest.raises(client.exceptions.LimitExceededException):
        client.purchase_provisioned_capacity()
    for ten in range(5):
        tags = {f"{ten}-{number}": "" for number in range(10)}
        client.add_tags_to_vault(vaultName="photos", Tags=tags)
    with pytest.raises(client.exceptions.LimitExceededException):
        client.add_tags_to_vault(vaultName="photos", Tags={"one more": ""})
    assert len(client.list_tags_for_vault(vaultName="photos")["Tags"]) == 50


@pytest.mark.slow
@QUICK
@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailableException"])
def test_boto3_repeats_what_failed_for_a_while(
    local_glacier: ServedGlacier, listed: Callable[[str], list[dict[str, Any]]], code: str, mode: str
) -> None:
    """After a failure before the effect, boto3's retry leaves exactly one archive."""
    retries: Any = {"mode": mode, "total_max_attempts": 3}
    config = Config(retries=retries)
    client = boto3.client("glacier", config=config, **local_glacier.client_arguments)
    client.create_vault(vaultName="photos")
    local_glacier.add_faults(Fault("UploadArchive", code=code, count=1))
    made = client.upload_archive(vaultName="photos", body=b"once")
    assert made["ResponseMetadata"]["RetryAttempts"] == 1
    assert [entry["ArchiveId"] for entry in listed("photos")] == [made["archiveId"]]


@pytest.mark.slow
@QUICK
def test_boto3_makes_a_duplicate_when_an_answer_is_lost(
    local_glacier: ServedGlacier, client: Any, listed: Callable[[str], list[dict[str, Any]]]
) -> None:
    """After an answer lost after the effect, boto3's retry leaves two archives: the fault is real."""
    local_glacier.add_faults(Fault("UploadArchive", kind=FaultKind.RESET, moment=Moment.AFTER_COMMIT))
    made = client.upload_archive(vaultName="photos", body=b"twice")
    ids = [entry["ArchiveId"] for entry in listed("photos")]
    assert len(ids) == 2
    assert made["archiveId"] in ids
