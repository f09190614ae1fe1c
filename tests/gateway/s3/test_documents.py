"""S3's XML as models, and documents that are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.models import Page
from aioglacier.core.s3.objects import (
    BucketDescription,
    ChecksumAlgorithm,
    LifecycleRule,
    LockDefault,
    ObjectChecksum,
    ObjectEntry,
    RestoreState,
    UploadedObjectPart,
)
from aioglacier.gateway.s3 import documents

if TYPE_CHECKING:
    from collections.abc import Callable

XMLNS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
DAY = datetime(2026, 11, 24, tzinfo=UTC)


def read(reader: Callable[[Any], Any], text: str) -> Any:
    """Read a document, which means the same with the namespace of AWS and without."""
    plain = reader(documents.parse(text.encode()))
    head, _, rest = text.partition(">")
    assert reader(documents.parse(f"{head}{XMLNS}>{rest}".encode())) == plain
    return plain


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no XML",
        b"<A><B></A>",
        b"<A><B>cut",
        b"<A/><B/>",
        b'<!DOCTYPE A [<!ENTITY x "aaaaaaaaaa">]><A>&x;</A>',
        b'<!DOCTYPE A SYSTEM "file:///etc/passwd"><A/>',
        b"<A>&x;</A>",
        b"<A>\xff\xfe</A>",
        pytest.param(b"<A>" * 100_000, id="100,000 levels"),
    ],
)
def test_documents_that_are_refused(body: bytes) -> None:
    """Cut, damaged and typed documents are one kind of error."""
    with pytest.raises(ValueError, match=r"it is not XML|document type"):
        documents.parse(body)


def test_no_entity_is_expanded() -> None:
    """A document type is refused before its first entity is declared."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE A [<!ENTITY l0 "lol">{laughs}]><A>&l9;</A>'.encode()
    with pytest.raises(ValueError, match="document type, A"):
        documents.parse(body)


def test_buckets_are_read() -> None:
    """A list of buckets has their regions where the service tells them."""
    page = read(
        documents.read_buckets,
        "<R><Buckets><Bucket><Name>a</Name><CreationDate>2026-11-24T00:00:00.000Z</CreationDate>"
        "<BucketRegion>eu-west-1</BucketRegion></Bucket><Bucket><Name>b</Name>"
        "<CreationDate>2026-11-24T00:00:00Z</CreationDate></Bucket></Buckets>"
        "<ContinuationToken>t</ContinuationToken></R>",
    )
    assert page == Page((BucketDescription("a", DAY, "eu-west-1"), BucketDescription("b", DAY, None)), "t")


def test_lifecycle_rules_are_read() -> None:
    """Prefixes stand in three places, and a rule may not concern uploads."""
    abort = (
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
        "</AbortIncompleteMultipartUpload>"
    )
    rules = read(
        documents.read_lifecycle,
        f"<L><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>{abort}</Rule>"
        f"<Rule><Status>Disabled</Status><Filter><And><Prefix>b/</Prefix></And></Filter>{abort}</Rule>"
        "<Rule><ID>z</ID><Status>Enabled</Status><Prefix/><Expiration><Days>9</Days></Expiration>"
        "<Transition><Days>3</Days><StorageClass>GLACIER</StorageClass></Transition></Rule></L>",
    )
    assert rules == (
        LifecycleRule("x", True, "a/", 7),
        LifecycleRule("", False, "b/", 7),
        LifecycleRule("z", True, "", None, deletes=True, moves_to=("GLACIER",)),
    )


def test_versions_and_object_lock_are_read() -> None:
    """A bucket may keep versions, and give new objects a retention by default."""
    assert read(documents.read_versioning, "<V><Status>Enabled</Status></V>")
    assert not read(documents.read_versioning, "<V></V>")
    days = "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>7</Days></DefaultRetention></Rule>"
    assert read(documents.read_object_lock, f"<L>{days}</L>") == LockDefault("GOVERNANCE", "7 days")
    assert read(documents.read_object_lock, "<L></L>") == LockDefault()


def test_objects_are_read_with_their_restores() -> None:
    """Keys are decoded, and an object without a class is in STANDARD."""
    item = "<LastModified>2026-11-24T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size>"
    page = read(
        documents.read_objects,
        f"<R><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents>"
        f"<Key>a%20%2B%00%C3%A9</Key>{item}<StorageClass>GLACIER</StorageClass><RestoreStatus>"
        f"<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2026-11-24T00:00:00Z"
        f"</RestoreExpiryDate></RestoreStatus></Contents><Contents><Key>b</Key>{item}<RestoreStatus>"
        f"<IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus></Contents><Contents><Key>c</Key>{item}"
        f"<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus></Contents></R>",
    )
    assert page == Page(
        (
            ObjectEntry("a +\x00é", 5, "e", DAY, "GLACIER", RestoreState(False, DAY)),
            ObjectEntry("b", 5, "e", DAY, "STANDARD", RestoreState(True)),
            ObjectEntry("c", 5, "e", DAY, "STANDARD", None),
        ),
        "t",
    )


def test_a_marker_behind_the_last_page_is_none() -> None:
    """A page is the last one if the service says so, whatever marker stands there."""
    text = "<R><IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken></R>"
    assert read(documents.read_objects, text) == Page((), None)


def test_attributes_are_read() -> None:
    """The checksum of parts has its count beside it, and parts have sizes and checksums."""
    attributes, page = read(
        documents.read_attributes,
        "<R><ETag>e-2</ETag><Checksum><ChecksumSHA256>YWJj</ChecksumSHA256><ChecksumType>COMPOSITE"
        "</ChecksumType></Checksum><ObjectParts><PartsCount>2</PartsCount><IsTruncated>true</IsTruncated>"
        "<NextPartNumberMarker>1</NextPartNumberMarker><Part><PartNumber>1</PartNumber><Size>9</Size>"
        "<ChecksumSHA256>YWJj</ChecksumSHA256></Part></ObjectParts><StorageClass>GLACIER</StorageClass>"
        "<ObjectSize>10</ObjectSize></R>",
    )
    assert attributes.checksum == ObjectChecksum(ChecksumAlgorithm.SHA256, b"abc", 2)
    assert (attributes.size, attributes.parts_count, attributes.storage_class) == (10, 2, "GLACIER")
    assert page == Page((UploadedObjectPart(1, 9, "", b"abc"),), "1")


def test_attributes_of_an_object_in_one_piece() -> None:
    """An object without parts has none, and its checksum is of the whole."""
    attributes, page = read(
        documents.read_attributes,
        "<R><ETag>e</ETag><Checksum><ChecksumCRC64NVME>YWJj</ChecksumCRC64NVME></Checksum>"
        "<ObjectSize>10</ObjectSize></R>",
    )
    assert attributes.checksum == ObjectChecksum(ChecksumAlgorithm.CRC64NVME, b"abc")
    assert (attributes.parts_count, page) == (None, Page((), None))


def test_parts_and_their_upload_are_read() -> None:
    """A page of parts names the upload."""
    upload, page = read(
        documents.read_parts,
        "<R><Key>a%20b</Key><UploadId>u</UploadId><StorageClass>GLACIER</StorageClass><ChecksumAlgorithm>"
        "SHA256</ChecksumAlgorithm><IsTruncated>false</IsTruncated><Part><PartNumber>7</PartNumber>"
        "<ETag>&quot;e&quot;</ETag><Size>1</Size></Part></R>",
    )
    assert (upload.key, upload.id, upload.algorithm) == ("a%20b", "u", "SHA256")  # this list encodes nothing
    assert page == Page((UploadedObjectPart(7, 1, "e", None),), None)


def test_the_marker_of_uploads_is_two_words() -> None:
    """Key and upload id of the marker come back as they were."""
    page = read(
        documents.read_uploads,
        "<R><IsTruncated>true</IsTruncated><NextKeyMarker>k%261</NextKeyMarker><NextUploadIdMarker>u+="
        "</NextUploadIdMarker><Upload><Key>a%20b</Key><UploadId>u</UploadId><Initiated>2026-11-24T00:00:00Z"
        "</Initiated></Upload></R>",
    )
    assert [(upload.key, upload.started, upload.storage_class) for upload in page.items] == [
        ("a b", DAY, "STANDARD")
    ]
    assert documents.read_marker(page.marker, "key-marker") == "k&1"
    assert documents.read_marker(page.marker, "upload-id-marker") == "u+="


@pytest.mark.parametrize(
    "text",
    [
        "<R><Contents><Key>a</Key></Contents></R>",
        "<R><Contents><Key>a</Key><Size>many</Size></Contents></R>",
        "<R><Contents><Key>a</Key><Size>-1</Size></Contents></R>",
        "<R><Contents><Key>a</Key><Size>9223372036854775808</Size></Contents></R>",
        "<R><Contents><Size>5</Size></Contents></R>",
    ],
)
def test_objects_without_their_facts_are_refused(text: str) -> None:
    """A missing or wrong element is an error of a kind that the caller translates."""
    with pytest.raises((KeyError, ValueError)):
        documents.read_objects(documents.parse(text.encode()))


@pytest.mark.parametrize("parts", [None, 1, 10_000])
def test_checksums_are_written_as_they_are_read(parts: int | None) -> None:
    """A checksum of parts carries their count."""
    checksum = ObjectChecksum(ChecksumAlgorithm.SHA256, bytes(range(32)), parts)
    assert documents.read_checksum(checksum.algorithm, documents.write_checksum(checksum)) == checksum


def test_us_east_1_is_not_named() -> None:
    """The oldest region takes no name for a new bucket."""
    assert documents.write_location("us-east-1") == ""
    assert "<LocationConstraint>eu-west-1<" in documents.write_location("eu-west-1")
