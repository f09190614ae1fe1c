"""Multipart uploads."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from aioglacier.core.treehash import tree_hash
from tests.server.conftest import Boto, hashes, initiate, put, send

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.server import LocalGlacier

MIB = 1024 * 1024


@pytest.mark.slow
async def test_parts_in_any_order_make_the_archive(boto: Boto) -> None:
    """The archive's bytes and tree hash are those of the parts in order."""
    data = os.urandom(7 * MIB + 123)
    upload_id = await initiate(boto, archiveDescription="in parts")
    starts = list(range(0, len(data), MIB))
    random.Random(7).shuffle(starts)  # noqa: S311  # repeatable
    for start in starts:
        await put(boto, upload_id, start, data[start : start + MIB])
    answer = await boto(
        "complete_multipart_upload",
        uploadId=upload_id,
        archiveSize=str(len(data)),
        checksum=tree_hash(data).hex(),
    )
    assert answer["checksum"] == tree_hash(data).hex()
    assert answer["location"].endswith("/archives/" + answer["archiveId"])
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=answer["archiveId"])
    assert await boto.output(job_id) == data
    assert (await boto("list_multipart_uploads"))["UploadsList"] == []


async def test_initiate_names_the_upload(boto: Boto) -> None:
    """A new upload has an id of 92 characters and a location, and is listed."""
    answer = await boto("initiate_multipart_upload", partSize=str(4 * MIB), archiveDescription="film")
    assert len(answer["uploadId"]) == 92
    assert answer["location"] == f"/012345678901/vaults/v/multipart-uploads/{answer['uploadId']}"
    (listed,) = (await boto("list_multipart_uploads"))["UploadsList"]
    assert listed["MultipartUploadId"] == answer["uploadId"]
    assert listed["ArchiveDescription"] == "film"
    assert listed["PartSizeInBytes"] == 4 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("size", ["0", "1048575", "3145728", "8589934592", "-1", "x", "1e6"])
async def test_other_part_sizes_are_refused(boto: Boto, size: str) -> None:
    """Part sizes are 1 MiB times a power of two, up to 4 GiB."""
    status, code, message = await boto.refused("initiate_multipart_upload", partSize=size)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == (
        f"Invalid part size: {size}. Part size must not be null, must be a power of two and be between "
        "1048576 and 4294967296 bytes."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "body", "expected"),
    [
        ("bytes 0-1048576/*", b"x" * MIB, "is incompatible with Content-Length: 1048576"),
        ("bytes 909994937-909994936/*", b"", "Invalid Content-Range: bytes 909994937-909994936/*"),
        ("bytes=0-9/*", b"x" * 10, "Invalid Content-Range: bytes=0-9/*"),
        ("bytes 512-1023/*", b"x" * 512, "Content-Range: bytes 512-1023/*"),
        ("bytes 0-2097151/*", b"x" * 2 * MIB, "Content-Range: bytes 0-2097151/*"),
        (
            "bytes 10485760000-10485760000/*",
            b"x",
            "This is part number 10001 for the current multipart upload. It exceeds the limit",
        ),
        ("", b"x", "Required parameter missing: Content-Range"),
    ],
)
async def test_a_wrong_range_is_refused(
    faithful: LocalGlacier, slow_boto: Boto, text: str, body: bytes, expected: str
) -> None:
    """Ranges are inclusive, aligned, of the body's length, and 10,000 at most."""
    upload_id = await initiate(slow_boto)
    path = f"/-/vaults/v/multipart-uploads/{upload_id}"
    answer = await send(faithful, "PUT", path, body, Content_Range=text, **hashes(body))
    assert answer.status == 400
    assert expected in answer.message


async def test_a_range_may_name_the_total(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Some clients send "bytes 0-0/1" instead of "bytes 0-0/*"."""
    upload_id = await initiate(slow_boto)
    answer = await send(
        faithful,
        "PUT",
        f"/-/vaults/v/multipart-uploads/{upload_id}",
        b"x",
        Content_Range="bytes 0-0/1",
        **hashes(b"x"),
    )
    assert answer.status == 204
    assert answer.headers["x-amz-sha256-tree-hash"] == tree_hash(b"x").hex()
    assert answer.body == b""


async def test_the_same_range_again_replaces_the_part(boto: Boto, server: LocalGlacier) -> None:
    """The later bytes replace the part, and the earlier file is removed."""
    upload_id = await initiate(boto)
    await put(boto, upload_id, 0, b"first")
    await put(boto, upload_id, 0, b"second!")
    (part,) = (await boto("list_parts", uploadId=upload_id))["Parts"]
    assert part == {"RangeInBytes": "0-6", "SHA256TreeHash": tree_hash(b"second!").hex()}
    await boto(
        "complete_multipart_upload", uploadId=upload_id, archiveSize="7", checksum=tree_hash(b"second!").hex()
    )
    assert server.url


async def test_a_wrong_part_hash_is_refused(boto: Boto) -> None:
    """The part is not recorded."""
    upload_id = await initiate(boto)
    status, code, message = await boto.refused(
        "upload_multipart_part", uploadId=upload_id, range="bytes 0-0/*", body=b"x", checksum="0" * 64
    )
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message.startswith("Checksum mismatch: expected 0000")
    assert (await boto("list_parts", uploadId=upload_id))["Parts"] == []


async def test_complete_refuses_what_does_not_fit_and_leaves_the_upload_open(boto: Boto) -> None:
    """No parts, a gap, a short inner part, a wrong size or hash are refused, and can be corrected."""
    data = os.urandom(2 * MIB + 1)
    right = {"archiveSize": str(len(data)), "checksum": tree_hash(data).hex()}
    upload_id = await initiate(boto)

    async def complete(**changes: str) -> tuple[int, str, str]:
        return await boto.refused("complete_multipart_upload", uploadId=upload_id, **{**right, **changes})

    assert (await complete())[:2] == (400, "InvalidParameterValueException")
    await put(boto, upload_id, 0, data[:MIB])
    await put(boto, upload_id, 2 * MIB, data[2 * MIB :])
    assert (await complete())[0] == 400
    await put(boto, upload_id, MIB, data[MIB : 2 * MIB - 1])
    assert (await complete())[0] == 400
    await put(boto, upload_id, MIB, data[MIB : 2 * MIB])
    assert (await complete(archiveSize=str(len(data) - 1)))[0] == 400
    assert (await complete(archiveSize="x"))[0] == 400
    assert (await complete(checksum="e" * 64))[2] == "Invalid x-amz-sha256-tree-hash: " + "e" * 64
    answer = await boto("complete_multipart_upload", uploadId=upload_id, **right)
    assert answer["archiveId"]


async def test_complete_again_gives_the_same_archive(boto: Boto, server: LocalGlacier) -> None:
    """For 24 hours the same size and hash give the same archive."""
    upload_id = await initiate(boto)
    await put(boto, upload_id, 0, b"data")
    right = {"uploadId": upload_id, "archiveSize": "4", "checksum": tree_hash(b"data").hex()}
    first = await boto("complete_multipart_upload", **right)
    again = await boto("complete_multipart_upload", **right)
    assert first["archiveId"] == again["archiveId"]
    assert (await boto("describe_vault"))["NumberOfArchives"] == 1
    assert (await boto.refused("complete_multipart_upload", **{**right, "archiveSize": "5"}))[0] == 404
    assert (await boto.refused("list_parts", uploadId=upload_id))[0] == 404
    assert (await boto.refused("abort_multipart_upload", uploadId=upload_id))[0] == 404
    assert (await boto.refused("upload_multipart_part", uploadId=upload_id, range="bytes 0-0/*", body=b"x"))[
        0
    ] == 404
    await server.advance(24 * 3600)
    assert (await boto.refused("complete_multipart_upload", **right))[0] == 404


async def test_missing_headers_of_complete_are_named(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Size and hash are both required."""
    path = f"/-/vaults/v/multipart-uploads/{await initiate(slow_boto)}"
    answer = await send(faithful, "POST", path, x_amz_archive_size="1")
    assert answer.error == (400, "MissingParameterValueException")
    assert answer.message == "Required parameter missing: x-amz-sha256-tree-hash"
    answer = await send(faithful, "POST", path, x_amz_sha256_tree_hash="0" * 64)
    assert answer.message == "Required parameter missing: x-amz-archive-size"


async def test_abort_removes_the_parts_and_succeeds_again(
    boto: Boto, server: LocalGlacier, tmp_path: Path
) -> None:
    """Aborting frees the disk; an unknown upload is 404."""
    upload_id = await initiate(boto)
    await put(boto, upload_id, 0, b"data")
    for _ in range(2):
        await boto("abort_multipart_upload", uploadId=upload_id)
    await server.advance(0)
    assert list((tmp_path / "glacier" / "data").glob("*/*")) == []
    assert (await boto.refused("abort_multipart_upload", uploadId="unknown"))[:2] == (
        404,
        "ResourceNotFoundException",
    )
    await server.advance(24 * 3600)
    assert (await boto.refused("abort_multipart_upload", uploadId=upload_id))[0] == 404


@pytest.mark.slow
async def test_lists_are_paged(boto: Boto) -> None:
    """Uploads and parts come in pages of at most 50, each once."""
    ids = {await initiate(boto) for _ in range(7)}
    seen: list[str] = []
    pages = boto.client.get_paginator("list_multipart_uploads").paginate(
        vaultName="v", PaginationConfig={"PageSize": 3}
    )
    for page in await to_thread.run_sync(list, pages):
        assert len(page["UploadsList"]) <= 3
        seen += [one["MultipartUploadId"] for one in page["UploadsList"]]
    assert sorted(seen) == sorted(ids)
    upload_id = seen[0]
    for index in (4, 0, 3, 1, 2):
        await put(boto, upload_id, index * MIB, b"x" * MIB)
    ranges: list[str] = []
    marker: dict[str, str] = {}
    while True:
        answer = await boto("list_parts", uploadId=upload_id, limit="2", **marker)
        ranges += [part["RangeInBytes"] for part in answer["Parts"]]
        if "Marker" not in answer:
            break
        marker = {"marker": answer["Marker"]}
    assert ranges == [f"{index * MIB}-{index * MIB + MIB - 1}" for index in range(5)]
    for bad in ("0", "51", "ten"):
        assert (await boto.refused("list_parts", uploadId=upload_id, limit=bad))[0] == 400
    assert (await boto.refused("list_parts", uploadId=upload_id, marker="nonsense"))[0] == 400


async def test_an_upload_belongs_to_its_vault(boto: Boto) -> None:
    """The upload is not found in another vault."""
    upload_id = await initiate(boto)
    await boto("create_vault", vaultName="other")
    assert (await boto.refused("list_parts", vaultName="other", uploadId=upload_id))[0] == 404
