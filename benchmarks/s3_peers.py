"""Other clients of S3, used as their documentation shows; each sends a file with SHA-256, or "crc64nvme".

boto3 sends SHA-256 of each part as a header of a body that it also signs, awscrt as its trailer; with
CRC64NVME, awscrt sends what boto3 sends by default in its place. obstore has no CRC64NVME.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.clients import KEYS
from benchmarks.meter import METER
from benchmarks.s3_answers import BUCKET

if TYPE_CHECKING:
    from benchmarks.clients import Task

_BLOCK = 256 * 1024


def boto3_upload(task: Task) -> None:
    """Use boto3's transfer manager, in threads."""
    import boto3  # noqa: PLC0415  # only the client that is measured is loaded
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415

    client = boto3.client("s3", endpoint_url=task.url, **KEYS)
    config = TransferConfig(
        multipart_threshold=task.part_size,
        multipart_chunksize=task.part_size,
        max_concurrency=task.concurrency,
        preferred_transfer_client="classic",
    )
    algorithm = "CRC64NVME" if "crc64nvme" in task.traits else "SHA256"
    METER.start()
    client.upload_file(task.path, BUCKET, "k", ExtraArgs={"ChecksumAlgorithm": algorithm}, Config=config)
    METER.stop()


def obstore_put(task: Task) -> None:
    """Use obstore's ``put_async`` of a path; with the trait "writer", blocks into ``open_writer_async``."""
    asyncio.run(_obstore_write(task) if "writer" in task.traits else _obstore_put(task))


def _obstore(task: Task) -> Any:
    from obstore.store import S3Store  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    return S3Store(
        BUCKET,
        endpoint=task.url,
        region=KEYS["region_name"],
        access_key_id=KEYS["aws_access_key_id"],
        secret_access_key=KEYS["aws_secret_access_key"],
        checksum_algorithm="SHA256",
        client_options={"allow_http": True, "allow_invalid_certificates": True, "timeout": "600s"},
    )


def _limits(task: Task, size_name: str) -> dict[str, Any]:
    return {size_name: task.part_size, "max_concurrency": task.concurrency}


async def _obstore_put(task: Task) -> None:
    import obstore  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    store = _obstore(task)
    METER.start()
    await obstore.put_async(store, "k", Path(task.path), **_limits(task, "chunk_size"))
    METER.stop()


async def _obstore_write(task: Task) -> None:
    import obstore  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    store = _obstore(task)
    writer = obstore.open_writer_async(store, "k", **_limits(task, "buffer_size"))
    METER.start()
    async with writer:
        with Path(task.path).open("rb", buffering=0) as file:  # noqa: ASYNC230  # the page cache has it
            while block := file.read(_BLOCK):
                await writer.write(block)
    METER.stop()


def awscrt_upload(task: Task) -> None:
    """Use awscrt's S3 client, which reads the file itself."""
    from awscrt import auth, http, io, s3  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    address = urlsplit(task.url)
    bootstrap = io.ClientBootstrap(io.EventLoopGroup(), io.DefaultHostResolver(io.EventLoopGroup(1)))
    tls: dict[str, Any] = {"tls_mode": s3.S3RequestTlsMode.DISABLED}
    if address.scheme == "https":
        context = io.TlsContextOptions()
        context.override_default_trust_store_from_path(None, task.certificates)
        options = io.ClientTlsContext(context).new_connection_options()
        tls = {"tls_mode": s3.S3RequestTlsMode.ENABLED, "tls_connection_options": options}
    client = s3.S3Client(
        bootstrap=bootstrap,
        region=KEYS["region_name"],
        credential_provider=auth.AwsCredentialsProvider.new_static(
            KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"]
        ),
        part_size=task.part_size,
        multipart_upload_threshold=task.part_size,
        max_active_connections_override=task.concurrency,
        **tls,
    )
    algorithm = "CRC64NVME" if "crc64nvme" in task.traits else "SHA256"
    headers = http.HttpHeaders([("host", address.netloc), ("content-length", str(task.size))])
    METER.start()
    client.make_request(
        type=s3.S3RequestType.PUT_OBJECT,
        request=http.HttpRequest("PUT", f"/{BUCKET}/k", headers),
        send_filepath=task.path,
        checksum_config=s3.S3ChecksumConfig(
            algorithm=getattr(s3.S3ChecksumAlgorithm, algorithm), location=s3.S3ChecksumLocation.TRAILER
        ),
    ).finished_future.result(600)
    METER.stop()
