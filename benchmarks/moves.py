"""Clients that move the output of a job to a bucket: the floor, ours, and boto3 in threads.

The floor receives a part, makes the tree hash and SHA-256 of it in one pass and sends it, in one thread. Ours
is the way of ``aioglacier.migrate`` without the catalog. boto3 gets a range, hashes it for the vault's tree
hash, and uploads it with SHA-256, each part in a thread.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.clients import KEYS
from benchmarks.meter import METER
from benchmarks.s3_answers import BUCKET

if TYPE_CHECKING:
    from benchmarks.clients import Task


def floor(task: Task) -> None:
    """Receive, hash once for both, and send, with blocking sockets in one thread."""
    from aioglacier.core.treehash import hash_part  # noqa: PLC0415  # only the measured client is loaded

    address = urlsplit(task.url)
    assert address.port
    assert task.part_size
    source, target = (socket.create_connection((address.hostname, address.port)) for _ in range(2))
    buffer = memoryview(bytearray(task.part_size))
    METER.start()
    for start in range(0, task.size, task.part_size):
        part = buffer[: min(task.part_size, task.size - start)]
        source.sendall(
            f"GET /-/vaults/v/jobs/J{task.size}/output HTTP/1.1\r\nHost: localhost\r\n"
            f"Range: bytes={start}-{start + len(part) - 1}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += source.recv(1)
        count = 0
        while count < len(part):
            count += source.recv_into(part[count:])
        checksum = hash_part(part).payload_hash.hex()
        number = start // task.part_size + 1
        target.sendall(
            f"PUT /{BUCKET}/k?partNumber={number}&uploadId=X HTTP/1.1\r\nHost: localhost\r\n"
            f"x-amz-content-sha256: {checksum}\r\nContent-Length: {len(part)}\r\n\r\n".encode()
        )
        target.sendall(part)
        assert target.recv(65536).startswith(b"HTTP/1.1 200")
    METER.stop()
    source.close()
    target.close()


def ours(task: Task) -> None:
    """Move by ranges of the output straight into the parts of an upload."""
    asyncio.run(_move(task))


async def _move(task: Task) -> None:
    import aioglacier  # noqa: PLC0415
    from aioglacier.bulk.archives.job_bytes import JobBytes, send_output  # noqa: PLC0415
    from aioglacier.core.s3.objects import BucketRef, ObjectSettings  # noqa: PLC0415
    from aioglacier.migrate.bucket_target import BucketTarget  # noqa: PLC0415
    from aioglacier.transfer.download.retrieval_source import GlacierOutput  # noqa: PLC0415
    from aioglacier.transfer.object_store import ObjectStore  # noqa: PLC0415
    from aioglacier.transfer.upload.engine import UploadEngine  # noqa: PLC0415

    limits = aioglacier.Limits(memory=task.memory_limit, concurrency=task.concurrency)
    assert task.part_size
    async with aioglacier.connect(
        endpoint_url=task.url, s3_endpoint_url=task.url, limits=limits, **KEYS
    ) as glacier:
        context = glacier.vault("v").context
        bucket = await BucketTarget.of(glacier.bucket(BUCKET, "DEEP_ARCHIVE"))
        job_id = aioglacier.JobId(f"J{task.size}")
        output = GlacierOutput(context.gateway, "v", job_id, size=task.size, tree_hash=None)
        store = ObjectStore(bucket.gateway, BucketRef(BUCKET), "k", ObjectSettings())
        engine = UploadEngine(
            store,
            bucket.resources,
            part_size=task.part_size,
            buffer_size=task.part_size,
            size=task.size,
            keep_unfinished=True,
        )
        METER.start()
        async with engine:
            stored = await send_output(engine, JobBytes(output, bucket.resources), task.size, {})
        METER.stop(size=stored.size)


def boto3_threads(task: Task) -> None:
    """Get each range and upload it as a part, in threads."""
    import boto3  # noqa: PLC0415
    from botocore.utils import calculate_tree_hash  # noqa: PLC0415

    glacier = boto3.client("glacier", endpoint_url=task.url, **KEYS)
    s3 = boto3.client("s3", endpoint_url=task.url, **KEYS)
    assert task.part_size
    part_size = task.part_size

    def move(start: int) -> dict[str, Any]:
        import io  # noqa: PLC0415

        stop = min(start + part_size, task.size)
        answer = glacier.get_job_output(
            vaultName="v", jobId=f"J{task.size}", range=f"bytes={start}-{stop - 1}"
        )
        body = answer["body"].read()
        calculate_tree_hash(io.BytesIO(body))  # type: ignore[arg-type]  # any binary file will do
        number = start // part_size + 1
        part = s3.upload_part(
            Bucket=BUCKET, Key="k", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        return {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}

    METER.start()
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    with ThreadPoolExecutor(task.concurrency) as threads:
        parts = list(threads.map(move, range(0, task.size, part_size)))
    s3.complete_multipart_upload(Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    METER.stop()
