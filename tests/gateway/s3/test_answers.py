"""Answers of S3 as results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict

from aioglacier.core.errors import IntegrityError
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectChecksum, RestoreState
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.s3 import answers, documents

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DATA = memoryview(b"bytes")
HASHES = hash_part(DATA)
FAST = HASHES._replace(crc64nvme=bytes(8))
HEADERS = {
    "Content-Length": "5",
    "ETag": '"abc"',
    "Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT",
    "Date": "Sun, 22 Nov 2026 00:00:00 GMT",
}
SHA256 = ObjectChecksum(ChecksumAlgorithm.SHA256, HASHES.payload_hash)


def answer(body: bytes = b"", status: int = 200, /, **headers: str) -> Answer:
    """An answer with these headers besides the usual ones."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CIMultiDict(HEADERS | more), body, NOW)


def stored(**headers: str) -> Any:
    """The proof of a whole object that an answer with these headers gives."""
    return answers.stored_whole(answer(b"", **headers), {"hashes": HASHES, "key": "a"})


def test_a_head_tells_all_that_is_kept() -> None:
    """Metadata loses its prefix, dates are UTC, and a range does not change the size."""
    head = answers.head(
        answer(
            Content_Range="bytes 0-4/1000",
            x_amz_meta_Name="film",
            x_amz_storage_class="GLACIER",
            x_amz_restore='ongoing-request="false", expiry-date="Sun, 22 Nov 2026 00:00:00 GMT"',
            x_amz_mp_parts_count="3",
            x_amz_checksum_sha256=documents.write_checksum(SHA256),
            x_amz_object_lock_legal_hold="ON",
            x_amz_version_id="null",
        ),
        {"key": "a"},
    )
    assert (head.size, head.etag, head.modified, head.metadata) == (1000, "abc", NOW, {"name": "film"})
    assert (head.storage_class, head.parts_count, head.is_held) == ("GLACIER", 3, True)
    assert head.checksum == SHA256
    assert head.restore == RestoreState(is_ongoing=False, expires=NOW)
    assert head.version_id is None  # "null" is no version


def test_a_plain_head_is_of_standard() -> None:
    """S3 leaves the class out of the answer for STANDARD, and what an object does not have."""
    head = answers.head(answer(x_amz_restore='ongoing-request="true"'), {"key": "a"})
    assert (head.storage_class, head.size, head.checksum) == ("STANDARD", 5, None)
    assert head.restore == RestoreState(is_ongoing=True)


def test_a_head_without_a_date_is_no_answer_of_s3() -> None:
    """The caller makes an error of it that names the operation."""
    with pytest.raises(ValueError, match="is not a date"):
        answers.head(answer(Last_Modified="today"), {"key": "a"})


def test_an_object_is_proven_by_its_checksum() -> None:
    """Another checksum, or none, is an integrity error: the object is stored."""
    assert stored(x_amz_checksum_sha256=documents.write_checksum(SHA256)).checksum == SHA256
    other = documents.write_checksum(SHA256._replace(value=bytes(32)))
    for headers, actual in (({}, b""), ({"x_amz_checksum_sha256": other}, bytes(32))):
        with pytest.raises(IntegrityError) as caught:
            stored(**headers)
        assert (caught.value.expected, caught.value.actual) == (SHA256.value, actual)
        assert caught.value.is_stored


def test_a_part_is_proven_by_the_checksum_that_was_sent() -> None:
    """The fast checksum counts where it was made; a wrong part is not stored as an object."""
    fast = ObjectChecksum(ChecksumAlgorithm.CRC64NVME, FAST.crc64nvme)
    assert answers.checksum_of({"hashes": FAST}) == fast
    assert answers.checksum_of({"hashes": HASHES}) == SHA256
    arguments = {"hashes": FAST, "number": 7, "body": DATA}
    good = answer(x_amz_checksum_crc64nvme=documents.write_checksum(fast))
    part = answers.stored_part(good, arguments)
    assert (part.number, part.size, part.etag, part.checksum) == (7, 5, "abc", fast.value)
    with pytest.raises(IntegrityError) as caught:
        answers.stored_part(answer(), arguments)
    assert not caught.value.is_stored


@pytest.mark.parametrize("told", [None, SHA256])
def test_a_completion_may_leave_the_checksum_out(told: ObjectChecksum | None) -> None:
    """The head has it then; another one is an error."""
    text = "" if told is None else f"<ChecksumSHA256>{documents.write_checksum(told)}</ChecksumSHA256>"
    body = f'<CompleteMultipartUploadResult><ETag>"abc-1"</ETag>{text}</CompleteMultipartUploadResult>'
    found = answers.completed(answer(body.encode()), {"key": "a", "checksum": SHA256})
    assert (found.etag, found.checksum) == ("abc-1", told)
    if told is not None:
        with pytest.raises(IntegrityError, match="was completed with another checksum"):
            answers.completed(
                answer(body.encode()), {"key": "a", "checksum": SHA256._replace(value=bytes(32))}
            )


def test_an_upload_needs_an_id() -> None:
    """An empty id would make every later request one of another kind."""
    assert answers.read_upload_id(documents.parse(b"<R><UploadId>u</UploadId></R>")) == "u"
    with pytest.raises(ValueError, match="empty"):
        answers.read_upload_id(documents.parse(b"<R><UploadId></UploadId></R>"))


def test_the_status_tells_a_new_restore() -> None:
    """202 begins a restore, 200 sets the life of a copy that is there."""
    assert answers.is_new(answer(b"", 202), {})
    assert not answers.is_new(answer(b"", 200), {})
