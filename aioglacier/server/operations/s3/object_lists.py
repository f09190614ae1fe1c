"""Lists of objects: ListObjectsV2 and the older ListObjects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aioglacier.server.operations.s3 import key_pages, restores
from aioglacier.server.operations.s3.key_pages import KeyPage, KeyQuery
from aioglacier.server.operations.s3.object_records import quoted
from aioglacier.server.protocol import s3_behaviour as behaviour, wire_format as wire
from aioglacier.server.requests.s3_call import document, find_bucket

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.s3_call import S3Call


async def list_objects_v2(call: S3Call) -> Answer:
    """ListObjectsV2."""
    query = KeyQuery.of(call, "max-keys", behaviour.MAX_PAGE)
    token = call.query.get("continuation-token")
    start_after = call.query.get("start-after", "")
    after = start_after if token is None else key_pages.parse_token(token)  # a token leads further
    page = await call.read(partial(_page, call=call, query=query, after=after))
    has_owner = call.query.get("fetch-owner") == "true"
    return document(
        "ListBucketResult",
        {
            **_head(call, query, page),
            "StartAfter": query.text(start_after),
            "ContinuationToken": token,
            "NextContinuationToken": key_pages.token_for(page.last) if page.is_truncated else None,
            "KeyCount": len(page),
            **_content(call, query, page, has_owner=has_owner),
        },
    )


async def list_objects(call: S3Call) -> Answer:
    """ListObjects, the version before; a marker is the key to begin behind."""
    query = KeyQuery.of(call, "max-keys", behaviour.MAX_PAGE)
    marker = call.query.get("marker", "")
    page = await call.read(partial(_page, call=call, query=query, after=marker))
    return document(
        "ListBucketResult",
        {
            **_head(call, query, page),
            "Marker": query.text(marker) or "",
            # Without a delimiter a client takes the last key of the page itself (API, "ListObjects").
            "NextMarker": query.text(page.last) if page.is_truncated and query.delimiter else None,
            **_content(call, query, page, has_owner=True),
        },
    )


def _page(db: sqlite3.Connection, call: S3Call, query: KeyQuery, after: str) -> KeyPage:
    bucket = find_bucket(db, call)

    def rows_after(key: str) -> sqlite3.Cursor:
        operator, start = key_pages.keys_from(key, query.prefix)
        return db.execute(
            f"SELECT * FROM objects WHERE bucket = ? AND key {operator} ? ORDER BY key",  # noqa: S608  # ours
            (bucket, start),
        )

    return query.collect(rows_after, after)


def _head(call: S3Call, query: KeyQuery, page: KeyPage) -> dict[str, Any]:
    return {
        "Name": call.bucket,
        "Prefix": query.text(query.prefix) or "",
        "Delimiter": query.text(query.delimiter),
        "MaxKeys": query.limit,
        "EncodingType": "url" if query.is_encoded else None,
        "IsTruncated": page.is_truncated,
    }


def _content(call: S3Call, query: KeyQuery, page: KeyPage, *, has_owner: bool) -> dict[str, Any]:
    has_restores = "RestoreStatus" in (call.header("x-amz-optional-object-attributes") or "")
    entries = [
        {
            "Key": query.text(row["key"]),
            "LastModified": wire.instant(row["modified"]),
            "ETag": quoted(row["etag"]),
            "ChecksumAlgorithm": row["algorithm"],
            "ChecksumType": row["checksum_type"],
            "Size": row["size"],
            "Owner": call.owner if has_owner else None,
            "StorageClass": row["storage_class"],
            "RestoreStatus": restores.element(row, call.now) if has_restores else None,
        }
        for row in page.rows
    ]
    return {"Contents": entries, "CommonPrefixes": query.common_prefixes(page)}
