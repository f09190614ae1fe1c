"""Acknowledged bytes survive a kill of the server, and other bytes leave no trace."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from anyio import create_task_group, to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from aioglacier.core.treehash import tree_hash
from aioglacier.server import LocalGlacier
from tests.server.conftest import Boto, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


def s3_client(url: str) -> Any:
    """Return boto3's client for S3, with one attempt for each request."""
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **keys)


async def test_acknowledged_bytes_survive_a_kill(tmp_path: Path) -> None:
    """An archive, a finished upload and the parts of an open one."""
    data = os.urandom(2 * MIB + 3)
    with serving(tmp_path) as (process, url):
        boto = Boto(url)
        await boto("create_vault")
        single = await boto.upload(data)
        in_parts = await boto.upload_parts(data, MIB)
        upload_id = (await boto("initiate_multipart_upload", partSize=str(MIB)))["uploadId"]
        await boto("upload_multipart_part", uploadId=upload_id, range=f"bytes 0-{MIB - 1}/*", body=data[:MIB])
        process.kill()
        process.wait()
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        for archive_id in (single, in_parts):
            assert await boto.output(await boto.job(Type="archive-retrieval", ArchiveId=archive_id)) == data
        (part,) = (await boto("list_parts", uploadId=upload_id))["Parts"]
        assert part["SHA256TreeHash"] == tree_hash(data[:MIB]).hex()


async def test_acknowledged_objects_survive_a_kill(tmp_path: Path) -> None:
    """An object, the parts of an open upload, and a restore that runs."""
    data = os.urandom(MIB + 3)
    where: dict[str, Any] = {"Bucket": "museum", "Key": "k"}
    with serving(tmp_path) as (process, url):
        client = s3_client(url)
        client.create_bucket(Bucket="museum")
        client.put_object(**where, Body=data, StorageClass="GLACIER")
        client.restore_object(**where, RestoreRequest={"Days": 1})
        upload_id = client.create_multipart_upload(**where)["UploadId"]
        sent = client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=data)
        process.kill()
        process.wait()
    async with LocalGlacier(tmp_path, job_delay=0) as server:
        client = s3_client(server.url)

        def check() -> None:
            assert client.get_object(**where)["Body"].read() == data
            parts = [{"PartNumber": 1, "ETag": sent["ETag"]}]
            client.complete_multipart_upload(
                **where, UploadId=upload_id, MultipartUpload={"Parts": parts}, IfMatch="*"
            )
            assert client.get_object(**where)["Body"].read() == data

        await to_thread.run_sync(check)


class ObjectLife:
    """The steps of the lives of two objects, one by its whole and one in parts, by the operations' names."""

    STEPS = (
        "CreateBucket", "PutObject", "RestoreObject", "CreateMultipartUpload", "UploadPart",
        "CompleteMultipartUpload", "DeleteObject",
    )  # fmt: skip

    def __init__(self, url: str) -> None:
        self._client = s3_client(url)

    def look(self) -> tuple[list[str], list[Any], list[Any]]:
        """Return the buckets, the objects with their restores, and the unfinished uploads with parts."""
        buckets = [bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]]
        if not buckets:
            return buckets, [], []
        listed = self._client.list_objects_v2(Bucket="museum", OptionalObjectAttributes=["RestoreStatus"])
        objects = [
            (each["Key"], each["Size"], "RestoreStatus" in each) for each in listed.get("Contents", ())
        ]
        return buckets, objects, [(upload, self._parts(upload)) for upload in self._uploads()]

    def step(self, operation: str) -> None:
        """Do one step."""
        client, whole = self._client, {"Bucket": "museum", "Key": "whole"}
        in_parts: dict[str, Any] = {"Bucket": "museum", "Key": "in parts"}
        match operation:
            case "CreateBucket":
                client.create_bucket(Bucket="museum")
            case "PutObject":
                client.put_object(**whole, Body=b"data", StorageClass="GLACIER")
            case "RestoreObject":
                client.restore_object(**whole, RestoreRequest={"Days": 1})
            case "CreateMultipartUpload":
                client.create_multipart_upload(**in_parts)
            case "DeleteObject":
                client.delete_object(**whole)
            case _:
                (in_parts["UploadId"],) = self._uploads()
                if operation == "UploadPart":
                    client.upload_part(**in_parts, PartNumber=1, Body=b"part")
                else:
                    parts = {"Parts": self._parts(in_parts["UploadId"])}
                    client.complete_multipart_upload(**in_parts, MultipartUpload=parts)

    def _uploads(self) -> list[str]:
        uploads = self._client.list_multipart_uploads(Bucket="museum").get("Uploads", ())
        return [each["UploadId"] for each in uploads]

    def _parts(self, upload_id: str) -> list[dict[str, Any]]:
        listed = self._client.list_parts(Bucket="museum", Key="in parts", UploadId=upload_id)
        return [{name: each[name] for name in ("PartNumber", "ETag")} for each in listed.get("Parts", ())]


@pytest.mark.parametrize("moment", ["after_commit", pytest.param("before_commit", marks=pytest.mark.long)])
def test_a_kill_around_a_commit_of_s3_leaves_a_step_whole_or_undone(tmp_path: Path, moment: str) -> None:
    """The next step goes on from there, and no file is left over."""
    directory, faults = tmp_path / "glacier", tmp_path / "faults.json"
    before, killed = None, ""
    for operation in (*ObjectLife.STEPS, ""):
        faults.write_text(json.dumps([{"operation": operation, "kind": "kill", "moment": moment}]))
        with serving(directory, faults if operation else None) as (process, url):
            life = ObjectLife(url)
            if killed:
                assert (life.look() != before) is (moment == "after_commit"), killed
                assert list((directory / "incoming").iterdir()) == []
                if moment == "before_commit":
                    life.step(killed)
            before, killed = life.look(), operation
            if operation:
                with pytest.raises(BotoCoreError):
                    life.step(operation)
            else:
                process.kill()
            assert process.wait() == -9
    assert before == (["museum"], [("in parts", 4, False)], [])
    assert len(list((directory / "data").glob("*/*"))) == 1


@pytest.mark.parametrize(("moment", "survives"), [("before_commit", False), ("after_commit", True)])
async def test_a_kill_around_the_commit_leaves_all_or_nothing(
    tmp_path: Path, moment: str, *, survives: bool
) -> None:
    """Before it nothing is left, not even a file; after it the archive is whole."""
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"operation": "UploadArchive", "kind": "kill", "moment": moment}]))
    directory = tmp_path / "glacier"
    with serving(directory, faults) as (process, url):
        boto = Boto(url)
        await boto("create_vault")
        with pytest.raises(BotoCoreError):
            await boto.upload(b"data")
        assert process.wait() == -9
    async with LocalGlacier(directory, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        entries = (await boto.inventory())["ArchiveList"]
        assert len(entries) == int(survives)
        assert list((directory / "incoming").iterdir()) == []
        for entry in entries:
            job_id = await boto.job(Type="archive-retrieval", ArchiveId=entry["ArchiveId"])
            assert await boto.output(job_id) == b"data"
    files = list((directory / "data").glob("*/*"))
    # One for the archive, one for the inventory that was asked for.
    assert len(files) == int(survives) + 1


async def test_a_kill_in_the_middle_of_a_body_leaves_nothing(tmp_path: Path) -> None:
    """The half file is swept away at the next start."""
    faults = tmp_path / "faults.json"
    faults.write_text(
        json.dumps([{"operation": "UploadArchive", "kind": "kill", "moment": "body", "after_bytes": 3 * MIB}])
    )
    directory = tmp_path / "glacier"
    with serving(directory, faults) as (process, url):
        boto = Boto(url)
        await boto("create_vault")
        with pytest.raises(BotoCoreError):
            await boto.upload(os.urandom(8 * MIB))
        process.wait()
    assert list((directory / "incoming").iterdir())
    async with LocalGlacier(directory):
        assert list((directory / "incoming").iterdir()) == []


async def test_a_recorded_file_still_in_incoming_is_found_and_shelved(tmp_path: Path) -> None:
    """A kill between commit and move: readable, and moved at the next start."""
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        await boto("create_vault")
        archive_id = await boto.upload(b"data")
        (shelved,) = (tmp_path / "data").glob("*/*")
        shelved.rename(tmp_path / "incoming" / shelved.name)
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
        assert await boto.output(job_id) == b"data"
    async with LocalGlacier(tmp_path):
        assert shelved.exists()
    (tmp_path / "incoming" / "stray").write_text("x")
    async with LocalGlacier(tmp_path):
        assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_kill_under_load_keeps_every_acknowledged_archive(tmp_path: Path) -> None:
    """Eight clients upload until the server dies; each acknowledged archive is there afterwards."""
    acknowledged: dict[str, bytes] = {}
    with serving(tmp_path) as (process, url):
        boto = Boto(url)
        await boto("create_vault")

        async def upload_until_it_dies() -> None:
            while True:
                data = os.urandom(5000)
                try:
                    acknowledged[await boto.upload(data)] = data
                except BotoCoreError:
                    return
                if len(acknowledged) >= 100:
                    process.kill()

        async with create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(upload_until_it_dies)
    async with LocalGlacier(tmp_path, job_delay=0, inventory_lag=0) as server:
        boto = Boto(server.url)
        sizes = {one["ArchiveId"]: one["SHA256TreeHash"] for one in (await boto.inventory())["ArchiveList"]}
        for archive_id, data in acknowledged.items():
            assert sizes[archive_id] == tree_hash(data).hex()
        some = next(iter(acknowledged))
        job_id = await boto.job(Type="archive-retrieval", ArchiveId=some)
        assert await boto.output(job_id) == acknowledged[some]
