"""Jobs: initiating, describing and listing them, and their end."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.treehash import tree_hash
from aioglacier.server import Fault, FaultKind, LocalGlacier
from tests.server.conftest import Boto, send

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
HOUR = 3600


async def test_a_job_without_delay_has_succeeded_when_first_described(boto: Boto) -> None:
    """Its document has every value of a finished archive job."""
    data = os.urandom(MIB + 1)
    archive_id = await boto.upload(data)
    answer = await boto(
        "initiate_job",
        jobParameters={"Type": "archive-retrieval", "ArchiveId": archive_id, "Description": "mine"},
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert len(answer["jobId"]) == 92
    assert answer["location"] == f"/012345678901/vaults/v/jobs/{answer['jobId']}"
    job = await boto("describe_job", jobId=answer["jobId"])
    assert job["Action"] == "ArchiveRetrieval"
    assert job["Completed"] is True
    assert job["StatusCode"] == "Succeeded"
    assert job["StatusMessage"] == "Succeeded"
    assert job["CompletionDate"] == job["CreationDate"]
    assert job["RetrievalByteRange"] == f"0-{MIB}"
    assert job["SHA256TreeHash"] == job["ArchiveSHA256TreeHash"] == tree_hash(data).hex()
    assert job["ArchiveSizeInBytes"] == len(data)
    assert job["Tier"] == "Standard"
    assert job["JobDescription"] == "mine"


@pytest.mark.parametrize(
    ("tier", "seconds"), [("Expedited", 180), ("Standard", 4 * HOUR), ("Bulk", 8 * HOUR)]
)
async def test_a_faithful_job_takes_its_tier_s_time(
    faithful: LocalGlacier, slow_boto: Boto, tier: str, seconds: int
) -> None:
    """One minute too early there is no output; on time there is."""
    archive_id = await slow_boto.upload(b"x")
    job_id = await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id, Tier=tier)
    await faithful.advance(seconds - 60)
    job = await slow_boto("describe_job", jobId=job_id)
    assert (job["StatusCode"], job["Completed"]) == ("InProgress", False)
    assert "CompletionDate" not in job
    status, code, message = await slow_boto.refused("get_job_output", jobId=job_id)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == f"The job is not currently available for download: {job_id}"
    await faithful.advance(60)
    assert (await slow_boto("describe_job", jobId=job_id))["StatusCode"] == "Succeeded"
    assert await slow_boto.output(job_id) == b"x"


async def test_an_inventory_job_in_progress_has_the_service_s_bytes(
    faithful: LocalGlacier, slow_boto: Boto
) -> None:
    """The document of 2016, byte for byte, with the Tier of today."""
    await faithful.run_inventory()
    job_id = await slow_boto.job(Type="inventory-retrieval")
    answer = await send(faithful, "GET", f"/-/vaults/v/jobs/{job_id}")
    created = json.loads(answer.body)["CreationDate"]
    assert answer.body.decode() == (
        '{"Action":"InventoryRetrieval","ArchiveId":null,"ArchiveSHA256TreeHash":null,'
        '"ArchiveSizeInBytes":null,"Completed":false,"CompletionDate":null,'
        f'"CreationDate":"{created}","InventoryRetrievalParameters":{{"EndDate":null,"Format":"JSON",'
        '"Limit":null,"Marker":null,"StartDate":null},"InventorySizeInBytes":null,"JobDescription":null,'
        f'"JobId":"{job_id}","RetrievalByteRange":null,"SHA256TreeHash":null,"SNSTopic":null,'
        '"StatusCode":"InProgress","StatusMessage":null,"Tier":null,'
        '"VaultARN":"arn:aws:glacier:us-east-1:012345678901:vaults/v"}'
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "MissingParameterValueException", "Required parameter missing: Job Parameters"),
        (b"{}", "MissingParameterValueException", "Required parameter missing: type"),
        (b'{"Type":null}', "MissingParameterValueException", "Required parameter missing: type"),
        (b"{", "SerializationException", "The request body is not well-formed JSON."),
        (b"\xff", "SerializationException", "The request body is not well-formed JSON."),
        (b'"\\ud800"', "SerializationException", "The request body is not well-formed JSON."),
        (b"[]", "SerializationException", "The request body is not a JSON object."),
        (b"[" * 100_000, "SerializationException", "The request body is not well-formed JSON."),
        (b'{"Type":"select"}', "InvalidParameterValueException", "select jobs are not supported"),
        (b'{"Type":"x"}', "InvalidParameterValueException", "Invalid job type: x"),
        (b'{"Type":7}', "InvalidParameterValueException", "Invalid Type"),
        (b'{"Type":"archive-retrieval"}', "MissingParameterValueException", "ArchiveId"),
        (
            b'{"Type":"archive-retrieval","ArchiveId":"x"}',
            "ResourceNotFoundException",
            "The archive ID was not found: x",
        ),
        (
            b'{"Type":"archive-retrieval","ArchiveId":"x","Tier":"Fast"}',
            "InvalidParameterValueException",
            "Invalid tier: Fast",
        ),
        (
            b'{"Type":"archive-retrieval","ArchiveId":"x","SNSTopic":"x"}',
            "InvalidParameterValueException",
            "Invalid SNS topic ARN: x",
        ),
        (
            b'{"Type":"inventory-retrieval","ArchiveId":"x"}',
            "InvalidParameterValueException",
            "ArchiveId is not allowed",
        ),
        (b'{"Type":"inventory-retrieval","Format":"XML"}', "InvalidParameterValueException", "XML"),
        (
            b'{"Type":"inventory-retrieval","InventoryRetrievalParameters":{"Limit":"0"}}',
            "InvalidParameterValueException",
            "Invalid limit: 0",
        ),
        (
            b'{"Type":"inventory-retrieval","InventoryRetrievalParameters":{"StartDate":"yesterday"}}',
            "InvalidParameterValueException",
            "Invalid StartDate: yesterday",
        ),
        (
            b'{"Type":"inventory-retrieval","InventoryRetrievalParameters":{"Marker":"x"}}',
            "InvalidParameterValueException",
            "Invalid marker: x",
        ),
    ],
)
async def test_wrong_parameters_are_refused(
    faithful: LocalGlacier, body: bytes, code: str, message: str
) -> None:
    """Each wrong parameter is refused with its code and text."""
    await send(faithful, "PUT", "/-/vaults/v")
    answer = await send(faithful, "POST", "/-/vaults/v/jobs", body)
    assert answer.error[1] == code
    assert message in answer.message


async def test_parameters_may_be_wrapped_and_hold_nulls(
    server: LocalGlacier, boto: Boto, tmp_path: Path
) -> None:
    """Parameters in the guide's syntax work like those of its examples, which differ."""
    del server, boto
    async with LocalGlacier(tmp_path / "other", job_delay=0, inventory_lag=0) as other:
        await send(other, "PUT", "/-/vaults/v")
        body = json.dumps(
            {"jobParameters": {"Type": "inventory-retrieval", "ArchiveId": None, "Format": None, "New": 1}}
        )
        answer = await send(other, "POST", "/-/vaults/v/jobs", body.encode())
        assert answer.status == 202
        assert answer.body == b"{}"


@pytest.mark.slow
@pytest.mark.parametrize("range_", ["0-0", "1-1048575", "0-1048576", "1048576-99999999999", "x", "5-3", "0-"])
async def test_an_unaligned_retrieval_range_is_refused(boto: Boto, range_: str) -> None:
    """A range of a retrieval is aligned to megabytes and lies inside the archive."""
    archive_id = await boto.upload(b"x" * (2 * MIB + 5))
    status, code, _ = await boto.refused(
        "initiate_job",
        jobParameters={"Type": "archive-retrieval", "ArchiveId": archive_id, "RetrievalByteRange": range_},
    )
    assert (status, code) == (400, "InvalidParameterValueException")


async def test_a_scripted_job_fails_with_its_message(server: LocalGlacier, boto: Boto) -> None:
    """The first job fails with the message, the second succeeds."""
    archive_id = await boto.upload(b"x")
    server.faults.add(Fault("InitiateJob", FaultKind.JOB_FAILURE, message="no tape drive"))
    failed = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    good = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    assert (await boto("describe_job", jobId=failed))["StatusMessage"] == "no tape drive"
    assert (await boto("describe_job", jobId=good))["StatusCode"] == "Succeeded"


async def test_list_jobs_filters_and_pages_newest_first(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Both filters may be combined, and each job comes once."""
    archive_id = await slow_boto.upload(b"x")
    quick = [
        await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id, Tier="Expedited")
        for _ in range(3)
    ]
    await faithful.advance(180)
    slow = [await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id) for _ in range(2)]

    async def listed(**arguments: Any) -> list[str]:
        return [job["JobId"] for job in (await slow_boto("list_jobs", **arguments))["JobList"]]

    everything = [*reversed(slow), *reversed(quick)]
    assert await listed() == everything
    assert await listed(completed="true") == everything[2:]
    assert await listed(completed="false") == everything[:2]
    assert await listed(statuscode="InProgress") == everything[:2]
    assert await listed(statuscode="Succeeded", completed="true") == everything[2:]
    assert await listed(statuscode="Succeeded", completed="false") == []
    first = await slow_boto("list_jobs", limit="2")
    assert await listed(limit="50", marker=first["Marker"]) == everything[2:]
    _, code, message = await slow_boto.refused("list_jobs", statuscode="finished")
    assert (code, message) == ("InvalidParameterValueException", "The job status code is not valid: finished")
    assert (await slow_boto.refused("list_jobs", completed="yes"))[0] == 400


async def test_a_retrieval_policy_refuses_what_exceeds_it(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Only Standard jobs count, and only while they run."""
    archive_id = await slow_boto.upload(b"x" * MIB)
    rule = {"Strategy": "BytesPerHour", "BytesPerHour": MIB // 4}
    await slow_boto("set_data_retrieval_policy", Policy={"Rules": [rule]})
    await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    wanted = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    status, code, message = await slow_boto.refused("initiate_job", jobParameters=wanted)
    assert (status, code) == (400, "PolicyEnforcedException")
    assert message == "InitiateJob request denied by current data retrieval policy."
    await slow_boto.job(**wanted, Tier="Bulk")
    await faithful.advance(4 * HOUR)
    await slow_boto.job(**wanted)


async def test_delays_can_be_set_by_tier(tmp_path: Path) -> None:
    """One tier may be quick while the others stay faithful."""
    async with LocalGlacier(tmp_path, job_delay={"Expedited": 0}) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        archive_id = await boto.upload(b"x")
        quick = await boto.job(Type="archive-retrieval", ArchiveId=archive_id, Tier="Expedited")
        slow = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
        assert (await boto("describe_job", jobId=quick))["StatusCode"] == "Succeeded"
        assert (await boto("describe_job", jobId=slow))["StatusCode"] == "InProgress"


def test_impossible_delays_are_refused(tmp_path: Path) -> None:
    """A negative delay or an unknown tier is a mistake of the caller."""
    for delay in (-1, {"Fast": 0}, {"Bulk": float("nan")}):
        with pytest.raises(ValueError, match="job_delay"):
            LocalGlacier(tmp_path, job_delay=delay)
