"""Answers as results: documents, heads of objects, proofs that an object or a part is stored."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import UploadId
from aioglacier.core.s3.objects import (
    ChecksumAlgorithm,
    ObjectChecksum,
    ObjectHead,
    RestoreState,
    StoredObject,
    UploadedObjectPart,
)
from aioglacier.gateway.contract.row_columns import read_date
from aioglacier.gateway.http.service_errors import read_http_date, server_time
from aioglacier.gateway.s3 import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from aioglacier.core.models import Page
    from aioglacier.core.s3.objects import ObjectEntry
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.operation import Arguments
    from aioglacier.gateway.contract.protocols import Answer
    from aioglacier.gateway.http.request_bodies import TrailedBody

T = TypeVar("T")

_METADATA: Final = "x-amz-meta-"

#: The children of a root that repeat what a request asked for, and the arguments that they repeat.
_SUBJECTS: Final = {"Key": "key", "UploadId": "upload_id"}


def document(read: Callable[[Element], T], name: str | None = None) -> Callable[[Answer, Arguments], T]:
    """Return a reader of an XML document whose root has a name, ``None`` where services differ."""

    def read_answer(answer: Answer, arguments: Arguments) -> T:
        root = documents.parse(answer.body)
        if name is not None:
            documents.check_root(root, name)
        for child, asked in _SUBJECTS.items():
            if (found := documents.get(root, child)) and found != arguments.get(asked, found):
                raise ValueError(f"its {child} is {found!r}, not {arguments[asked]!r}")
        return read(root)

    return read_answer


def objects(answer: Answer, arguments: Arguments) -> Page[ObjectEntry]:
    """Return one page of a list of objects; a cache may answer with that of another prefix.

    Raises:
        ValueError: It lists a key that was not asked for.
    """
    page = document(documents.read_objects, "ListBucketResult")(answer, arguments)
    prefix: str = arguments.get("prefix") or ""
    if other := next((each.key for each in page.items if not each.key.startswith(prefix)), None):
        raise ValueError(f"it lists {other!r}, which does not begin with {prefix!r}")
    return page


def checksum_of(arguments: Arguments) -> ObjectChecksum:
    """Return the checksum that goes with a body: its payload hash, or the fast one without a hash."""
    framed: TrailedBody | None = arguments.get("framed")
    if framed is not None:
        return ObjectChecksum(ChecksumAlgorithm.CRC64NVME, framed.checksum)
    if arguments.get("md5"):
        return ObjectChecksum(ChecksumAlgorithm.MD5, arguments["md5"])
    hashes: PartHashes = arguments["hashes"]
    if hashes.crc64nvme:
        return ObjectChecksum(ChecksumAlgorithm.CRC64NVME, hashes.crc64nvme)
    return ObjectChecksum(ChecksumAlgorithm.SHA256, hashes.payload_hash)


def checksum_header(algorithm: ChecksumAlgorithm) -> str:
    """Return the name of the header that carries a checksum."""
    if algorithm is ChecksumAlgorithm.MD5:
        return "Content-MD5"
    return f"x-amz-checksum-{algorithm.lower()}"


def region_of(answer: Answer, _: Arguments) -> str | None:
    """Return the bucket's region, ``None`` where the service does not tell it."""
    return answer.headers.get("x-amz-bucket-region")


def is_new(answer: Answer, _: Arguments) -> bool | None:
    """Return whether a restore began (202), and not only the life of a copy was set (200)."""
    return answer.status == 202


def read_upload_id(root: Element) -> UploadId:
    """Return the id of the upload that began."""
    value = documents.need(root, "UploadId")
    if not value:
        raise ValueError("UploadId is empty")  # parts would become an object of their own
    return UploadId(value)


def head(answer: Answer, arguments: Arguments) -> ObjectHead:
    """Return an object's description from the head of an answer."""
    headers = answer.headers
    span = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", "").strip())
    count, until = headers.get("x-amz-mp-parts-count"), headers.get("x-amz-object-lock-retain-until-date")
    return ObjectHead(
        key=arguments["key"],
        size=documents.read_count(
            span[1] if span else headers["Content-Length"]
        ),  # the length of a part is not the object's
        etag=documents.read_etag(headers.get("ETag", "")),
        modified=_date(headers["Last-Modified"]),
        storage_class=headers.get("x-amz-storage-class", "STANDARD"),
        archive_tier=headers.get("x-amz-archive-status"),
        metadata=_metadata(headers),
        content_type=headers.get("Content-Type"),
        checksum=_checksum(headers),
        parts_count=documents.read_count(count) if count else None,
        restore=_restore(headers.get("x-amz-restore")),
        version_id=_version(headers),
        encryption=headers.get("x-amz-server-side-encryption"),
        locked_until=read_date(until) if until else None,
        is_held=headers.get("x-amz-object-lock-legal-hold") == "ON",
    )


def stored_whole(answer: Answer, arguments: Arguments) -> StoredObject:
    """Return the proof that an object was stored in one request.

    Raises:
        IntegrityError: The service names another checksum, or none.
    """
    checksum = _acknowledged(answer, arguments, f"object {arguments['key']!r}")
    return _stored(answer, answer.headers["ETag"], checksum)


def stored_part(answer: Answer, arguments: Arguments) -> UploadedObjectPart:
    """Return the proof that a part was stored.

    Raises:
        IntegrityError: The service names another checksum, or none.
    """
    number = arguments["number"]
    checksum = _acknowledged(answer, arguments, f"part {number}")
    etag = documents.read_etag(answer.headers["ETag"])
    return UploadedObjectPart(number, arguments["body"].nbytes, etag, checksum.value)


def completed(answer: Answer, arguments: Arguments) -> StoredObject:
    """Return the proof that an upload was completed.

    Raises:
        IntegrityError: The service names another checksum of the whole; the object is stored.
    """
    root = documents.parse(answer.body)
    ours: ObjectChecksum | None = arguments.get("checksum")
    theirs = documents.find_checksum(root)
    # A service may leave the checksum out here; then the head of the object has it.
    if ours is not None and theirs is not None and ours != theirs:
        raise _differs(f"object {arguments['key']!r} was completed", ours, theirs, is_stored=True)
    return _stored(answer, documents.need(root, "ETag"), theirs)


def _acknowledged(answer: Answer, arguments: Arguments, what: str) -> ObjectChecksum:
    ours = checksum_of(arguments)
    if ours.algorithm is ChecksumAlgorithm.MD5:
        theirs = documents.md5_of_etag(documents.read_etag(answer.headers["ETag"]))
    else:
        text = answer.headers.get(checksum_header(ours.algorithm))
        theirs = documents.read_checksum(ours.algorithm, text) if text else None
    if theirs != ours:
        raise _differs(f"the service acknowledged {what}", ours, theirs, is_stored="number" not in arguments)
    return ours


def _differs(
    what: str, ours: ObjectChecksum, theirs: ObjectChecksum | None, *, is_stored: bool
) -> IntegrityError:
    return IntegrityError(
        f"{what} with {'another' if theirs else 'no'} checksum",
        expected=ours.value,
        actual=theirs.value if theirs else b"",
        kind=str(ours.algorithm),
        is_stored=is_stored,
    )


def _stored(answer: Answer, etag: str, checksum: ObjectChecksum | None) -> StoredObject:
    return StoredObject(
        etag=documents.read_etag(etag),
        checksum=checksum,
        version_id=_version(answer.headers),
        stored_at=server_time(answer.headers) or datetime.now(UTC),  # by the clock that inventories have
    )


def _checksum(headers: Mapping[str, str]) -> ObjectChecksum | None:
    for algorithm in reversed(ChecksumAlgorithm):  # the strongest first
        text = headers.get(checksum_header(algorithm))
        if text:
            return documents.read_checksum(algorithm, text)
    return None


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    # Proxies change the case of names, and S3 keeps metadata in lower case.
    lower = ((name.lower(), value) for name, value in headers.items())
    return {name.removeprefix(_METADATA): value for name, value in lower if name.startswith(_METADATA)}


def _version(headers: Mapping[str, str]) -> str | None:
    # A bucket whose versions are suspended says "null".
    version = headers.get("x-amz-version-id")
    return None if version == "null" else version


def _restore(text: str | None) -> RestoreState | None:
    """Read the header ``x-amz-restore``."""
    if not text:
        return None
    fields = dict(re.findall(r'([a-z-]+)="([^"]*)"', text))
    expires = fields.get("expiry-date")
    return RestoreState(fields["ongoing-request"] == "true", _date(expires) if expires else None)


def _date(text: str) -> datetime:
    date = read_http_date(text)
    if date is None:
        raise ValueError(f"{text!r} is not a date")
    return date
