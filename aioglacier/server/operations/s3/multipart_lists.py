"""Lists of open multipart uploads and of the parts of one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.server.operations.s3 import key_pages
from aioglacier.server.operations.s3.key_pages import KeyPage, KeyQuery
from aioglacier.server.operations.s3.multipart import find_upload
from aioglacier.server.operations.s3.object_records import quoted
from aioglacier.server.protocol import (
    payload_checksums as checksums,
    s3_behaviour as behaviour,
    wire_format as wire,
)
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.requests.s3_call import document, find_bucket

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call

_OPEN_UPLOADS: Final = "SELECT * FROM object_uploads WHERE bucket = ? AND etag IS NULL"


async def list_parts(call: S3Call) -> Answer:
    """ListParts, by number; a marker is the last number of the page before."""
    limit = call.faults.page_limit(call.number("max-parts", behaviour.MAX_PAGE, largest=behaviour.MAX_PAGE))
    marker = call.number("part-number-marker", 0)
    upload, rows = await call.read(partial(_page_of_parts, call=call, after=marker, limit=limit + 1))
    page = rows[:limit]
    return document(
        "ListPartsResult",
        {
            "Bucket": call.bucket,
            "Key": call.key,
            "UploadId": upload["id"],
            **_people(call),
            "StorageClass": upload["storage_class"],
            "PartNumberMarker": marker,
            "NextPartNumberMarker": page[-1]["number"] if page else 0,
            "MaxParts": limit,
            "IsTruncated": len(rows) > limit,
            "ChecksumAlgorithm": upload["algorithm"],
            "ChecksumType": upload["checksum_type"],
            "Part": [
                {
                    "PartNumber": part["number"],
                    "LastModified": wire.instant(part["modified"]),
                    "ETag": quoted(part["md5"].hex()),
                    "Size": part["size"],
                    **part_checksum(part, upload["algorithm"]),
                }
                for part in page
            ],
        },
    )


def part_checksum(part: sqlite3.Row, algorithm: str | None) -> dict[str, str]:
    """Return the element of a part's checksum; none where the upload named no algorithm."""
    if algorithm is None or part["checksum"] is None:
        return {}
    return {ALGORITHMS[algorithm].element: checksums.encode(part["checksum"])}


def _page_of_parts(
    db: sqlite3.Connection, call: S3Call, after: int, limit: int
) -> tuple[sqlite3.Row, list[sqlite3.Row]]:
    upload = find_upload(db, call)
    rows = db.execute(
        "SELECT * FROM object_parts WHERE body = ? AND number > ? ORDER BY number LIMIT ?",
        (upload["body"], after, limit),
    ).fetchall()
    return upload, rows


async def list_multipart_uploads(call: S3Call) -> Answer:
    """ListMultipartUploads, by key, those of one key by age."""
    query = KeyQuery.of(call, "max-uploads", behaviour.MAX_PAGE)
    key_marker, id_marker = call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")
    page = await call.read(
        partial(_page_of_uploads, call=call, query=query, after=key_marker, after_id=id_marker)
    )
    last = page.rows[-1] if page.rows and page.rows[-1]["key"] == page.last else None
    uploads = [
        {
            "Key": query.text(row["key"]),
            "UploadId": row["id"],
            **_people(call),
            "StorageClass": row["storage_class"],
            "Initiated": wire.instant(row["created"]),
            "ChecksumAlgorithm": row["algorithm"],
            "ChecksumType": row["checksum_type"],
        }
        for row in page.rows
    ]
    return document(
        "ListMultipartUploadsResult",
        {
            "Bucket": call.bucket,
            "KeyMarker": query.text(key_marker) or "",
            "UploadIdMarker": id_marker,
            "NextKeyMarker": query.text(page.last) if page.is_truncated else None,
            "NextUploadIdMarker": last["id"] if page.is_truncated and last is not None else None,
            "Prefix": query.text(query.prefix),
            "Delimiter": query.text(query.delimiter),
            "MaxUploads": query.limit,
            "EncodingType": "url" if query.is_encoded else None,
            "IsTruncated": page.is_truncated,
            "Upload": uploads,
            "CommonPrefixes": query.common_prefixes(page),
        },
    )


def _page_of_uploads(
    db: sqlite3.Connection, call: S3Call, query: KeyQuery, after: str, after_id: str
) -> KeyPage:
    bucket = find_bucket(db, call)
    marked = db.execute("SELECT number FROM object_uploads WHERE id = ?", (after_id,)).fetchone()
    # Uploads of the marker's key come again if the marked one was aborted; none of them is left out.
    number = marked["number"] if marked is not None else 0 if after_id else None

    def rows_after(key: str) -> Iterator[sqlite3.Row]:
        if number is not None and key == after:
            yield from db.execute(
                f"{_OPEN_UPLOADS} AND key = ? AND number > ? ORDER BY number", (bucket, key, number)
            )
        operator, start = key_pages.keys_from(key, query.prefix)
        yield from db.execute(f"{_OPEN_UPLOADS} AND key {operator} ? ORDER BY key, number", (bucket, start))

    return query.collect(rows_after, after)


def _people(call: S3Call) -> dict[str, Any]:
    return {"Initiator": call.owner, "Owner": call.owner}
