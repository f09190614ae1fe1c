"""Reading objects: GetObject, HeadObject, and the conditions, ranges and parts of both."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.core.ranges import ByteRange
from aioglacier.server.operations.s3 import object_records as records, restores
from aioglacier.server.operations.s3.object_records import quoted
from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.protocol import payload_checksums as checksums, wire_format as wire
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.s3_call import http_date
from aioglacier.server.state import object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.s3_call import S3Call

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

#: Query values that replace headers of the answer, for signed requests.
_OVERRIDES: Final = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}


async def head_object(call: S3Call) -> Answer:
    """HeadObject; it works before a restore, too."""
    return await call.read(partial(_answer, call=call))


async def get_object(call: S3Call) -> Answer:
    """GetObject."""
    return await call.read(partial(_answer, call=call))


def _answer(db: sqlite3.Connection, call: S3Call) -> Answer:
    row = records.find_object(db, call)
    _check_conditions(call, row)
    if call.request.method == "GET":
        restores.check_readable(row, call.now)
    headers = _headers(call, row)
    wanted, part = _wanted(db, call, row)
    if part is not None and row["part_count"] is not None:
        headers["x-amz-mp-parts-count"] = str(row["part_count"])
    if wanted is not None:
        headers["Content-Range"] = f"bytes {wanted}/{row['size']}"
    if call.header("x-amz-checksum-mode") == "ENABLED":
        if part is None and wanted is None:
            headers |= records.checksum_headers(row)
        elif part is not None and part["checksum"] is not None and _has_part_checksums(row):
            headers[ALGORITHMS[row["algorithm"]].header] = checksums.encode(part["checksum"])
            headers["x-amz-checksum-type"] = row["checksum_type"]
    found = wanted if wanted is not None else ByteRange(0, row["size"]) if row["size"] else None
    slices = object_bodies.slices(db, row["body"], found) if found is not None else ()
    return Answer(200 if wanted is None else 206, headers, slices=slices)


def _has_part_checksums(row: sqlite3.Row) -> bool:
    """Return whether the checksums of parts are shown: not where one covers the whole of several parts."""
    return row["checksum_type"] == "COMPOSITE" or (row["part_count"] or 1) == 1


def _headers(call: S3Call, row: sqlite3.Row) -> dict[str, str]:
    traits = Traits.load(row)
    headers = {
        "Content-Type": "binary/octet-stream",  # what S3 gives an object without a type
        **traits.headers,
        "ETag": quoted(row["etag"]),
        "Last-Modified": http_date(row["modified"]),
        "Accept-Ranges": "bytes",
        **restores.header(row, call.now),
    }
    if row["storage_class"] != "STANDARD":
        headers["x-amz-storage-class"] = row["storage_class"]
    if traits.tags:
        headers["x-amz-tagging-count"] = str(len(traits.tags))
    if traits.lock_until is not None and traits.lock_mode is not None:
        headers["x-amz-object-lock-mode"] = traits.lock_mode
        headers["x-amz-object-lock-retain-until-date"] = wire.instant(traits.lock_until)
    if traits.is_held:
        headers["x-amz-object-lock-legal-hold"] = "ON"
    headers |= {name: call.query[key] for key, name in _OVERRIDES.items() if call.query.get(key)}
    return headers


def _check_conditions(call: S3Call, row: sqlite3.Row) -> None:
    """Refuse a read whose conditions do not hold, in the order of RFC 9110, section 13.2.2."""
    match, none_match = call.header("If-Match"), call.header("If-None-Match")
    if match is not None:
        if not records.is_match(match, row["etag"]):
            raise S3RefusalError("PreconditionFailed", Condition="If-Match")
    elif _is_after(row["modified"], call.header("If-Unmodified-Since")) is True:
        raise S3RefusalError("PreconditionFailed", Condition="If-Unmodified-Since")
    not_modified = {"ETag": quoted(row["etag"]), "Last-Modified": http_date(row["modified"])}
    if none_match is not None:
        if records.is_match(none_match, row["etag"]):
            raise S3RefusalError("NotModified", headers=not_modified)
    elif _is_after(row["modified"], call.header("If-Modified-Since")) is False:
        raise S3RefusalError("NotModified", headers=not_modified)


def _is_after(milliseconds: int, date: str | None) -> bool | None:
    """Return whether an instant lies after a date of a header; ``None`` without a date that can be read."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return milliseconds // 1000 > moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _wanted(
    db: sqlite3.Connection, call: S3Call, row: sqlite3.Row
) -> tuple[ByteRange | None, sqlite3.Row | None]:
    """Return the range that is asked for, ``None`` for all, and the part if it is asked for by number."""
    number_text, range_text = call.query.get("partNumber"), call.header("Range")
    if number_text is None:
        return parse_range(range_text, row["size"]), None
    if range_text is not None:
        raise bad_request("Cannot specify both Range header and partNumber query parameter")
    number = wire.parse_number(number_text)
    if number is None or not 1 <= number <= 10_000:
        raise bad_argument("partNumber", number_text, "Part number must be an integer between 1 and 10000")
    part = db.execute(
        "SELECT * FROM object_parts WHERE body = ? AND number = ?", (row["body"], number)
    ).fetchone()
    if part is None:
        raise S3RefusalError("InvalidPartNumber", ActualPartCount=row["part_count"] or 1)
    wanted = ByteRange(part["start"], part["start"] + part["size"]) if part["size"] else None
    return wanted, part


def parse_range(text: str | None, size: int) -> ByteRange | None:
    """Return the range of a Range header within ``size`` bytes, cut at their end; ``None`` for all.

    A malformed header, or one with several ranges, means all bytes.

    Raises:
        S3RefusalError: The range begins past the end.
    """
    match = _RANGE.fullmatch(text) if text else None
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        start, stop = size - length, size
    else:
        start, stop = int(match[1]), min(int(match[2] or size) + 1, size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise S3RefusalError("InvalidRange", RangeRequested=text, ActualObjectSize=size)
    return ByteRange(start, stop)
