"""GetObjectAttributes: checksums, sizes and parts of an object without its bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.server.operations.s3 import object_records as records
from aioglacier.server.operations.s3.multipart_lists import part_checksum
from aioglacier.server.protocol import payload_checksums as checksums, s3_behaviour as behaviour
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import bad_argument
from aioglacier.server.requests.s3_call import document, http_date

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call

_NAMES: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_object_attributes(call: S3Call) -> Answer:
    """GetObjectAttributes; it works before a restore, too."""
    wanted = {
        name.strip()
        for value in call.request.headers.getall("x-amz-object-attributes", [])
        for name in value.split(",")
    }
    if not wanted or not wanted <= _NAMES:
        raise bad_argument(
            "x-amz-object-attributes", ",".join(sorted(wanted)), "Invalid attribute name specified."
        )
    row, content = await call.read(partial(_attributes, call=call, wanted=wanted))
    return document(
        "GetObjectAttributesResponse", content, headers={"Last-Modified": http_date(row["modified"])}
    )


def _attributes(db: sqlite3.Connection, call: S3Call, wanted: set[str]) -> tuple[sqlite3.Row, dict[str, Any]]:
    row = records.find_object(db, call)
    content: dict[str, Any] = {
        "ETag": row["etag"],
        "Checksum": _checksum(row),
        "ObjectParts": _parts(db, call, row) if "ObjectParts" in wanted and row["part_count"] else None,
        "StorageClass": row["storage_class"],
        "ObjectSize": row["size"],
    }
    return row, {name: value for name, value in content.items() if name in wanted}


def _checksum(row: sqlite3.Row) -> dict[str, str] | None:
    if row["checksum"] is None:
        return None
    # Without the count of parts, which every other answer appends to a composite checksum.
    element = ALGORITHMS[row["algorithm"]].element
    return {element: checksums.encode(row["checksum"]), "ChecksumType": row["checksum_type"]}


def _parts(db: sqlite3.Connection, call: S3Call, row: sqlite3.Row) -> dict[str, Any]:
    if row["checksum_type"] != "COMPOSITE":
        return {"PartsCount": row["part_count"]}  # S3 lists parts only where they have checksums
    limit = _header_number(call, "x-amz-max-parts", behaviour.MAX_PAGE)
    marker = _header_number(call, "x-amz-part-number-marker", 0)
    limit = call.faults.page_limit(min(limit, behaviour.MAX_PAGE))
    rows = db.execute(
        "SELECT * FROM object_parts WHERE body = ? AND number > ? ORDER BY number LIMIT ?",
        (row["body"], marker, limit + 1),
    ).fetchall()
    page = rows[:limit]
    return {
        "PartsCount": row["part_count"],
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1]["number"] if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(rows) > limit,
        "Part": [
            {"PartNumber": part["number"], "Size": part["size"], **part_checksum(part, row["algorithm"])}
            for part in page
        ],
    }


def _header_number(call: S3Call, name: str, default: int) -> int:
    text = call.header(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise bad_argument(name, text, f"Provided {name} not an integer or within integer range")
    return int(text)
