"""Multipart uploads, from initiate to complete or abort."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.core.treehash import combine
from aioglacier.server.operations.vaults.archives import add_archive, stored
from aioglacier.server.operations.vaults.vaults import find_vault
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError, invalid, not_found
from aioglacier.server.requests import intake
from aioglacier.server.requests.call import Answer, VaultCall, accepted, document
from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.state.files import Received

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:\*|[0-9]{1,18})")
IDLE_MS: Final = VAULT.upload_idle_seconds * 1000
REPEAT_MS: Final = behaviour.REPEAT_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class PartRange:
    """The range of a part, and the header that gave it."""

    start: int
    size: int
    text: str


async def initiate_multipart_upload(call: VaultCall) -> Answer:
    """InitiateMultipartUpload."""
    part_size = _parse_part_size(call.need_header("x-amz-part-size"))
    description = wire.check_description(call.header("x-amz-archive-description"))
    upload_id = await call.commit(partial(_initiate, call=call, part_size=part_size, description=description))
    return accepted(
        {"Location": call.location("multipart-uploads", upload_id), "x-amz-multipart-upload-id": upload_id}
    )


def _parse_part_size(text: str) -> int:
    size = wire.parse_number(text)
    if size is None or not VAULT.min_part_size <= size <= VAULT.max_part_size or size & (size - 1):
        raise invalid(
            f"Invalid part size: {text}. Part size must not be null, must be a power of two and be between "
            f"{VAULT.min_part_size} and {VAULT.max_part_size} bytes."
        )
    return size


def _initiate(db: sqlite3.Connection, call: VaultCall, part_size: int, description: str | None) -> str:
    vault = find_vault(db, call)["number"]
    upload_id = wire.new_id(wire.UPLOAD_ID_LENGTH)
    db.execute(
        "INSERT INTO uploads (id, vault, body, description, part_size, created, active) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (upload_id, vault, bodies.new_body(db), description, part_size, call.now, call.now),
    )
    return upload_id


def _find(db: sqlite3.Connection, call: VaultCall) -> sqlite3.Row:
    vault = find_vault(db, call)["number"]
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM uploads WHERE id = ? AND vault = ?", (call.item, vault)
    ).fetchone()
    # An ended upload answers repetitions only.
    kept_ms = IDLE_MS if row is not None and row["state"] == "open" else REPEAT_MS
    if row is None or row["active"] + kept_ms <= call.now:
        raise _upload_not_found(call)
    return row


def _find_open(db: sqlite3.Connection, call: VaultCall) -> sqlite3.Row:
    row = _find(db, call)
    if row["state"] != "open":
        raise _upload_not_found(call)
    return row


def _upload_not_found(call: VaultCall) -> RefusalError:
    return not_found(behaviour.UPLOAD_NOT_FOUND.format(id=call.item))


async def upload_multipart_part(call: VaultCall) -> Answer:
    """UploadMultipartPart; the same range sent again replaces the first."""
    size = intake.announced_size(call)
    part = _parse_content_range(call.need_header("Content-Range"), size)
    # Before a body of 4 GiB is received.
    _check_place(part, (await call.read(partial(_find_open, call=call)))["part_size"])
    received, _ = await intake.keep(call, size, partial(_put_part, call=call, start=part.start))
    call.site.housekeeping.clean_soon()
    return Answer(204, {"x-amz-sha256-tree-hash": received.tree_hash.hex()})


def _parse_content_range(text: str, length: int) -> PartRange:
    match = _CONTENT_RANGE.fullmatch(text)
    start, last = (int(match[1]), int(match[2])) if match else (0, -1)
    if last < start:
        raise invalid(f"Invalid Content-Range: {text}")
    if last - start + 1 != length:
        raise invalid(f"Content-Range: {text} is incompatible with Content-Length: {length}")
    return PartRange(start, length, text)


def _check_place(part: PartRange, part_size: int) -> None:
    if part.start % part_size:
        raise invalid(behaviour.PART_NOT_ALIGNED.format(range=part.text, part_size=part_size))
    if part.size > part_size:
        raise invalid(behaviour.PART_TOO_LONG.format(range=part.text, part_size=part_size))
    number = part.start // part_size + 1
    if number > VAULT.max_parts:  # by its place: parts may come in any order
        raise invalid(
            f"This is part number {number} for the current multipart upload. "
            f"It exceeds the limit of {VAULT.max_parts} parts."
        )


def _put_part(db: sqlite3.Connection, received: Received, call: VaultCall, start: int) -> None:
    upload = _find_open(db, call)
    bodies.put_piece(db, upload["body"], start, received)
    # The day begins again.
    db.execute("UPDATE uploads SET active = ? WHERE number = ?", (call.now, upload["number"]))


async def complete_multipart_upload(call: VaultCall) -> Answer:
    """CompleteMultipartUpload; for a while the same size and hash give the same archive again."""
    size_text = call.need_header("x-amz-archive-size")
    hash_text = call.need_header("x-amz-sha256-tree-hash")
    tree_hash = wire.parse_hash("x-amz-sha256-tree-hash", hash_text)
    size = wire.parse_number(size_text)
    if size is None:
        raise invalid(f"Invalid x-amz-archive-size: {size_text}")
    archive_id = await call.commit(partial(_complete, call=call, size=size, tree_hash=tree_hash))
    return stored(call, archive_id, tree_hash)


def _complete(db: sqlite3.Connection, call: VaultCall, size: int, tree_hash: bytes) -> str:
    upload = _find(db, call)
    # Another size or hash is no repetition.
    if upload["state"] == "completed" and (upload["archive_size"], upload["archive_hash"]) == (
        size,
        tree_hash,
    ):
        archive_id: str = upload["archive_id"]
        return archive_id
    if upload["state"] != "open":
        raise _upload_not_found(call)
    _check_whole(db, upload, size, tree_hash)
    archive_id = add_archive(
        db, call, body=upload["body"], description=upload["description"], size=size, tree_hash=tree_hash
    )
    db.execute(
        "UPDATE uploads SET state = 'completed', active = ?, archive_id = ?, archive_size = ?, "
        "archive_hash = ? WHERE number = ?",
        (call.now, archive_id, size, tree_hash, upload["number"]),
    )
    return archive_id


def _check_whole(db: sqlite3.Connection, upload: sqlite3.Row, size: int, tree_hash: bytes) -> None:
    parts = db.execute(
        "SELECT start, size, tree_hash FROM pieces WHERE body = ? ORDER BY start", (upload["body"],)
    ).fetchall()
    if not parts:
        raise invalid(behaviour.NO_PARTS)
    at = 0
    for start, part_size, _ in parts:
        # Parts begin at multiples of the part size, so a short inner part shows as a gap behind it.
        if start != at:
            raise invalid(behaviour.PARTS_MISSING.format(at=at))
        at += part_size
    if at != size:
        raise invalid(behaviour.SIZE_MISMATCH.format(size=size, actual=at))
    if combine(part_hash for _, _, part_hash in parts) != tree_hash:
        raise invalid(f"Invalid x-amz-sha256-tree-hash: {tree_hash.hex()}")


async def abort_multipart_upload(call: VaultCall) -> Answer:
    """AbortMultipartUpload; a repetition succeeds for a while."""
    return await call.remove(partial(_abort, call=call))


def _abort(db: sqlite3.Connection, call: VaultCall) -> None:
    upload = _find(db, call)
    if upload["state"] == "aborted":  # a client repeats an abort whose answer was lost
        return
    if upload["state"] == "completed":
        raise _upload_not_found(call)
    db.execute(
        "UPDATE uploads SET state = 'aborted', active = ? WHERE number = ?", (call.now, upload["number"])
    )
    bodies.release(db, upload["body"])


async def list_multipart_uploads(call: VaultCall) -> Answer:
    """ListMultipartUploads, oldest first."""
    limit = call.faults.page_limit(wire.parse_limit(call.query.get("limit"), VAULT.max_items_per_page))
    after = wire.parse_marker(call.query.get("marker")) or 0
    rows = await call.read(partial(_page_of_uploads, call=call, after=after, limit=limit + 1))
    page = [_describe(row, call.arn) for row in rows[:limit]]
    marker = wire.marker_for(rows[limit - 1]["number"]) if len(rows) > limit else None
    return document({"Marker": marker, "UploadsList": page})


def _page_of_uploads(db: sqlite3.Connection, call: VaultCall, after: int, limit: int) -> list[sqlite3.Row]:
    return db.execute(
        # An expired one may wait for the housekeeping.
        "SELECT * FROM uploads WHERE vault = ? AND state = 'open' AND active > ? AND number > ? "
        "ORDER BY number LIMIT ?",
        (find_vault(db, call)["number"], call.now - IDLE_MS, after, limit),
    ).fetchall()


def _describe(row: sqlite3.Row, arn: str) -> dict[str, Any]:
    return {
        "ArchiveDescription": row["description"],
        "CreationDate": wire.instant(row["created"]),
        "MultipartUploadId": row["id"],
        "PartSizeInBytes": row["part_size"],
        "VaultARN": arn,
    }


async def list_parts(call: VaultCall) -> Answer:
    """ListParts, by range, finished parts only."""
    limit = call.faults.page_limit(wire.parse_limit(call.query.get("limit"), VAULT.max_items_per_page))
    first = wire.parse_marker(call.query.get("marker")) or 0
    upload, rows = await call.read(partial(_page_of_parts, call=call, first=first, limit=limit + 1))
    parts = [
        {
            "RangeInBytes": f"{start}-{call.faults.part_end(start + size - 1)}",
            "SHA256TreeHash": tree_hash.hex(),
        }
        for start, size, tree_hash in rows[:limit]
    ]
    marker = wire.marker_for(rows[limit][0]) if len(rows) > limit else None
    return document({**_describe(upload, call.arn), "Marker": marker, "Parts": parts})


def _page_of_parts(
    db: sqlite3.Connection, call: VaultCall, first: int, limit: int
) -> tuple[sqlite3.Row, list[sqlite3.Row]]:
    upload = _find_open(db, call)
    rows = db.execute(
        "SELECT start, size, tree_hash FROM pieces WHERE body = ? AND start >= ? ORDER BY start LIMIT ?",
        (upload["body"], first, limit),
    ).fetchall()
    return upload, rows
