"""GetJobOutput: ranges, checksums, headers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, to_thread

from aioglacier.core.ranges import ByteRange
from aioglacier.server.operations.vaults.output import parse_range
from aioglacier.server.protocol.refusal import RefusalError
from tests.server.conftest import Boto, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

MIB = 1024 * 1024
CASES: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "treehash.json").read_text())[
    "ranges_of_6_5_MiB_archive"
]


def pattern(size: int) -> bytes:
    """The published sequence: byte i is the XOR of the four bytes of i."""
    rows = [bytes(low ^ high for low in range(256)) for high in range(256)]
    return b"".join(rows[(block ^ block >> 8 ^ block >> 16) & 0xFF] for block in range(-(-size // 256)))[
        :size
    ]


@pytest.mark.slow
@pytest.mark.parametrize("part_size", [None, MIB, 2 * MIB, 4 * MIB, 8 * MIB])
async def test_every_aligned_range_has_the_published_checksum(boto: Boto, part_size: int | None) -> None:
    """Aligned ranges have the published checksum, others none, however the archive was uploaded."""
    data = pattern(CASES["size"])
    archive_id = await (boto.upload(data) if part_size is None else boto.upload_parts(data, part_size))
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)

    def check() -> None:
        for case in CASES["every_MiB_aligned_range"]:
            answer = boto.client.get_job_output(vaultName="v", jobId=job_id, range=f"bytes={case['range']}")
            wanted = ByteRange.parse(case["range"])
            assert answer["status"] == 206
            assert answer["contentRange"] == f"bytes {case['range']}/{len(data)}"
            assert answer.get("checksum") == case["checksum_header"], case["range"]
            assert answer["body"].read() == data[wanted.start : wanted.stop]

    await to_thread.run_sync(check)


async def test_ranges_of_a_job_count_from_its_own_range(boto: Boto) -> None:
    """Inside an aligned job range aligned ranges have checksums; inside another range none has."""
    data = pattern(CASES["size"])
    archive_id = await boto.upload_parts(data, MIB)
    aligned = await boto.job(
        Type="archive-retrieval", ArchiveId=archive_id, RetrievalByteRange=f"{4 * MIB}-{len(data) - 1}"
    )
    answer = await boto("get_job_output", jobId=aligned, range=f"bytes=0-{MIB - 1}")
    assert answer["contentRange"] == f"bytes 0-{MIB - 1}/{len(data) - 4 * MIB}"
    assert answer["checksum"]
    assert await to_thread.run_sync(answer["body"].read) == data[4 * MIB : 5 * MIB]
    assert (await boto("describe_job", jobId=aligned))["SHA256TreeHash"]
    unaligned = await boto.job(
        Type="archive-retrieval", ArchiveId=archive_id, RetrievalByteRange=f"{MIB}-{3 * MIB - 1}"
    )
    assert "SHA256TreeHash" not in await boto("describe_job", jobId=unaligned)
    for range_ in ("", f"bytes=0-{MIB - 1}"):
        answer = await boto("get_job_output", jobId=unaligned, range=range_)
        assert "checksum" not in answer
        expected = data[MIB : 2 * MIB] if range_ else data[MIB : 3 * MIB]
        assert await to_thread.run_sync(answer["body"].read) == expected


async def test_whole_output_is_200_with_its_headers(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """The answer has length, type, description and checksum, and no Content-Range."""
    archive_id = await slow_boto.upload(b"hello", archiveDescription="greeting")
    job_id = await slow_boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    await faithful.advance(4 * 3600)
    answer = await send(faithful, "GET", f"/-/vaults/v/jobs/{job_id}/output")
    assert answer.status == 200
    assert answer.body == b"hello"
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["x-amz-archive-description"] == "greeting"
    assert answer.headers["x-amz-sha256-tree-hash"]
    assert "Content-Range" not in answer.headers


async def test_a_range_past_the_end_is_400(boto: Boto) -> None:
    """The status is not 416, and the text repeats the range."""
    archive_id = await boto.upload(b"hello")
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)
    status, code, message = await boto.refused("get_job_output", jobId=job_id, range="bytes=5-9")
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == "The start of the range is larger than size of retrieved data: bytes=5-9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-9", ByteRange(0, 10)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=90-1000", ByteRange(90, 100)),
        ("bytes=90-", ByteRange(90, 100)),
        ("bytes=-10", ByteRange(90, 100)),
        ("bytes=-1000", ByteRange(0, 100)),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes 0-9/10", None),
        ("bytes=0-1,3-4", None),
        ("bytes=9-3", None),
        ("items=0-1", None),
    ],
)
def test_range_headers_are_read_as_the_service_does(text: str | None, expected: ByteRange | None) -> None:
    """A range is cut at the end, and a malformed one means all bytes."""
    assert parse_range(text, 100) == expected


def test_a_range_header_that_begins_past_the_end_is_refused() -> None:
    """An open range past the end is refused, too."""
    for text in ("bytes=100-", "bytes=100-200"):
        with pytest.raises(RefusalError):
            parse_range(text, 100)


@pytest.mark.slow
async def test_output_can_be_had_by_many_at_once(boto: Boto) -> None:
    """Eight readers of one job get the same bytes."""
    data = os.urandom(5 * MIB + 3)
    archive_id = await boto.upload_parts(data, MIB)
    job_id = await boto.job(Type="archive-retrieval", ArchiveId=archive_id)

    async def read() -> None:
        assert await boto.output(job_id) == data

    async with create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(read)
