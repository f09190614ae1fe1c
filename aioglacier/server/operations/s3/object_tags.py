"""The traits of an object that can change: its tags and its lock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.server.operations.s3 import object_records as records, object_traits
from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.protocol import wire_format as wire
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_request
from aioglacier.server.requests.call import NO_CONTENT, Answer
from aioglacier.server.requests.s3_call import document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from aioglacier.server.requests.s3_call import S3Call


async def _load(call: S3Call) -> Traits:
    return Traits.load(await call.read(partial(records.find_object, call=call)))


async def _change(call: S3Call, change: Callable[[Traits], None], *, needs_lock: bool = False) -> None:
    def make(db: sqlite3.Connection) -> None:
        row = records.find_object(db, call)
        if needs_lock and not records.has_locks(db, row["bucket"]):
            raise bad_request("Bucket is missing Object Lock Configuration")
        traits = Traits.load(row)
        change(traits)
        db.execute("UPDATE objects SET traits = ? WHERE number = ?", (traits.dump(), row["number"]))

    await call.commit(make)


async def get_object_tagging(call: S3Call) -> Answer:
    """GetObjectTagging."""
    tags = (await _load(call)).tags
    entries = [{"Key": key, "Value": value} for key, value in tags.items()]
    return document("Tagging", {"TagSet": {"Tag": entries}})


async def put_object_tagging(call: S3Call) -> Answer:
    """PutObjectTagging; it replaces all tags."""
    tag_set = call.need_document("Tagging").find("TagSet")
    if tag_set is None:
        raise S3RefusalError("MalformedXML")
    pairs = [(tag.value("Key") or "", tag.value("Value") or "") for tag in tag_set.all("Tag")]
    tags = object_traits.check_tags(pairs)
    await _change(call, lambda traits: setattr(traits, "tags", tags))
    return Answer(200)


async def delete_object_tagging(call: S3Call) -> Answer:
    """DeleteObjectTagging."""
    await _change(call, lambda traits: traits.tags.clear())
    return NO_CONTENT


async def get_object_retention(call: S3Call) -> Answer:
    """GetObjectRetention."""
    traits = await _load(call)
    if traits.lock_until is None:
        raise S3RefusalError("NoSuchObjectLockConfiguration")
    until = wire.instant(traits.lock_until)
    return document("Retention", {"Mode": traits.lock_mode, "RetainUntilDate": until})


async def put_object_retention(call: S3Call) -> Answer:
    """PutObjectRetention; a lock is only made longer, except GOVERNANCE with the right to bypass it."""
    wish = call.need_document("Retention")
    mode, until = wish.value("Mode"), wish.value("RetainUntilDate")
    if mode is None or until is None:
        raise S3RefusalError("MalformedXML")

    def change(traits: Traits) -> None:
        before = traits.lock_until or 0
        old_mode = traits.lock_mode
        object_traits.set_retention(traits, mode, until, now=call.now)
        is_shorter = (traits.lock_until or 0) < before or (old_mode, mode) == ("COMPLIANCE", "GOVERNANCE")
        if is_shorter and before > call.now and not (old_mode == "GOVERNANCE" and records.may_bypass(call)):
            raise S3RefusalError("AccessDenied", "Access Denied because object protected by object lock.")

    await _change(call, change, needs_lock=True)
    return Answer(200)


async def get_object_legal_hold(call: S3Call) -> Answer:
    """GetObjectLegalHold."""
    return document("LegalHold", {"Status": "ON" if (await _load(call)).is_held else "OFF"})


async def put_object_legal_hold(call: S3Call) -> Answer:
    """PutObjectLegalHold."""
    status = call.need_document("LegalHold").value("Status")
    if status not in {"ON", "OFF"}:
        raise S3RefusalError("MalformedXML")
    await _change(call, lambda traits: setattr(traits, "is_held", status == "ON"), needs_lock=True)
    return Answer(200)
