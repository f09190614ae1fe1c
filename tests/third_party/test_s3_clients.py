"""Clients of S3, unchanged, against the local server: those of AWS, and five others."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.forking import forks

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.testing import ServedGlacier

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
DATA = os.urandom(9 * MIB)  # more than one part for each client


@pytest.fixture
def client(local_glacier: ServedGlacier) -> Any:
    """boto3's client, with a bucket "museum"."""
    made = boto3.client("s3", **local_glacier.client_arguments)
    made.create_bucket(Bucket="museum")
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with ``DATA``."""
    path = tmp_path / "source.bin"
    path.write_bytes(DATA)
    return path


def restore(client: Any, local_glacier: ServedGlacier) -> None:
    """Restore the object "deep": s5cmd, obstore and awscrt have no call for it."""
    client.restore_object(Bucket="museum", Key="deep", RestoreRequest={"Days": 1})
    local_glacier.advance(13 * 3600)


def run(name: str, *words: object, environment: dict[str, str], code: int = 0) -> str:
    """Run a program, which must end with ``code``; return its output. A missing program skips the test."""
    program = shutil.which(name, path=environment["PATH"])
    if program is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [program, *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_aws_cli_archives_and_restores(
    client: Any, source: Path, local_glacier: ServedGlacier, environment: dict[str, str]
) -> None:
    """A file goes to DEEP_ARCHIVE in parts, is refused, restored, read, and moved."""

    def aws(*words: object, code: int = 0) -> str:
        done, out, err = forks("aws").run([*map(str, words)], cwd=source.parent, env=environment)
        assert done == code, out + err
        return (out + err).decode()

    copy = ("s3", "cp", "--no-progress")
    aws(*copy, "--storage-class", "DEEP_ARCHIVE", source, "s3://museum/film")
    assert "film" in aws("s3", "ls", "s3://museum")
    assert "GLACIER" in aws(*copy, "s3://museum/film", "back", code=2)
    restore = '{"Days": 1, "GlacierJobParameters": {"Tier": "Bulk"}}'
    aws("s3api", "restore-object", "--bucket=museum", "--key=film", f"--restore-request={restore}")
    local_glacier.advance(49 * 3600)
    aws(*copy, "--force-glacier-transfer", "s3://museum/film", "back")
    assert (source.parent / "back").read_bytes() == DATA
    aws("s3", "mv", "--no-progress", "--force-glacier-transfer", "s3://museum/film", "s3://museum/moved")
    assert client.get_object(Bucket="museum", Key="moved")["Body"].read() == DATA


def test_s5cmd_copies_in_parts(
    client: Any, source: Path, local_glacier: ServedGlacier, environment: dict[str, str]
) -> None:
    """A file goes up and comes back; a class is set; what is not restored is refused, and reads after."""
    environment["S3_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL_S3"]
    run(
        "s5cmd",
        "cp",
        "-p",
        5,
        "--storage-class",
        "GLACIER_IR",
        source,
        "s3://museum/k",
        environment=environment,
    )
    assert client.head_object(Bucket="museum", Key="k")["StorageClass"] == "GLACIER_IR"
    back = source.with_name("back")
    run("s5cmd", "cp", "s3://museum/k", back, environment=environment)
    assert back.read_bytes() == DATA
    client.put_object(Bucket="museum", Key="deep", Body=b"film", StorageClass="DEEP_ARCHIVE")
    assert "deep" in run("s5cmd", "ls", "s3://museum/", environment=environment)
    fetch = ("s5cmd", "cp", "--force-glacier-transfer", "s3://museum/deep", back)
    assert "InvalidObjectState" in run(*fetch, environment=environment, code=1)
    restore(client, local_glacier)
    run(*fetch, environment=environment)
    assert back.read_bytes() == b"film"


def test_rclone_archives_and_restores(
    client: Any, source: Path, local_glacier: ServedGlacier, environment: dict[str, str]
) -> None:
    """A file goes to GLACIER in parts and is refused; rclone lists it, asks for the restore and reads it."""
    remote = {"type": "s3", "provider": "Other", "env_auth": "true", "use_unsigned_payload": "true"}
    remote["endpoint"] = local_glacier.url
    environment |= {f"RCLONE_CONFIG_L_{name.upper()}": value for name, value in remote.items()}
    options = ("--config", os.devnull, "--s3-upload-cutoff=5M", "--s3-chunk-size=5M", "--retries=1")
    copy = (*options, "copyto", "--s3-storage-class=GLACIER", source, "L:museum/k")
    run("rclone", *copy, environment=environment)
    back = source.with_name("back")
    assert "k" in run("rclone", *options, "lsf", "L:museum", environment=environment).split()
    fetch = ("rclone", *options, "--low-level-retries=1", "copyto", "L:museum/k", back)
    assert "restore first" in run(*fetch, environment=environment, code=1)
    run(
        "rclone",
        *options,
        "backend",
        "restore",
        "L:museum",
        "-o",
        "priority=Bulk",
        "-o",
        "lifetime=1",
        environment=environment,
    )
    local_glacier.advance(9 * 3600)
    run(*fetch, environment=environment)
    assert back.read_bytes() == DATA
    assert client.head_object(Bucket="museum", Key="k")["StorageClass"] == "GLACIER"


@pytest.mark.anyio
async def test_obstore_writes_streams(client: Any, local_glacier: ServedGlacier) -> None:
    """A stream goes up in parts with SHA-256; a key that exists and one not restored are refused."""
    obstore = pytest.importorskip("obstore")
    from obstore.store import S3Store  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    store = S3Store(
        "museum",
        endpoint=local_glacier.url,
        region=local_glacier.region,
        access_key_id=local_glacier.access_key_id,
        secret_access_key=local_glacier.secret_access_key,
        client_options={"allow_http": True},
        checksum_algorithm="SHA256",
    )
    async with obstore.open_writer_async(store, "k", buffer_size=5 * MIB) as writer:
        await writer.write(DATA)
    assert client.get_object(Bucket="museum", Key="k")["Body"].read() == DATA
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        await obstore.put_async(store, "k", b"x", mode="create")
    client.put_object(Bucket="museum", Key="deep", Body=b"film", StorageClass="DEEP_ARCHIVE")
    assert [each["path"] for each in store.list().collect()] == ["deep", "k"]
    with pytest.raises(obstore.exceptions.BaseError, match="InvalidObjectState"):
        await obstore.get_async(store, "deep")
    restore(client, local_glacier)
    assert await (await obstore.get_async(store, "deep")).bytes_async() == b"film"


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC64NVME"])
def test_awscrts_client_uploads_in_parts(
    client: Any, source: Path, local_glacier: ServedGlacier, algorithm: str
) -> None:
    """The client below boto3's CRT transfers sends trailers; an object reads after its restore only."""
    pytest.importorskip("awscrt")
    from awscrt import auth, http, io, s3  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    group = io.EventLoopGroup(1)
    crt = s3.S3Client(
        bootstrap=io.ClientBootstrap(group, io.DefaultHostResolver(group)),
        region=local_glacier.region,
        tls_mode=s3.S3RequestTlsMode.DISABLED,
        credential_provider=auth.AwsCredentialsProvider.new_static(
            local_glacier.access_key_id, local_glacier.secret_access_key
        ),
        part_size=5 * MIB,
        multipart_upload_threshold=5 * MIB,
    )
    host = local_glacier.url.removeprefix("http://")
    headers = http.HttpHeaders(
        [("host", host), ("content-length", str(len(DATA))), ("x-amz-storage-class", "GLACIER")]
    )
    crt.make_request(
        type=s3.S3RequestType.PUT_OBJECT,
        request=http.HttpRequest("PUT", "/museum/k", headers),
        send_filepath=str(source),
        checksum_config=s3.S3ChecksumConfig(
            algorithm=getattr(s3.S3ChecksumAlgorithm, algorithm), location=s3.S3ChecksumLocation.TRAILER
        ),
    ).finished_future.result(60)
    head = client.head_object(Bucket="museum", Key="k", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["StorageClass"]) == (len(DATA), "GLACIER")
    assert f"Checksum{algorithm}" in head

    def fetch(into: Path) -> None:
        crt.make_request(
            type=s3.S3RequestType.GET_OBJECT,
            request=http.HttpRequest("GET", "/museum/deep", http.HttpHeaders([("host", host)])),
            recv_filepath=str(into),
        ).finished_future.result(60)

    client.put_object(Bucket="museum", Key="deep", Body=b"film", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(s3.S3ResponseError) as caught:
        fetch(source.with_name("refused"))
    assert caught.value.status_code == 403
    restore(client, local_glacier)
    fetch(source.with_name("back"))
    assert source.with_name("back").read_bytes() == b"film"


def test_boto3s_resource_archives_and_restores(
    source: Path, local_glacier: ServedGlacier, client: Any
) -> None:
    """Its transfers send and fetch parts; an object that is not restored is refused, and reads after."""
    bucket = boto3.resource("s3", **local_glacier.client_arguments).Bucket("museum")
    transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    bucket.upload_file(str(source), "film", ExtraArgs={"StorageClass": "GLACIER"}, Config=transfer)
    assert [(each.key, each.storage_class) for each in bucket.objects.all()] == [("film", "GLACIER")]
    back = source.with_name("back")
    with pytest.raises(ClientError, match="InvalidObjectState"):
        bucket.Object("film").get()
    bucket.Object("film").restore_object(
        RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
    )
    local_glacier.advance(600)
    bucket.download_file("film", str(back), Config=transfer)
    assert back.read_bytes() == DATA
    upload = client.create_multipart_upload(Bucket="museum", Key="tape")
    assert [each.id for each in bucket.multipart_uploads.all()] == [upload["UploadId"]]
    bucket.objects.all().delete()
    assert list(bucket.objects.all()) == []


def test_pyarrows_file_system_writes_and_reads(client: Any, local_glacier: ServedGlacier) -> None:
    """A stream goes up in parts; what is not restored is an error, and reads after."""
    fs = pytest.importorskip("pyarrow.fs")
    files = fs.S3FileSystem(
        access_key=local_glacier.access_key_id,
        secret_key=local_glacier.secret_access_key,
        region=local_glacier.region,
        endpoint_override=local_glacier.url.removeprefix("http://"),
        scheme="http",
    )
    with files.open_output_stream("museum/a/k") as stream:
        stream.write(DATA)
    assert [each.path for each in files.get_file_info(fs.FileSelector("museum/a"))] == ["museum/a/k"]
    assert files.open_input_file("museum/a/k").read() == DATA
    client.put_object(Bucket="museum", Key="deep", Body=b"film", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(OSError, match="GetObject"):  # it has no room for the service's own words
        files.open_input_file("museum/deep").read()
    client.restore_object(Bucket="museum", Key="deep", RestoreRequest={"Days": 1})
    local_glacier.advance(13 * 3600)
    assert files.open_input_file("museum/deep").read() == b"film"
    files.delete_file("museum/a/k")


def test_minios_client_archives(client: Any, source: Path, local_glacier: ServedGlacier) -> None:
    """It sends a file in parts, lists and reads it; one that is not restored is refused, and reads after."""
    minio = pytest.importorskip("minio", reason="minio is not installed")
    store = minio.Minio(
        local_glacier.url.removeprefix("http://"),
        access_key=local_glacier.access_key_id,
        secret_key=local_glacier.secret_access_key,
        region=local_glacier.region,
        secure=False,
    )
    headers = {"x-amz-storage-class": "GLACIER"}
    store.fput_object("museum", "film", str(source), part_size=5 * MIB, metadata=headers)
    assert [each.object_name for each in store.list_objects("museum")] == ["film"]
    back = source.with_name("back")
    with pytest.raises(minio.S3Error, match="InvalidObjectState"):
        store.fget_object("museum", "film", str(back))
    client.restore_object(Bucket="museum", Key="film", RestoreRequest={"Days": 1})
    local_glacier.advance(5 * 3600)
    store.fget_object("museum", "film", str(back))
    assert back.read_bytes() == DATA
    store.remove_object("museum", "film")
