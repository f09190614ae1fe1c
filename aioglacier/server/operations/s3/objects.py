"""Objects: putting one in a single request, and deleting one or many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aioglacier.server.operations.s3 import object_records as records, object_traits
from aioglacier.server.operations.s3.object_records import NewObject, quoted
from aioglacier.server.protocol import payload_checksums as checksums, s3_behaviour as behaviour
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.refusal import RefusalError
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_request
from aioglacier.server.requests import s3_intake
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.s3_call import document, find_bucket
from aioglacier.server.state import bodies, object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.protocol.xml_format import Element
    from aioglacier.server.requests.s3_call import S3Call
    from aioglacier.server.state.object_bodies import ReceivedPart

#: Headers of a put that its answer repeats.
_REPEATED = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
)


async def put_object(call: S3Call) -> Answer:
    """PutObject."""
    storage_class = object_traits.storage_class(call)
    traits = object_traits.parse(call)
    announced = s3_intake.announced_body(call)
    # Before a body of 5 GiB is received for nothing.
    await call.read(partial(find_bucket, call=call))
    received, _ = await s3_intake.keep(
        call, announced, partial(_put, call=call, storage_class=storage_class, traits=traits)
    )
    call.site.housekeeping.clean_soon()
    headers = {"ETag": quoted(received.md5.hex()), **repeated_headers(traits)}
    if received.checksum is not None and received.algorithm is not None:
        headers[ALGORITHMS[received.algorithm].header] = checksums.encode(received.checksum)
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return Answer(200, headers)


def repeated_headers(traits: object_traits.Traits) -> dict[str, str]:
    """Return the headers of encryption, which answers to writes repeat."""
    return {name: traits.headers[name] for name in _REPEATED if name in traits.headers}


def _put(
    db: sqlite3.Connection,
    received: ReceivedPart,
    call: S3Call,
    storage_class: str,
    traits: object_traits.Traits,
) -> None:
    body = bodies.new_body(db)
    object_bodies.put_part(db, body, 1, received, now=call.now)
    records.add_object(
        db,
        call,
        NewObject(
            body=body,
            size=received.size,
            etag=received.md5.hex(),
            storage_class=storage_class,
            traits=traits,
            algorithm=received.algorithm,
            checksum_type="FULL_OBJECT" if received.checksum is not None else None,
            checksum=received.checksum,
        ),
    )


async def delete_object(call: S3Call) -> Answer:
    """DeleteObject; an object that does not exist is deleted, too."""
    return await call.remove(partial(_delete, call=call, key=call.key, etag=call.header("If-Match")))


def _delete(db: sqlite3.Connection, call: S3Call, key: str, etag: str | None) -> None:
    row = records.current_object(db, find_bucket(db, call), key)
    if row is None:
        if etag is not None and etag != "*":  # without a condition a missing object is no error
            raise S3RefusalError("NoSuchKey", Key=key)
        return
    if etag is not None and not records.is_match(etag, row["etag"]):
        raise S3RefusalError("PreconditionFailed", Condition="If-Match")
    records.remove_object(db, call, row)


async def delete_objects(call: S3Call) -> Answer:
    """DeleteObjects: up to 1,000 keys, each with its own result."""
    # The one operation that insists on a checksum.
    if not s3_intake.check_document_checksum(call.body, call.request.headers):
        raise bad_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    wishes = call.need_document("Delete")
    entries = wishes.all("Object")
    if not 0 < len(entries) <= behaviour.MAX_PAGE:
        raise S3RefusalError("MalformedXML")
    # A missing bucket is one error, and not one for each key.
    await call.read(partial(find_bucket, call=call))
    result = await call.commit(partial(_delete_all, call=call, entries=entries))
    call.site.housekeeping.clean_soon()
    if wishes.value("Quiet") == "true":
        result["Deleted"] = []
    return document("DeleteResult", result)


def _delete_all(db: sqlite3.Connection, call: S3Call, entries: list[Element]) -> dict[str, Any]:
    deleted: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        key = entry.value("Key") or ""
        try:
            if entry.value("VersionId") not in {None, "null"}:  # buckets keep no versions here
                raise S3RefusalError("NotImplemented")
            _delete(db, call, key, entry.value("ETag"))
            deleted.append({"Key": key})
        except RefusalError as refusal:  # one locked object leaves the others
            failed.append({"Key": key, "Code": refusal.code, "Message": refusal.message})
    return {"Deleted": deleted, "Error": failed}
