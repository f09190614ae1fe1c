"""The settings of buckets: documents that are checked, stored and given back.

Obeyed are the rules AbortIncompleteMultipartUpload of a lifecycle and the restore events of notifications.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.server.operations.s3.object_records import has_locks, read_default_retention
from aioglacier.server.protocol.s3_refusals import S3RefusalError
from aioglacier.server.requests.call import NO_CONTENT, Answer
from aioglacier.server.requests.s3_call import document, find_bucket

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.s3_call import S3Call


def _load(db: sqlite3.Connection, call: S3Call, kind: str) -> str | None:
    row = db.execute(
        "SELECT content FROM bucket_documents WHERE bucket = ? AND kind = ?", (find_bucket(db, call), kind)
    ).fetchone()
    return None if row is None else row[0]


def _save(db: sqlite3.Connection, call: S3Call, kind: str, content: str | None) -> None:
    bucket = find_bucket(db, call)
    db.execute("DELETE FROM bucket_documents WHERE bucket = ? AND kind = ?", (bucket, kind))
    if content is not None:
        db.execute("INSERT INTO bucket_documents VALUES (?, ?, ?)", (bucket, kind, content))


def _text(call: S3Call) -> str:
    return call.body.decode()  # UTF-8, because the reader has accepted it


async def get_bucket_lifecycle_configuration(call: S3Call) -> Answer:
    """GetBucketLifecycleConfiguration."""
    content = await call.read(partial(_load, call=call, kind="lifecycle"))
    if content is None:
        raise S3RefusalError("NoSuchLifecycleConfiguration", BucketName=call.bucket)
    return Answer(200, {"Content-Type": "application/xml"}, content.encode())


async def put_bucket_lifecycle_configuration(call: S3Call) -> Answer:
    """PutBucketLifecycleConfiguration."""
    if not call.need_document("LifecycleConfiguration").all("Rule"):
        raise S3RefusalError("MalformedXML")
    await call.commit(partial(_save, call=call, kind="lifecycle", content=_text(call)))
    return Answer(200)


async def delete_bucket_lifecycle(call: S3Call) -> Answer:
    """DeleteBucketLifecycle."""
    await call.commit(partial(_save, call=call, kind="lifecycle", content=None))
    return NO_CONTENT


async def get_bucket_notification_configuration(call: S3Call) -> Answer:
    """GetBucketNotificationConfiguration; without one it is empty."""
    content = await call.read(partial(_load, call=call, kind="notification"))
    if content is None:
        return document("NotificationConfiguration", {})
    return Answer(200, {"Content-Type": "application/xml"}, content.encode())


async def put_bucket_notification_configuration(call: S3Call) -> Answer:
    """PutBucketNotificationConfiguration; an empty one turns notifications off."""
    is_empty = not call.need_document("NotificationConfiguration").children
    content = None if is_empty else _text(call)
    await call.commit(partial(_save, call=call, kind="notification", content=content))
    return Answer(200)


async def get_object_lock_configuration(call: S3Call) -> Answer:
    """GetObjectLockConfiguration."""
    content = await call.read(partial(_load, call=call, kind="object-lock"))
    if content is None:
        raise S3RefusalError("ObjectLockConfigurationNotFoundError", BucketName=call.bucket)
    if content:
        return Answer(200, {"Content-Type": "application/xml"}, content.encode())
    return document("ObjectLockConfiguration", {"ObjectLockEnabled": "Enabled"})


async def put_object_lock_configuration(call: S3Call) -> Answer:
    """PutObjectLockConfiguration: the default retention of a bucket that was created with Object Lock."""
    wish = call.need_document("ObjectLockConfiguration")
    if wish.value("ObjectLockEnabled") != "Enabled":
        raise S3RefusalError("MalformedXML")
    if wish.find("Rule") is not None:
        read_default_retention(wish)
    await call.commit(partial(_save_lock, call=call))
    return Answer(200)


def _save_lock(db: sqlite3.Connection, call: S3Call) -> None:
    if not has_locks(db, find_bucket(db, call)):  # S3 wants versions first, which this server has not
        raise S3RefusalError("InvalidBucketState")
    _save(db, call, "object-lock", _text(call))


async def get_bucket_versioning(call: S3Call) -> Answer:
    """GetBucketVersioning: never enabled, because this server has no versions."""
    await call.read(partial(find_bucket, call=call))
    return document("VersioningConfiguration", {})
