"""GetJobOutput: the bytes of a finished job, whole or in ranges, with a tree hash if the range is a node."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.core.ranges import ByteRange
from aioglacier.server.operations.vaults.jobs import find_job
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import invalid
from aioglacier.server.requests.call import Answer, VaultCall
from aioglacier.server.state import bodies
from aioglacier.server.state.bodies import Slice

if TYPE_CHECKING:
    import sqlite3

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_CONTENT_TYPES: Final = {"JSON": "application/json", "CSV": "text/csv"}


async def get_job_output(call: VaultCall) -> Answer:
    """GetJobOutput; it may be called any number of times while the job is kept."""
    await call.site.housekeeping.caught_up()  # a job that is due by now ends first
    return await call.read(partial(_answer, call=call))


def _answer(db: sqlite3.Connection, call: VaultCall) -> Answer:
    job = find_job(db, call)
    if job["status"] != "Succeeded":
        raise invalid(f"The job is not currently available for download: {call.item}")
    if job["action"] == "InventoryRetrieval":
        whole = ByteRange(0, job["output_size"])
    else:
        whole = ByteRange(0, job["range_stop"] - job["range_start"])
    asked = parse_range(call.header("Range"), whole.size)
    wanted = asked or whole
    headers = {"Accept-Ranges": "bytes"}
    if asked:
        headers["Content-Range"] = f"bytes {asked}/{whole.size}"
    if job["action"] == "InventoryRetrieval":
        headers["Content-Type"] = _CONTENT_TYPES[job["format"]]
        slices: tuple[Slice, ...] = (Slice(job["output_file"], wanted.start, wanted.size),)
    else:
        headers |= _archive_headers(db, job, wanted)
        offset = job["range_start"]
        slices = bodies.slices(db, job["body"], ByteRange(wanted.start + offset, wanted.stop + offset))
    status = behaviour.FULL_RANGE_STATUS if asked == whole else 206 if asked else 200
    return Answer(status, headers, slices=slices)


def _archive_headers(db: sqlite3.Connection, job: sqlite3.Row, wanted: ByteRange) -> dict[str, str]:
    headers = {"Content-Type": "application/octet-stream"}
    if job["archive_description"] is not None:
        headers["x-amz-archive-description"] = job["archive_description"]
    # Inside a job range that is not a node of the archive's tree, no range has a checksum.
    if job["range_hash"] is not None:
        offset = job["range_start"]
        in_archive = ByteRange(wanted.start + offset, wanted.stop + offset)
        tree_hash = bodies.range_hash(db, job["body"], job["archive_size"], in_archive)
        if tree_hash is not None:
            headers["x-amz-sha256-tree-hash"] = tree_hash.hex()
    return headers


def parse_range(text: str | None, size: int) -> ByteRange | None:
    """Return the range of a Range header within ``size`` bytes, cut at their end; ``None`` for all.

    A malformed header, or one with several ranges, means all bytes.

    Raises:
        RefusalError: The range begins past the end.
    """
    match = _RANGE.fullmatch(text) if text else None
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        return ByteRange(size - length, size) if length else None
    start, last = int(match[1]), int(match[2] or size - 1)
    if start >= size:
        raise invalid(f"The start of the range is larger than size of retrieved data: {text}")
    return ByteRange(start, min(last + 1, size)) if start <= last else None
