"""The clock's work on buckets: restores that end are announced, old uploads are aborted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from aioglacier.server.protocol import wire_format as wire, xml_format as xml
from aioglacier.server.state import object_bodies
from aioglacier.server.upkeep.endings import AT_A_TIME, FOREVER, Notice

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from aioglacier.server.state.server_settings import Settings

_DAY_MS: Final = 24 * 3600 * 1000

#: The record of a completed upload answers repeated completions for so long (choice).
_REPEAT_MS: Final = _DAY_MS


def announce_restores(db: sqlite3.Connection, now: int, settings: Settings) -> tuple[list[Notice], int]:
    """Mark restores that ended as announced; return their notices, and the time of the next."""
    rows = db.execute(
        "SELECT objects.*, buckets.name AS bucket_name, content FROM objects "
        "JOIN buckets ON buckets.number = objects.bucket "
        "LEFT JOIN bucket_documents AS documents ON documents.bucket = objects.bucket "
        "AND kind = 'notification' WHERE NOT is_announced AND restore_due <= ? LIMIT ?",
        (now, AT_A_TIME),
    ).fetchall()
    notices = []
    for row in rows:
        db.execute("UPDATE objects SET is_announced = 1 WHERE number = ?", (row["number"],))
        if row["content"] is not None:
            message = json.dumps({"Records": [_event(row, settings)]}, separators=(",", ":"))
            notices += [Notice(target, message) for target in _targets(row["content"])]
    (following,) = db.execute("SELECT MIN(restore_due) FROM objects WHERE NOT is_announced").fetchone()
    return notices, FOREVER if following is None else following


def _targets(configuration: str) -> Iterator[str]:
    """Return the topics and queues that hear of restores."""
    root = xml.read(configuration.encode(), "NotificationConfiguration")
    for kind, element in (("TopicConfiguration", "Topic"), ("QueueConfiguration", "Queue")):
        for one in root.all(kind):
            events = {event.text for event in one.all("Event")}
            target = one.value(element)
            if target is not None and events & {"s3:ObjectRestore:Completed", "s3:ObjectRestore:*"}:
                yield target


def _event(row: sqlite3.Row, settings: Settings) -> dict[str, Any]:
    """Return the record of an event (User Guide, "Event message structure")."""
    return {
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "awsRegion": settings.region,
        "eventTime": wire.instant(row["restore_due"]),
        "eventName": "ObjectRestore:Completed",
        "userIdentity": {"principalId": "AmazonCustomer:local"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": wire.new_id(16), "x-amz-id-2": wire.new_id(16)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "local",
            "bucket": {
                "name": row["bucket_name"],
                "ownerIdentity": {"principalId": settings.account_id},
                "arn": f"arn:aws:s3:::{row['bucket_name']}",
            },
            "object": {
                "key": quote_plus(row["key"], safe="/"),
                "size": row["size"],
                "eTag": row["etag"],
                "sequencer": f"{row['restore_due']:016X}",
            },
        },
        "glacierEventData": {
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": wire.instant(row["restore_until"]),
                "lifecycleRestoreStorageClass": row["storage_class"],
            }
        },
    }


def abort_old_uploads(db: sqlite3.Connection, now: int) -> bool:
    """Abort some of the uploads that a lifecycle rule ends; return whether there may be more."""
    db.execute("DELETE FROM object_uploads WHERE etag IS NOT NULL AND created <= ?", (now - _REPEAT_MS,))
    aborted = 0
    documents = db.execute("SELECT bucket, content FROM bucket_documents WHERE kind = 'lifecycle'").fetchall()
    for bucket, content in documents:
        for prefix, days in _abort_rules(content):
            old = db.execute(
                "SELECT number, body FROM object_uploads WHERE bucket = ? AND etag IS NULL AND created <= ? "
                "AND SUBSTR(key, 1, ?) = ? LIMIT ?",
                (bucket, now - days * _DAY_MS, len(prefix), prefix, AT_A_TIME),
            ).fetchall()
            for number, body in old:
                db.execute("DELETE FROM object_uploads WHERE number = ?", (number,))
                object_bodies.release(db, body)
            aborted = max(aborted, len(old))
    return aborted == AT_A_TIME


def _abort_rules(configuration: str) -> Iterator[tuple[str, int]]:
    """Return the prefix and the days of each rule in force that aborts uploads."""
    for rule in xml.read(configuration.encode(), "LifecycleConfiguration").all("Rule"):
        days = rule.value("AbortIncompleteMultipartUpload", "DaysAfterInitiation")
        if rule.value("Status") == "Enabled" and days is not None and days.isdecimal():
            prefix = (
                rule.value("Prefix")
                or rule.value("Filter", "Prefix")
                or rule.value("Filter", "And", "Prefix")
            )
            yield prefix or "", int(days)
