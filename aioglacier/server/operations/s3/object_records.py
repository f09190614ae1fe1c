"""The records of objects: finding, adding, replacing and removing one, with the conditions on all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.protocol import (
    payload_checksums as checksums,
    s3_behaviour as behaviour,
    xml_format as xml,
)
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument
from aioglacier.server.requests.s3_call import find_bucket
from aioglacier.server.state import object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.s3_call import S3Call

DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to record; its bytes are in ``body``.

    Attributes:
        part_count: Parts of a multipart object, ``None`` for one that came in one request.
    """

    body: int
    size: int
    etag: str
    storage_class: str
    traits: Traits
    part_count: int | None = None
    algorithm: str | None = None
    checksum_type: str | None = None
    checksum: bytes | None = None


def find_object(db: sqlite3.Connection, call: S3Call) -> sqlite3.Row:
    """Return the record of the request's object.

    Raises:
        S3RefusalError: There is no such bucket or object.
    """
    row = current_object(db, find_bucket(db, call), call.key)
    if row is None:
        raise S3RefusalError("NoSuchKey", Key=call.key)
    return row


def current_object(db: sqlite3.Connection, bucket: int, key: str) -> sqlite3.Row | None:
    """Return the record of an object, if it exists."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
    ).fetchone()
    return row


def add_object(db: sqlite3.Connection, call: S3Call, new: NewObject) -> None:
    """Record an object under the request's key; it replaces one with that key.

    Raises:
        S3RefusalError: A condition does not hold, or the old object is locked.
    """
    bucket = find_bucket(db, call)
    old = current_object(db, bucket, call.key)
    check_write(call, old)
    if new.traits.lock_until is None and (retention := _default_retention(db, bucket)) is not None:
        new.traits.lock_mode, milliseconds = retention
        new.traits.lock_until = call.now + milliseconds
    if (new.traits.lock_until is not None or new.traits.is_held) and not has_locks(db, bucket):
        raise S3RefusalError("InvalidRequest", "Bucket is missing Object Lock Configuration")
    # Before the new record: an object that is locked is not replaced.
    if old is not None:
        _remove_record(db, call, old)
    db.execute(
        "INSERT INTO objects (bucket, key, body, size, etag, modified, storage_class, traits, part_count, "
        "algorithm, checksum_type, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            bucket,
            call.key,
            new.body,
            new.size,
            new.etag,
            call.now,
            new.storage_class,
            new.traits.dump(),
            new.part_count,
            new.algorithm,
            new.checksum_type,
            new.checksum,
        ),
    )
    if old is not None:
        object_bodies.release(db, old["body"])  # last, because a copy onto itself keeps the bytes


def has_locks(db: sqlite3.Connection, bucket: int) -> bool:
    """Return whether objects of a bucket can be locked."""
    found = db.execute("SELECT 1 FROM bucket_documents WHERE bucket = ? AND kind = 'object-lock'", (bucket,))
    return found.fetchone() is not None


def _default_retention(db: sqlite3.Connection, bucket: int) -> tuple[str, int] | None:
    """Return the mode and milliseconds for which a bucket locks each new object, if it does."""
    row = db.execute(
        "SELECT content FROM bucket_documents WHERE bucket = ? AND kind = 'object-lock'", (bucket,)
    ).fetchone()
    if row is None or not row[0]:
        return None
    configuration = xml.read(row[0].encode(), "ObjectLockConfiguration")
    return read_default_retention(configuration) if configuration.find("Rule") is not None else None


def read_default_retention(configuration: xml.Element) -> tuple[str, int]:
    """Return the mode and milliseconds of an Object Lock configuration's rule.

    Raises:
        S3RefusalError: It is no rule.
    """
    rule = configuration.find("Rule", "DefaultRetention")
    mode, days, years = (rule and rule.value(name) for name in ("Mode", "Days", "Years"))
    if mode not in {"GOVERNANCE", "COMPLIANCE"} or (days is None) == (years is None):
        raise S3RefusalError("MalformedXML")
    count = days or years or ""
    # ``isdecimal`` alone takes digits of every script.
    if not (count.isascii() and count.isdecimal()) or not 0 < int(count) <= behaviour.MAX_LOCK_YEARS * 365:
        raise bad_argument("Days" if days else "Years", count, "Default retention period must be positive")
    return mode, int(count) * (1 if days else 365) * DAY_MS


def remove_object(db: sqlite3.Connection, call: S3Call, row: sqlite3.Row) -> None:
    """Remove an object, and count the days that it was deleted too early.

    Raises:
        S3RefusalError: The object is locked.
    """
    _remove_record(db, call, row)
    object_bodies.release(db, row["body"])


def may_bypass(call: S3Call) -> bool:
    """Return whether a request claims the right to bypass locks of mode GOVERNANCE."""
    return (call.header("x-amz-bypass-governance-retention") or "").lower() == "true"


def _remove_record(db: sqlite3.Connection, call: S3Call, row: sqlite3.Row) -> None:
    Traits.load(row).check_lock(call.now, may_bypass=may_bypass(call))
    days = behaviour.MINIMUM_DAYS.get(row["storage_class"], 0)
    if (days_left := days - (call.now - row["modified"]) // DAY_MS) > 0:
        db.execute(
            "INSERT INTO early_deletions (bucket, key, storage_class, size, deleted, days_left) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (call.bucket, row["key"], row["storage_class"], row["size"], call.now, days_left),
        )
    db.execute("DELETE FROM objects WHERE number = ?", (row["number"],))


def check_write(call: S3Call, old: sqlite3.Row | None) -> None:
    """Refuse a write whose ``If-Match`` or ``If-None-Match`` does not hold.

    Raises:
        S3RefusalError: It does not hold, or has a form that writes do not have.
    """
    wanted = call.header("If-Match")
    unwanted = call.header("If-None-Match")
    if unwanted is not None:
        if unwanted != "*":
            raise S3RefusalError("NotImplemented")  # API, "PutObject": expects the '*' character
        if old is not None:
            raise S3RefusalError("PreconditionFailed", Condition="If-None-Match")
    if wanted is not None:
        if old is None:
            raise S3RefusalError("NoSuchKey", Key=call.key)
        if not is_match(wanted, old["etag"]):
            raise S3RefusalError("PreconditionFailed", Condition="If-Match")


def is_match(header: str, etag: str) -> bool:
    """Return whether a list of entity tags has ``etag``, which comes without quotes."""
    tags = [one.strip().removeprefix("W/").strip('"') for one in header.split(",")]
    return "*" in tags or etag in tags


def quoted(etag: str) -> str:
    """Return an entity tag as headers and documents have it."""
    return f'"{etag}"'


def checksum_text(row: sqlite3.Row) -> tuple[str, str] | None:
    """Return the algorithm and the text of an object's checksum, with the count of parts if composite."""
    if row["checksum"] is None:
        return None
    text = checksums.encode(row["checksum"])
    if row["checksum_type"] == "COMPOSITE":
        text += f"-{row['part_count']}"
    return row["algorithm"], text


def checksum_headers(row: sqlite3.Row) -> dict[str, str]:
    """Return the headers of an object's checksum."""
    found = checksum_text(row)
    if found is None:
        return {}
    return {ALGORITHMS[found[0]].header: found[1], "x-amz-checksum-type": row["checksum_type"]}
