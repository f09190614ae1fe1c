"""Buckets: creating, finding, listing and deleting them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.server.protocol import s3_behaviour as behaviour, wire_format as wire
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.s3_call import document, find_bucket
from aioglacier.server.state import object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.s3_call import S3Call

#: User Guide, "General purpose bucket naming rules".
_NAME: Final = re.compile(
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|--x-s3|--table-s3)$)"
    r"(?!(?:[0-9]+\.){3}[0-9]+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)


async def create_bucket(call: S3Call) -> Answer:
    """CreateBucket, in the one region that this server has."""
    if not _NAME.fullmatch(call.bucket):
        raise S3RefusalError("InvalidBucketName", BucketName=call.bucket)
    region = call.site.settings.region
    wish = None
    if call.body.strip():
        wish = call.need_document("CreateBucketConfiguration").value("LocationConstraint")
    if (wish or "us-east-1") != region:
        raise S3RefusalError(
            "IllegalLocationConstraintException",
            f"The {wish or 'unspecified'} location constraint is incompatible for the region specific "
            "endpoint this request was sent to.",
        )
    has_locks = (call.header("x-amz-bucket-object-lock-enabled") or "").lower() == "true"
    await call.commit(partial(_create, call=call, has_locks=has_locks))
    return Answer(200, {"Location": f"/{call.bucket}"})


def _create(db: sqlite3.Connection, call: S3Call, has_locks: bool) -> None:
    if db.execute("SELECT 1 FROM buckets WHERE name = ?", (call.bucket,)).fetchone():
        if call.site.settings.region == "us-east-1":
            return  # the oldest region answers 200 to the owner (API, "CreateBucket")
        raise S3RefusalError("BucketAlreadyOwnedByYou", BucketName=call.bucket)
    (count,) = db.execute("SELECT COUNT(*) FROM buckets").fetchone()
    if count >= behaviour.MAX_BUCKETS:
        raise S3RefusalError("TooManyBuckets")
    number = db.execute(
        "INSERT INTO buckets (name, created) VALUES (?, ?)", (call.bucket, call.now)
    ).lastrowid
    if has_locks:
        db.execute("INSERT INTO bucket_documents VALUES (?, 'object-lock', '')", (number,))


async def head_bucket(call: S3Call) -> Answer:
    """HeadBucket."""
    await call.read(partial(find_bucket, call=call))
    region = call.site.settings.region
    return Answer(200, {"x-amz-bucket-region": region, "Content-Type": "application/xml"})


async def get_bucket_location(call: S3Call) -> Answer:
    """GetBucketLocation; the oldest region is empty text."""
    await call.read(partial(find_bucket, call=call))
    region = call.site.settings.region
    return document("LocationConstraint", "" if region == "us-east-1" else region)


async def list_buckets(call: S3Call) -> Answer:
    """ListBuckets, in order of names; a token is the last name before the page."""
    limit = call.faults.page_limit(
        call.number("max-buckets", behaviour.MAX_BUCKETS, least=1, largest=behaviour.MAX_BUCKETS)
    )
    prefix = call.query.get("prefix", "")
    rows = await call.read(
        partial(_page, prefix=prefix, after=call.query.get("continuation-token", ""), limit=limit + 1)
    )
    entries: list[dict[str, Any]] = [
        {"Name": name, "CreationDate": wire.instant(created), "BucketRegion": call.site.settings.region}
        for name, created in rows[:limit]
    ]
    return document(
        "ListAllMyBucketsResult",
        {
            "Owner": call.owner,
            "Buckets": {"Bucket": entries},
            "ContinuationToken": entries[-1]["Name"] if len(rows) > limit else None,
            "Prefix": prefix or None,
        },
    )


def _page(db: sqlite3.Connection, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
    return db.execute(
        "SELECT name, created FROM buckets WHERE name > ? AND SUBSTR(name, 1, ?) = ? ORDER BY name LIMIT ?",
        (after, len(prefix), prefix, limit),
    ).fetchall()


async def delete_bucket(call: S3Call) -> Answer:
    """DeleteBucket: only one without objects; its open uploads are aborted."""
    return await call.remove(partial(_delete, call=call))


def _delete(db: sqlite3.Connection, call: S3Call) -> None:
    number = find_bucket(db, call)
    if db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (number,)).fetchone():
        raise S3RefusalError("BucketNotEmpty", BucketName=call.bucket)
    held = db.execute("SELECT body FROM object_uploads WHERE bucket = ?", (number,)).fetchall()
    for table in ("object_uploads", "bucket_documents"):
        db.execute(f"DELETE FROM {table} WHERE bucket = ?", (number,))  # noqa: S608  # the names above
    for (body,) in held:
        object_bodies.release(db, body)
    db.execute("DELETE FROM buckets WHERE number = ?", (number,))
