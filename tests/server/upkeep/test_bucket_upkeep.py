"""The clock's work on buckets, on records in memory."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from aioglacier.server import Settings
from aioglacier.server.state import schema
from aioglacier.server.upkeep.bucket_upkeep import announce_restores

QUEUE = "arn:aws:sqs:us-east-1:012345678901:restores"
CONFIGURATION = f"""<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<QueueConfiguration><Queue>{QUEUE}</Queue><Event>s3:ObjectRestore:*</Event></QueueConfiguration>
<TopicConfiguration><Topic>arn:aws:sns:x:y:z</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>
</NotificationConfiguration>"""


def test_an_ended_restore_is_announced_once() -> None:
    """The queue that asked for restores hears of it, with key and expiry; a later one is still due."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    schema.prepare(db)
    db.execute("INSERT INTO buckets VALUES (1, 'museum', 0)")
    db.execute("INSERT INTO bucket_documents VALUES (1, 'notification', ?)", (CONFIGURATION,))
    for key, due in (("a b", 1000), ("later", 5000)):
        db.execute(
            "INSERT INTO objects (bucket, key, body, size, etag, modified, storage_class, traits, "
            "restore_due, restore_until, is_announced) "
            "VALUES (1, ?, 1, 4, 'e', 0, 'GLACIER', '{}', ?, 86400000, 0)",
            (key, due),
        )
    (notice,), following = announce_restores(db, 2000, Settings(Path("unused")))
    assert (notice.topic, following) == (QUEUE, 5000)
    (event,) = json.loads(notice.message)["Records"]
    assert event["eventName"] == "ObjectRestore:Completed"
    assert (event["s3"]["bucket"]["name"], event["s3"]["object"]["key"]) == ("museum", "a+b")
    expiry = event["glacierEventData"]["restoreEventData"]["lifecycleRestorationExpiryTime"]
    assert expiry == "1970-01-02T00:00:00.000Z"
    assert announce_restores(db, 2000, Settings(Path("unused"))) == ([], 5000)
    db.close()
