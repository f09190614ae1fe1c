"""Copies: objects with the bytes of another, whose records point to the same files, and copied parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aioglacier.core.ranges import ByteRange
from aioglacier.server.operations.s3 import multipart, object_records as records, object_traits, restores
from aioglacier.server.operations.s3.object_reading import parse_range
from aioglacier.server.operations.s3.object_records import NewObject, quoted
from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.operations.s3.objects import repeated_headers
from aioglacier.server.protocol import payload_checksums as checksums, wire_format as wire
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request, not_implemented
from aioglacier.server.requests import delivery, s3_intake
from aioglacier.server.requests.s3_call import document
from aioglacier.server.requests.s3_intake import Announced
from aioglacier.server.state import object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call
    from aioglacier.server.state.bodies import Slice


def _source(call: S3Call) -> S3Call:
    """Return the call with the bucket and the key of the source."""
    bucket, _, key = unquote(call.header("x-amz-copy-source") or "").removeprefix("/").partition("/")
    key, _, version = key.partition("?versionId=")
    if version not in {"", "null"}:
        raise not_implemented("versions of objects")
    if not bucket or not key:
        raise bad_argument("x-amz-copy-source", call.header("x-amz-copy-source"), "Invalid copy source")
    return replace(call, bucket=bucket, key=key)


async def copy_object(call: S3Call) -> Answer:
    """CopyObject, with the source's metadata or with that of the request."""
    source = _source(call)
    row = await call.commit(partial(_copy, call=call, source=source))
    call.site.housekeeping.clean_soon()
    found = records.checksum_text(row)
    return document(
        "CopyObjectResult",
        {
            "ETag": quoted(row["etag"]),
            "LastModified": wire.instant(row["modified"]),
            **({ALGORITHMS[found[0]].element: found[1]} if found is not None else {}),
            "ChecksumType": row["checksum_type"],
        },
        headers=repeated_headers(Traits.load(row)),
    )


async def upload_part_copy(call: S3Call) -> Answer:
    """UploadPartCopy: the bytes of a part come from another object."""
    number = multipart.part_number(call)
    upload, slices = await call.read(partial(_part_slices, call=call, source=_source(call)))
    algorithm = upload["algorithm"] or checksums.DEFAULT
    announced = Announced(sum(one.size for one in slices), kept=s3_intake.find_algorithm(algorithm))
    received, _ = await s3_intake.keep(
        call,
        announced,
        partial(multipart.put_part, call=call, number=number),
        body=delivery.read_slices(call.site, slices),
    )
    call.site.housekeeping.clean_soon()
    result = {"ETag": quoted(received.md5.hex()), "LastModified": wire.instant(call.now)}
    if upload["algorithm"] is not None and received.checksum is not None:
        result[ALGORITHMS[upload["algorithm"]].element] = checksums.encode(received.checksum)
    return document("CopyPartResult", result)


def _part_slices(
    db: sqlite3.Connection, call: S3Call, source: S3Call
) -> tuple[sqlite3.Row, tuple[Slice, ...]]:
    upload, row = multipart.find_upload(db, call), _find_source(db, call, source)
    text = call.header("x-amz-copy-source-range")
    wanted = parse_range(text, row["size"])
    # Other than in GetObject, the end must lie inside the object.
    if text is not None and (wanted is None or not text.endswith(f"-{wanted.stop - 1}")):
        raise bad_argument(
            "x-amz-copy-source-range",
            text,
            f"Range specified is not valid for source object of size: {row['size']}",
        )
    if wanted is None and row["size"]:
        wanted = ByteRange(0, row["size"])
    return upload, object_bodies.slices(db, row["body"], wanted) if wanted is not None else ()


def _find_source(db: sqlite3.Connection, call: S3Call, source: S3Call) -> sqlite3.Row:
    row = records.find_object(db, source)
    _check_source(call, row)
    restores.check_readable(row, call.now)  # a copy reads the bytes, as a download does
    return row


def _copy(db: sqlite3.Connection, call: S3Call, source: S3Call) -> sqlite3.Row:
    row = _find_source(db, call, source)
    own, given = Traits.load(row), object_traits.parse(call)
    is_replaced = _is_replaced(call, "x-amz-metadata-directive")
    given.headers = given.headers if is_replaced else own.headers
    if not _is_replaced(call, "x-amz-tagging-directive"):
        given.tags = own.tags
    storage_class = object_traits.storage_class(call)
    is_itself = (source.bucket, source.key) == (call.bucket, call.key)
    if is_itself and not is_replaced and call.header("x-amz-storage-class") in {None, row["storage_class"]}:
        raise bad_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes."
        )
    new = NewObject(
        body=row["body"],  # the bytes are shared, not copied
        size=row["size"],
        etag=row["etag"],
        storage_class=storage_class,
        traits=given,
        part_count=row["part_count"],
        algorithm=row["algorithm"],
        checksum_type=row["checksum_type"],
        checksum=row["checksum"],
    )
    records.add_object(db, call, new)
    return records.find_object(db, call)


def _is_replaced(call: S3Call, directive: str) -> bool:
    value = call.header(directive) or "COPY"
    if value not in {"COPY", "REPLACE"}:
        raise bad_argument(directive, value, "Unknown directive.")
    return value == "REPLACE"


def _check_source(call: S3Call, row: sqlite3.Row) -> None:
    wanted = call.header("x-amz-copy-source-if-match")
    unwanted = call.header("x-amz-copy-source-if-none-match")
    if wanted is not None and not records.is_match(wanted, row["etag"]):
        raise S3RefusalError("PreconditionFailed", Condition="x-amz-copy-source-If-Match")
    if unwanted is not None and records.is_match(unwanted, row["etag"]):
        raise S3RefusalError("PreconditionFailed", Condition="x-amz-copy-source-If-None-Match")
