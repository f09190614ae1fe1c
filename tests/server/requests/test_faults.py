"""Scripted faults: each kind, each moment, and the state that they leave."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from aioglacier.core.treehash import tree_hash
from aioglacier.server import Fault, FaultKind, FaultScript, LocalGlacier, Moment
from aioglacier.server.requests.faults import load_faults
from tests.server.conftest import hashes, send

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Boto

MIB = 1024 * 1024


async def test_a_part_fails_twice_and_then_succeeds(server: LocalGlacier, boto: Boto) -> None:
    """Only the part with the named range fails."""
    upload_id = (await boto("initiate_multipart_upload", partSize=str(MIB)))["uploadId"]
    server.faults.add(Fault("UploadMultipartPart", where=f"bytes {MIB}-", count=2, status=503))

    async def put(start: int) -> int:
        arguments = {"uploadId": upload_id, "range": f"bytes {start}-{start}/*", "body": b"x"}
        answer = await boto("upload_multipart_part", **arguments)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        assert isinstance(status, int)
        return status

    assert await put(0) == 204
    for _ in range(2):
        status, code, _ = await boto.refused(
            "upload_multipart_part", uploadId=upload_id, range=f"bytes {MIB}-{MIB}/*", body=b"x"
        )
        assert (status, code) == (503, "ServiceUnavailableException")
    assert await put(MIB) == 204
    assert server.faults.snapshot()[0] == {
        "operation": "UploadMultipartPart",
        "kind": "status",
        "met": 3,
        "met_size": 3,
        "struck": 2,
        "struck_size": 2,
    }


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("ThrottlingException", 400, "Rate exceeded"),
        ("RequestTimeoutException", 408, "Request timed out."),
        ("InsufficientCapacityException", 503, None),
        ("NoLongerSupportedException", 400, None),
        ("ServiceUnavailableException", 500, None),
    ],
)
async def test_a_code_is_enough(
    server: LocalGlacier, boto: Boto, code: str, status: int, message: str | None
) -> None:
    """Status and text follow from the code."""
    server.faults.add(Fault("*", code=code, count=None))
    for operation in ("list_vaults", "describe_vault"):
        answer = await boto.refused(operation)
        assert answer[:2] == (status, code)
        assert message in {None, answer[2]}
    server.faults.clear()
    await boto("list_vaults")


@pytest.mark.parametrize("moment", [Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT])
@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.STATUS])
async def test_before_and_after_the_commit_differ_in_what_is_there(
    server: LocalGlacier, boto: Boto, kind: FaultKind, moment: Moment
) -> None:
    """The client sees the same answer; the archive exists only after the commit."""
    server.faults.add(Fault("UploadArchive", kind, moment))
    with pytest.raises((ConnectionClosedError, boto.client.exceptions.ClientError)):
        await boto.upload(b"x")
    expected = 1 if moment is Moment.AFTER_COMMIT else 0
    assert (await boto("describe_vault"))["NumberOfArchives"] == expected
    archive_id = await boto.upload(b"x")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    assert await boto.output(job_id) == b"x"


async def test_a_job_whose_answer_was_lost_is_done_in_time(server: LocalGlacier, boto: Boto) -> None:
    """A job whose answer was lost ends like any other."""
    archive_id = await boto.upload(b"x")
    server.faults.add(Fault("InitiateJob", FaultKind.RESET, Moment.AFTER_COMMIT))
    with pytest.raises(ConnectionClosedError):
        await boto("initiate_job", jobParameters={"Type": "archive-retrieval", "ArchiveId": archive_id})
    (job,) = (await boto("list_jobs"))["JobList"]
    assert job["StatusCode"] == "Succeeded"


async def test_every_changing_operation_can_fail_after_its_effect(server: LocalGlacier, boto: Boto) -> None:
    """Jobs, uploads, archives with their bytes and deletions take effect although the answer is lost."""

    async def lost(operation: str, **arguments: Any) -> None:
        server.faults.add(Fault("*", FaultKind.RESET, Moment.AFTER_COMMIT))
        with pytest.raises(ConnectionClosedError):
            await boto(operation, **arguments)

    await lost("create_vault", vaultName="w")
    await boto("describe_vault", vaultName="w")
    await lost("initiate_multipart_upload", partSize=str(MIB))
    (upload,) = (await boto("list_multipart_uploads"))["UploadsList"]
    upload_id = upload["MultipartUploadId"]
    await lost("upload_multipart_part", uploadId=upload_id, range="bytes 0-0/*", body=b"x")
    assert len((await boto("list_parts", uploadId=upload_id))["Parts"]) == 1
    checksum = tree_hash(b"x").hex()
    await lost("complete_multipart_upload", uploadId=upload_id, archiveSize="1", checksum=checksum)
    answer = await boto("complete_multipart_upload", uploadId=upload_id, archiveSize="1", checksum=checksum)
    (entry,) = (await boto.inventory())["ArchiveList"]
    assert entry["ArchiveId"] == answer["archiveId"]
    parameters = {"Type": "archive-retrieval", "ArchiveId": entry["ArchiveId"], "Description": "lost"}
    await lost("initiate_job", jobParameters=parameters)
    (job,) = [job for job in (await boto("list_jobs"))["JobList"] if job.get("JobDescription") == "lost"]
    assert await boto.output(job["JobId"]) == b"x"
    await lost("delete_archive", archiveId=entry["ArchiveId"])
    assert (await boto.inventory())["ArchiveList"] == []


async def test_408_after_some_of_the_body(faithful: LocalGlacier) -> None:
    """The upload is refused in the middle of its body, and the answer still arrives."""
    await send(faithful, "PUT", "/-/vaults/v")
    faithful.faults.add(
        Fault("UploadArchive", moment=Moment.BODY, after_bytes=3 * MIB, code="RequestTimeoutException")
    )
    body = b"x" * (4 * MIB)
    answer = await send(faithful, "POST", "/-/vaults/v/archives", body, **hashes(body))
    assert answer.error == (408, "RequestTimeoutException")
    assert (await send(faithful, "POST", "/-/vaults/v/archives", body, **hashes(body))).status == 201


async def test_a_reset_in_the_middle_of_a_body_leaves_nothing(faithful: LocalGlacier, tmp_path: Path) -> None:
    """The connection is cut and the received bytes are removed."""
    await send(faithful, "PUT", "/-/vaults/v")
    faithful.faults.add(Fault("UploadArchive", FaultKind.RESET, Moment.BODY, after_bytes=MIB))
    body = b"x" * (8 * MIB)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        await send(faithful, "POST", "/-/vaults/v/archives", body, **hashes(body))
    assert (await send(faithful, "GET", "/-/vaults")).status == 200
    assert list((tmp_path / "faithful" / "incoming").iterdir()) == []


async def test_output_is_cut_off_where_asked(server: LocalGlacier, boto: Boto) -> None:
    """The announced length is right, and the body is shorter."""
    data = b"x" * (2 * MIB)
    archive_id = await boto.upload(data)
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    server.faults.add(Fault("GetJobOutput", FaultKind.TRUNCATE, after_bytes=MIB + 7))
    answer = await boto("get_job_output", jobId=job_id)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == str(len(data))
    with pytest.raises(HTTPClientError):
        await to_thread.run_sync(answer["body"].read)
    assert await boto.output(job_id) == data


async def test_one_byte_of_output_is_changed(server: LocalGlacier, boto: Boto) -> None:
    """The checksum header is that of the true bytes."""
    data = bytes(2 * MIB)
    archive_id = await boto.upload(data)
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    server.faults.add(Fault("GetJobOutput", FaultKind.FLIP, after_bytes=MIB + 7))
    answer = await boto("get_job_output", jobId=job_id)
    body = await to_thread.run_sync(answer["body"].read)
    assert answer["checksum"] == tree_hash(data).hex()
    assert [index for index in (MIB + 6, MIB + 7, MIB + 8) if body[index]] == [MIB + 7]
    assert sum(body) == 255


async def test_answers_can_lack_or_garble_their_headers(server: LocalGlacier, boto: Boto) -> None:
    """The answer lacks a checksum or an id, or has a wrong checksum, an empty body, or a short page."""
    server.faults.add(Fault("UploadArchive", FaultKind.OMIT_HEADER))
    assert "checksum" not in await boto("upload_archive", body=b"x")
    server.faults.add(Fault("UploadArchive", FaultKind.WRONG_HASH))
    assert (await boto("upload_archive", body=b"x"))["checksum"] != tree_hash(b"x").hex()
    server.faults.add(
        Fault("InitiateMultipartUpload", FaultKind.OMIT_HEADER, header="x-amz-multipart-upload-id"),
        Fault("InitiateMultipartUpload", FaultKind.EMPTY_BODY),
    )
    answer = await boto("initiate_multipart_upload", partSize=str(MIB))
    assert "uploadId" not in answer
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    upload_id = (await boto("initiate_multipart_upload", partSize=str(MIB)))["uploadId"]
    await boto("upload_multipart_part", uploadId=upload_id, range="bytes 0-9/*", body=b"x" * 10)
    server.faults.add(Fault("ListParts", FaultKind.WRONG_RANGE))
    assert (await boto("list_parts", uploadId=upload_id))["Parts"][0]["RangeInBytes"] == "0-10"
    server.faults.add(Fault("ListMultipartUploads", FaultKind.SHORT_PAGES, limit=1))
    page = await boto("list_multipart_uploads")
    assert len(page["UploadsList"]) == 1
    assert page["Marker"]


async def test_an_answer_can_be_anything(faithful: LocalGlacier) -> None:
    """The answer is HTML of a proxy, a redirect, or has Retry-After."""
    faithful.faults.add(
        Fault(
            "ListVaults",
            status=307,
            body="<html>",
            headers={"Location": "http://elsewhere/", "Content-Type": "text/html", "Retry-After": "7"},
        )
    )
    answer = await send(faithful, "GET", "/-/vaults")
    assert (answer.status, answer.body) == (307, b"<html>")
    assert answer.headers["Location"] == "http://elsewhere/"
    assert answer.headers["Retry-After"] == "7"


async def test_a_delay_only_delays(faithful: LocalGlacier) -> None:
    """The request continues as usual after the delay."""
    faithful.faults.add(Fault("CreateVault", FaultKind.DELAY, seconds=0.05))
    assert (await send(faithful, "PUT", "/-/vaults/v")).status == 201


async def test_first_and_count_choose_occurrences(faithful: LocalGlacier) -> None:
    """The second and third of five requests fail."""
    faithful.faults.add(Fault("ListVaults", first=2, count=2))
    statuses = [(await send(faithful, "GET", "/-/vaults")).status for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]


@pytest.mark.slow
async def test_probability_is_decided_by_the_seed(tmp_path: Path) -> None:
    """The same seed fails the same requests."""
    runs = []
    for number in range(2):
        fault = Fault("ListVaults", probability=0.3, seed=5, count=None)
        async with LocalGlacier(tmp_path / str(number), faults=[fault]) as server:
            runs.append([(await send(server, "GET", "/-/vaults")).status for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_an_unknown_operation_is_refused_with_the_nearest_name() -> None:
    """A misspelt fault would never strike, and the test that sets it would test nothing."""
    with pytest.raises(ValueError, match="'CreateVaul'; the nearest is 'CreateVault'"):
        Fault("CreateVaul")
    assert Fault("*").operation == "*"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            {"operation": "ListVaults", "kind": "flip"},
            "'flip' is for GetJobOutput, GetObject, not ListVaults",
        ),
        (
            {"operation": "ListTagsForVault", "kind": "short_pages"},
            "'short_pages' is for GetObjectAttributes, ListBuckets, ListJobs",
        ),
        (
            {"operation": "InitiateJob", "kind": "reset", "moment": "body"},
            "'body' is for PutObject, UploadArchive",
        ),
        ({"probability": 0}, "above 0 and at most 1, not 0"),
        ({"probability": float("nan")}, "above 0 and at most 1, not nan"),
        ({"count": -1}, "count is 0 or more, not -1"),
        ({"first": 0}, "first is 1 or more, not 0"),
        ({"after_bytes": -1}, "after_bytes is 0 or more, not -1"),
    ],
)
def test_a_fault_that_would_never_strike_is_refused(fault: dict[str, Any], reason: str) -> None:
    """A kind that the operation does not have, or a number out of range, is an error with the right one."""
    with pytest.raises(ValueError, match=reason):
        Fault(**fault)


def test_faults_come_from_a_file(tmp_path: Path) -> None:
    """The file holds a list of objects; an unknown key is named."""
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"operation": "ListVaults", "kind": "reset", "moment": "after_commit"}]))
    assert load_faults(path) == [Fault("ListVaults", FaultKind.RESET, Moment.AFTER_COMMIT)]
    for wrong in ('{"operation": "x"}', '[{"oops": 1}]', '[{"kind": "oops"}]', "[1]"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"fault|oops"):
            load_faults(path)


def test_an_empty_script_costs_nothing() -> None:
    """Without faults no request is counted."""
    assert FaultScript().snapshot() == []
