"""CopyObject: a new object with the bytes of another; both records point to the same files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aioglacier.server.operations.s3 import object_records as records, object_traits, restores
from aioglacier.server.operations.s3.object_records import NewObject, quoted
from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.operations.s3.objects import repeated_headers
from aioglacier.server.protocol import wire_format as wire
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request, not_implemented
from aioglacier.server.requests.s3_call import document

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call


async def copy_object(call: S3Call) -> Answer:
    """CopyObject, with the source's metadata or with that of the request."""
    bucket, _, key = unquote(call.header("x-amz-copy-source") or "").removeprefix("/").partition("/")
    key, _, version = key.partition("?versionId=")
    if version not in {"", "null"}:
        raise not_implemented("versions of objects")
    if not bucket or not key:
        raise bad_argument("x-amz-copy-source", call.header("x-amz-copy-source"), "Invalid copy source")
    source = replace(call, bucket=bucket, key=key)
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


def _copy(db: sqlite3.Connection, call: S3Call, source: S3Call) -> sqlite3.Row:
    row = records.find_object(db, source)
    _check_source(call, row)
    restores.check_readable(row, call.now)
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
        body=row["body"],
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
