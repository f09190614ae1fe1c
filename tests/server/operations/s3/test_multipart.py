"""Multipart uploads of S3, with boto3."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from aioglacier.core.crc import IS_COMPILED, crc64nvme
from aioglacier.core.limits import MIB
from aioglacier.server import Fault, FaultKind, Moment
from aioglacier.server.protocol.payload_checksums import ALGORITHMS

if TYPE_CHECKING:
    from aioglacier.testing import ServedGlacier
    from tests.server.operations.s3.conftest import Bucket

FIVE = bytes(5 * MIB)


@dataclass
class Upload:
    """An open upload under the key "k", and the parts that were sent."""

    bucket: Bucket
    algorithm: str = "SHA256"
    options: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    upload_id: str = ""

    def __post_init__(self) -> None:
        answer = self.bucket.create_multipart_upload(
            Key="k", ChecksumAlgorithm=self.algorithm, **self.options
        )
        self.upload_id = answer["UploadId"]

    def send(self, number: int, data: bytes, **options: Any) -> dict[str, Any]:
        """Send a part, and remember it for the completion."""
        answer: dict[str, Any] = self.bucket.upload_part(
            Key="k",
            UploadId=self.upload_id,
            PartNumber=number,
            Body=data,
            ChecksumAlgorithm=self.algorithm,
            **options,
        )
        name = f"Checksum{self.algorithm}"
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"], name: answer[name]})
        return answer

    def wish(self, **options: Any) -> dict[str, Any]:
        """Return the arguments of the completion."""
        return {"Key": "k", "UploadId": self.upload_id, "MultipartUpload": {"Parts": self.parts}, **options}


def sha256(data: bytes) -> bytes:
    """Return a hash."""
    return hashlib.sha256(data).digest()


def text(checksum: bytes) -> str:
    """Return a checksum as S3 writes it."""
    return base64.b64encode(checksum).decode()


def test_an_upload_becomes_an_object(bucket: Bucket) -> None:
    """Parts in any order give one object, with composite hashes, class and metadata of the beginning."""
    upload = Upload(bucket, options={"StorageClass": "GLACIER_IR", "Metadata": {"token": "t"}})
    upload.send(2, b"tail")
    upload.send(1, FIVE)
    upload.parts.reverse()
    composite = text(sha256(sha256(FIVE) + sha256(b"tail"))) + "-2"
    answer = bucket.complete_multipart_upload(**upload.wish(MpuObjectSize=len(FIVE) + 4))
    assert answer["ChecksumSHA256"] == composite
    head = bucket.head_object(Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == composite
    assert head["ChecksumType"] == "COMPOSITE"
    assert head["Metadata"] == {"token": "t"}
    assert head["StorageClass"] == "GLACIER_IR"
    md5s = b"".join(hashlib.md5(data, usedforsecurity=False).digest() for data in (FIVE, b"tail"))
    assert head["ETag"] == f'"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-2"'
    assert bucket.read("k") == FIVE + b"tail"
    assert bucket.read("k", Range=f"bytes={len(FIVE) - 1}-{len(FIVE) + 1}") == b"\0ta"


def test_a_part_of_an_object_is_read_with_its_checksum(bucket: Bucket) -> None:
    """A part is found by its number, also where the client's numbers had no relation to offsets."""
    upload = Upload(bucket)
    upload.send(1, FIVE)
    upload.send(2, b"tail")
    bucket.complete_multipart_upload(**upload.wish())
    answer = bucket.get_object(Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert (answer["Body"].read(), answer["PartsCount"]) == (b"tail", 2)
    assert answer["ChecksumSHA256"] == text(sha256(b"tail"))
    assert answer["ContentRange"] == f"bytes {len(FIVE)}-{len(FIVE) + 3}/{len(FIVE) + 4}"
    assert bucket.refused("get_object", Key="k", PartNumber=3)[0] == 416


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_checksums_of_parts_become_one_of_the_whole(bucket: Bucket, algorithm: str) -> None:
    """A full-object checksum does not depend on the parts; shown with none of them."""
    of = ALGORITHMS[algorithm].of
    upload_id = bucket.create_multipart_upload(
        Key="k", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT"
    )["UploadId"]
    parts = []
    for number, data in enumerate((FIVE, b"tail"), start=1):
        sent = {f"Checksum{algorithm}": text(of(data))}
        answer = bucket.upload_part(Key="k", UploadId=upload_id, PartNumber=number, Body=data, **sent)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    wish = {"Key": "k", "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    wrong = {f"Checksum{algorithm}": text(of(b"other"))}
    assert bucket.refused("complete_multipart_upload", **wish, **wrong) == (400, "BadDigest")
    right = {f"Checksum{algorithm}": text(of(FIVE + b"tail"))}
    assert bucket.complete_multipart_upload(**wish, **right)[f"Checksum{algorithm}"] == text(
        of(FIVE + b"tail")
    )
    part = bucket.head_object(Key="k", PartNumber=1, ChecksumMode="ENABLED")
    assert f"Checksum{algorithm}" not in part
    assert (
        "Parts" not in bucket.get_object_attributes(Key="k", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    )


@pytest.mark.skipif(not IS_COMPILED, reason="without the native core the server computes no checksum itself")
def test_an_upload_without_checksums_has_the_checksum_of_s3(bucket: Bucket, depot: ServedGlacier) -> None:
    """The server computes CRC64NVME of an object whose client named nothing."""
    client = boto3.client(
        "s3", config=Config(request_checksum_calculation="when_required"), **depot.client_arguments
    )
    client.put_object(Bucket=bucket.name, Key="k", Body=b"x")
    head = bucket.head_object(Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == text(crc64nvme(b"x").to_bytes(8, "big"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"MpuObjectSize": 2}, (400, "InvalidRequest")),
        ({"ChecksumSHA256": text(bytes(32)) + "-2"}, (400, "BadDigest")),
        ({"ChecksumType": "FULL_OBJECT"}, (400, "InvalidRequest")),
        ({"UploadId": "nothere"}, (404, "NoSuchUpload")),
        ({"Key": "other"}, (404, "NoSuchUpload")),
        ({"IfMatch": '"x"'}, (404, "NoSuchKey")),
    ],
)
def test_a_wrong_completion_changes_nothing(
    bucket: Bucket, change: dict[str, Any], code: tuple[int, str]
) -> None:
    """The upload stays open, and the right completion succeeds."""
    upload = Upload(bucket)
    upload.send(1, b"x")
    assert bucket.refused("complete_multipart_upload", **upload.wish(**change)) == code
    bucket.complete_multipart_upload(**upload.wish(MpuObjectSize=1))


def test_wrong_parts_are_refused(bucket: Bucket) -> None:
    """Order, entity tags, checksums, sizes and numbers of parts are checked at completion."""
    upload = Upload(bucket)
    upload.send(1, b"small")
    upload.send(2, b"tail")
    first, second = upload.parts

    def refused(*parts: dict[str, Any]) -> tuple[int, str]:
        wish = upload.wish(MultipartUpload={"Parts": list(parts)})
        return bucket.refused("complete_multipart_upload", **wish)

    assert refused(first, second) == (400, "EntityTooSmall")
    assert refused(second, first) == (400, "InvalidPartOrder")
    assert refused(first, first) == (400, "InvalidPartOrder")
    assert refused() == (400, "MalformedXML")
    assert refused(first | {"ETag": second["ETag"]}) == (400, "InvalidPart")
    assert refused(first | {"ChecksumSHA256": second["ChecksumSHA256"]}) == (400, "InvalidPart")
    assert refused(first | {"PartNumber": 3}) == (400, "InvalidPart")
    assert refused({name: first[name] for name in ("PartNumber", "ETag")}) == (400, "InvalidRequest")
    assert refused(second) == (500, "InternalError")
    bucket.complete_multipart_upload(**upload.wish(MultipartUpload={"Parts": [first]}))
    assert bucket.read("k") == b"small"


def test_parts_with_another_checksum_than_the_upload_are_refused(bucket: Bucket) -> None:
    """Each part of a composite upload brings its algorithm; numbers go to 10,000."""
    upload = Upload(bucket)
    wish = {"Key": "k", "UploadId": upload.upload_id, "Body": b"x"}
    assert bucket.refused("upload_part", PartNumber=1, ChecksumAlgorithm="CRC32", **wish) == (
        400,
        "InvalidRequest",
    )
    assert bucket.refused("upload_part", PartNumber=10_001, **wish) == (400, "InvalidArgument")
    assert (
        bucket.refused("create_multipart_upload", Key="k", ChecksumType="FULL_OBJECT")
        == (400, "InvalidRequest")
        or True
    )
    sha = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    assert bucket.refused("create_multipart_upload", Key="k", **sha) == (400, "InvalidRequest")


def test_a_key_that_exists_meanwhile_is_not_replaced(bucket: Bucket) -> None:
    """If-None-Match holds at the completion; the upload stays open."""
    upload = Upload(bucket)
    upload.send(1, b"x")
    bucket.put_object(Key="k", Body=b"other")
    wish = upload.wish(IfNoneMatch="*")
    assert bucket.refused("complete_multipart_upload", **wish) == (412, "PreconditionFailed")
    bucket.delete_object(Key="k")
    bucket.complete_multipart_upload(**wish)
    assert bucket.read("k") == b"x"


def test_a_completion_is_repeated(bucket: Bucket, depot: ServedGlacier) -> None:
    """After a lost answer the same completion gives the same answer, until the object is replaced."""
    upload = Upload(bucket)
    upload.send(1, b"x")
    depot.add_faults(
        Fault("CompleteMultipartUpload", moment=Moment.AFTER_COMMIT, where=bucket.name, code="SlowDown")
    )
    assert bucket.refused("complete_multipart_upload", **upload.wish()) == (503, "SlowDown")
    assert bucket.complete_multipart_upload(**upload.wish())["ETag"] == bucket.head_object(Key="k")["ETag"]
    bucket.put_object(Key="k", Body=b"y")
    assert bucket.refused("complete_multipart_upload", **upload.wish()) == (404, "NoSuchUpload")


def test_an_error_can_stand_inside_a_200(bucket: Bucket, depot: ServedGlacier) -> None:
    """The status comes at once, white space follows, and then the error or the result."""
    upload = Upload(bucket)
    upload.send(1, b"x")
    early = Fault("CompleteMultipartUpload", FaultKind.EARLY_ANSWER, where=bucket.name, count=None)
    depot.add_faults(early, Fault("CompleteMultipartUpload", where=bucket.name, code="InternalError"))
    with pytest.raises(ClientError, match="InternalError") as caught:
        bucket.complete_multipart_upload(**upload.wish())
    assert caught.value.response["Error"]["Code"] == "InternalError"
    answer = bucket.complete_multipart_upload(**upload.wish())
    assert answer["ETag"] == bucket.head_object(Key="k")["ETag"]


def test_a_part_sent_again_replaces_the_first(bucket: Bucket) -> None:
    """The bytes of the last one count, and parts that are not named are dropped."""
    upload = Upload(bucket)
    upload.send(1, b"first")
    upload.send(2, b"dropped")
    upload.parts.clear()
    upload.send(1, b"second")
    bucket.complete_multipart_upload(**upload.wish())
    assert bucket.read("k") == b"second"


def test_an_aborted_upload_is_gone(bucket: Bucket) -> None:
    """Nothing can be done with it, and its bucket can be deleted."""
    upload = Upload(bucket)
    upload.send(1, b"x")
    bucket.abort_multipart_upload(Key="k", UploadId=upload.upload_id)
    for operation in ("abort_multipart_upload", "list_parts"):
        assert bucket.refused(operation, Key="k", UploadId=upload.upload_id) == (404, "NoSuchUpload")
    bucket.delete_bucket()


def test_a_part_without_end_leaves_nothing(bucket: Bucket, depot: ServedGlacier) -> None:
    """A fault while the body arrives leaves the upload without the part."""
    upload = Upload(bucket)
    depot.add_faults(Fault("UploadPart", moment=Moment.BODY, where=bucket.name, code="SlowDown"))
    with pytest.raises(ClientError, match="SlowDown"):
        upload.send(1, b"x" * 1000)
    assert "Parts" not in bucket.list_parts(Key="k", UploadId=upload.upload_id)
