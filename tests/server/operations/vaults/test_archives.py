"""UploadArchive and DeleteArchive."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.treehash import tree_hash
from tests.server.conftest import Boto, hashes, send

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.server import LocalGlacier

MIB = 1024 * 1024


async def test_upload_archive_names_the_archive_in_headers_only(server: LocalGlacier, boto: Boto) -> None:
    """Id, location and tree hash are headers; the body is two bytes."""
    data = os.urandom(2 * MIB + 5)
    answer = await boto("upload_archive", body=data, archiveDescription="a film")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert len(answer["archiveId"]) == 138
    assert answer["location"] == f"/012345678901/vaults/v/archives/{answer['archiveId']}"
    assert answer["checksum"] == tree_hash(data).hex()
    assert headers["content-length"] == "2"
    assert server.url


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 1])
async def test_what_was_uploaded_comes_back(boto: Boto, size: int) -> None:
    """Bytes and tree hash survive, at every edge of a leaf."""
    data = os.urandom(size)
    archive_id = await boto.upload(data)
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    assert await boto.output(job_id) == data
    assert (await boto("describe_job", jobId=job_id))["ArchiveSHA256TreeHash"] == tree_hash(data).hex()


async def test_each_upload_is_a_new_archive(boto: Boto) -> None:
    """UploadArchive is not idempotent."""
    assert await boto.upload(b"same") != await boto.upload(b"same")
    assert (await boto("describe_vault"))["NumberOfArchives"] == 2


async def test_size_in_bytes_counts_32_kib_more_per_archive(boto: Boto) -> None:
    """The vault's size includes the overhead of each archive."""
    await boto.upload(b"x" * 100)
    await boto.upload(b"y" * 200)
    assert (await boto("describe_vault"))["SizeInBytes"] == 300 + 2 * 32768


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, b"", "Invalid Content-Length: 0"),
        ({"Content_Length": "38505164800"}, b"", "Invalid Content-Length: 38505164800"),
        ({"Content_Length": "4294967297"}, b"", "Invalid Content-Length: 4294967297"),
        ({"x_amz_sha256_tree_hash": ""}, b"x", "Required parameter missing: x-amz-sha256-tree-hash"),
        ({"x_amz_content_sha256": ""}, b"x", "Required parameter missing: x-amz-content-sha256"),
        ({"x_amz_sha256_tree_hash": "nohash"}, b"x", "Invalid x-amz-sha256-tree-hash: nohash"),
    ],
)
async def test_a_wrong_upload_is_refused(
    faithful: LocalGlacier, headers: dict[str, str], body: bytes, expected: str
) -> None:
    """Each refusal has the service's text."""
    await send(faithful, "PUT", "/-/vaults/v")
    answer = await send(faithful, "POST", "/-/vaults/v/archives", body, **{**hashes(body), **headers})
    assert answer.status == 400
    assert answer.message == expected


async def test_a_wrong_tree_hash_is_told_both_values(faithful: LocalGlacier) -> None:
    """The refusal names the hash that was sent and the computed one."""
    await send(faithful, "PUT", "/-/vaults/v")
    wrong = hashlib.sha256(b"other").hexdigest()
    headers = hashes(b"x") | {"x_amz_sha256_tree_hash": wrong}
    answer = await send(faithful, "POST", "/-/vaults/v/archives", b"x", **headers)
    assert answer.message == f"Checksum mismatch: expected {wrong}, computed {tree_hash(b'x').hex()}"


async def test_a_refused_upload_leaves_no_file(faithful: LocalGlacier, tmp_path: Path) -> None:
    """The received bytes are removed before the answer."""
    await send(faithful, "PUT", "/-/vaults/v")
    headers = hashes(b"x") | {"x_amz_sha256_tree_hash": "0" * 64}
    assert (await send(faithful, "POST", "/-/vaults/v/archives", b"x", **headers)).status == 400
    assert list((tmp_path / "faithful" / "incoming").iterdir()) == []


async def test_descriptions_are_printable_ascii_of_1024(boto: Boto, faithful: LocalGlacier) -> None:
    """The longest is kept, one more or another character is refused, leading spaces go."""
    longest = "".join(chr(0x20 + number % 95) for number in range(1, 1025))
    archive_id = await boto.upload(b"x", archiveDescription=longest)
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    assert (await boto("get_job_output", jobId=job_id))["archiveDescription"] == longest.strip()
    assert (await boto.refused("upload_archive", body=b"x", archiveDescription="x" * 1025))[0] == 400
    await send(faithful, "PUT", "/-/vaults/v")
    for bad in ("tab\there", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"):
        headers = hashes(b"x") | {"x_amz_archive_description": bad}
        assert (await send(faithful, "POST", "/-/vaults/v/archives", b"x", **headers)).status == 400


async def test_upload_to_a_missing_vault_is_404(boto: Boto) -> None:
    """The vault must be there."""
    assert (await boto.refused("upload_archive", vaultName="nothere", body=b"x"))[0] == 404


async def test_delete_archive_succeeds_again_and_for_unknown_ids(boto: Boto) -> None:
    """Deleting is idempotent."""
    archive_id = await boto.upload(b"x")
    for _ in range(2):
        answer = await boto("delete_archive", archiveId=archive_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    await boto("delete_archive", archiveId="never-was")
    assert (await boto("describe_vault"))["NumberOfArchives"] == 0


async def test_delete_archive_in_another_vault_is_refused(boto: Boto) -> None:
    """The archive stays where it is."""
    archive_id = await boto.upload(b"x")
    await boto("create_vault", vaultName="other")
    status, code, message = await boto.refused("delete_archive", vaultName="other", archiveId=archive_id)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == "Invalid vault name: arn:aws:glacier:us-east-1:012345678901:vaults/other"
    assert (await boto("describe_vault"))["NumberOfArchives"] == 1


async def test_ids_that_begin_with_a_dash_work(boto: Boto) -> None:
    """One id in 64 does, as at the service."""
    archive_id = await boto.upload(b"x")
    while not archive_id.startswith("-"):
        archive_id = await boto.upload(b"x")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    assert await boto.output(job_id) == b"x"
    await boto("delete_archive", archiveId=archive_id)
