"""Multipart uploads of S3: creating one, receiving parts, completing and aborting it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aioglacier.server.operations.s3 import object_records as records, object_traits
from aioglacier.server.operations.s3.object_records import NewObject, quoted
from aioglacier.server.operations.s3.object_traits import Traits
from aioglacier.server.operations.s3.objects import repeated_headers
from aioglacier.server.protocol import payload_checksums as checksums, s3_behaviour as behaviour
from aioglacier.server.protocol.payload_checksums import ALGORITHMS
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request
from aioglacier.server.protocol.wire_format import UPLOAD_ID_LENGTH, new_id
from aioglacier.server.requests import s3_intake
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.s3_call import document, find_bucket
from aioglacier.server.state import bodies, object_bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.protocol.payload_checksums import Algorithm
    from aioglacier.server.protocol.xml_format import Element
    from aioglacier.server.requests.s3_call import S3Call
    from aioglacier.server.state.object_bodies import ReceivedPart

_ETAG: Final = re.compile(r'"?([0-9a-f]{32})"?')


async def create_multipart_upload(call: S3Call) -> Answer:
    """CreateMultipartUpload; class, metadata and the kind of checksum are fixed here."""
    algorithm = s3_intake.find_algorithm(call.header("x-amz-checksum-algorithm"))
    checksum_type = _checksum_type(call, algorithm)
    storage_class = object_traits.storage_class(call)
    traits = object_traits.parse(call)
    upload_id = new_id(UPLOAD_ID_LENGTH)
    row = (
        upload_id,
        call.key,
        call.now,
        storage_class,
        traits.dump(),
        algorithm.name if algorithm is not None else None,
        checksum_type,
    )
    await call.commit(partial(_create, call=call, row=row))
    headers = repeated_headers(traits)
    if algorithm is not None and checksum_type is not None:
        headers |= {"x-amz-checksum-algorithm": algorithm.name, "x-amz-checksum-type": checksum_type}
    return document(
        "InitiateMultipartUploadResult",
        {"Bucket": call.bucket, "Key": call.key, "UploadId": upload_id},
        headers=headers,
    )


def _checksum_type(call: S3Call, algorithm: Algorithm | None) -> str | None:
    wish = call.header("x-amz-checksum-type")
    if wish not in {None, "COMPOSITE", "FULL_OBJECT"}:
        raise bad_request("Value for x-amz-checksum-type header is invalid.")
    if algorithm is None:
        if wish is not None:
            raise bad_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return None
    if wish is not None and not algorithm.allows(wish):
        raise bad_request(
            f"The {wish} checksum type cannot be used with the {algorithm.name.lower()} checksum algorithm."
        )
    return wish or algorithm.default_type


def _create(db: sqlite3.Connection, call: S3Call, row: tuple[object, ...]) -> None:
    db.execute(
        "INSERT INTO object_uploads (bucket, body, id, key, created, storage_class, traits, algorithm, "
        "checksum_type) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (find_bucket(db, call), bodies.new_body(db), *row),
    )


def find_upload(db: sqlite3.Connection, call: S3Call, *, is_open: bool = True) -> sqlite3.Row:
    """Return the record of the request's upload.

    Raises:
        S3RefusalError: There is no such upload, or it is completed and an open one is needed.
    """
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM object_uploads WHERE id = ? AND bucket = ? AND key = ?",
        (call.query["uploadId"], find_bucket(db, call), call.key),
    ).fetchone()
    if row is None or (is_open and row["etag"] is not None):
        raise S3RefusalError("NoSuchUpload", UploadId=call.query["uploadId"])
    return row


def part_number(call: S3Call) -> int:
    """Return the number of the part in the query.

    Raises:
        S3RefusalError: It is not from 1 to 10,000.
    """
    number = call.number("partNumber", 0)
    if not 1 <= number <= behaviour.MAX_PARTS:
        raise bad_argument(
            "partNumber", number, "Part number must be an integer between 1 and 10000, inclusive"
        )
    return number


async def upload_part(call: S3Call) -> Answer:
    """UploadPart; a part sent again replaces the first."""
    number = part_number(call)
    # Before a body of 5 GiB is received for nothing.
    upload = await call.read(partial(find_upload, call=call))
    announced = s3_intake.announced_body(call)
    sent = announced.sent.name if announced.sent is not None else None
    is_composite = upload["checksum_type"] == "COMPOSITE"
    # A part without a checksum is allowed where one covers the full object.
    if upload["algorithm"] is not None and sent != upload["algorithm"] and (sent or is_composite):
        raise bad_request(
            f"Checksum Type mismatch occurred, expected checksum Type: {upload['algorithm'].lower()}, actual "
            f"checksum Type: {(sent or 'null').lower()}"
        )
    # A checksum of each part makes that of the whole, also if the client sends none.
    kept = s3_intake.find_algorithm(upload["algorithm"] or checksums.DEFAULT)
    announced = replace(announced, kept=kept)
    received, _ = await s3_intake.keep(call, announced, partial(put_part, call=call, number=number))
    call.site.housekeeping.clean_soon()
    headers = {"ETag": quoted(received.md5.hex()), **repeated_headers(Traits.load(upload))}
    if sent is not None and received.algorithm == sent and received.checksum is not None:
        headers[ALGORITHMS[sent].header] = checksums.encode(received.checksum)
    return Answer(200, headers)


def put_part(db: sqlite3.Connection, received: ReceivedPart, call: S3Call, number: int) -> None:
    """Record a part of the request's upload, if that is still open."""
    upload = find_upload(db, call)
    object_bodies.put_part(db, upload["body"], number, received, now=call.now)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A part that a completion names."""

    number: int
    etag: str
    checksums: dict[str, str]


async def complete_multipart_upload(call: S3Call) -> Answer:
    """CompleteMultipartUpload; repeated, it gives the same answer as long as the object is there."""
    wishes = _parse_parts(call.need_document("CompleteMultipartUpload").all("Part"))
    row = await call.commit(partial(_complete, call=call, wishes=wishes))
    call.site.housekeeping.clean_soon()
    found = records.checksum_text(row)
    location = f"{call.request.scheme}://{call.request.host}/{call.bucket}/{call.key}"
    return document(
        "CompleteMultipartUploadResult",
        {
            "Location": location,
            "Bucket": call.bucket,
            "Key": call.key,
            "ETag": quoted(row["etag"]),
            **({ALGORITHMS[found[0]].element: found[1]} if found is not None else {}),
            "ChecksumType": row["checksum_type"],
        },
        headers=repeated_headers(Traits.load(row)),
    )


def _parse_parts(elements: list[Element]) -> list[_Wish]:
    wishes = []
    for element in elements:
        number, etag = element.value("PartNumber") or "", _ETAG.fullmatch(element.value("ETag") or "")
        if not number.isdecimal() or len(number) > 5:  # int() would take as long as a number of megabytes is
            raise S3RefusalError("MalformedXML")
        if etag is None:
            raise S3RefusalError("InvalidPart", PartNumber=number)
        named = {child.name: child.text for child in element.children if child.name.startswith("Checksum")}
        wishes.append(_Wish(int(number), etag[1], named))
    if not wishes:
        raise S3RefusalError("MalformedXML")
    # A number that comes twice is refused, too.
    if any(first.number >= second.number for first, second in pairwise(wishes)):
        raise S3RefusalError("InvalidPartOrder")
    return wishes


def _complete(db: sqlite3.Connection, call: S3Call, wishes: list[_Wish]) -> sqlite3.Row:
    upload = find_upload(db, call, is_open=False)
    if upload["etag"] is not None:  # a client repeats a completion whose answer was lost
        return _completed_before(db, call, upload)
    parts = _chosen_parts(db, upload, wishes)
    size = sum(part["size"] for part in parts)
    announced = call.header("x-amz-mp-object-size")
    if announced is not None and announced != str(size):
        raise bad_request(
            f"The provided 'x-amz-mp-object-size' header value {announced} does not match what was computed: "
            f"{size}"
        )
    algorithm, checksum_type, checksum = _whole_checksum(call, upload, parts)
    # Of the hashes, not of the bytes.
    etag = hashlib.md5(b"".join(part["md5"] for part in parts), usedforsecurity=False).hexdigest()
    new = NewObject(
        body=upload["body"],
        size=size,
        etag=f"{etag}-{len(parts)}",
        storage_class=upload["storage_class"],
        traits=Traits.load(upload),
        part_count=len(parts),
        algorithm=algorithm,
        checksum_type=checksum_type,
        checksum=checksum,
    )
    records.add_object(db, call, new)
    object_bodies.join_parts(db, upload["body"], [wish.number for wish in wishes])
    # Kept for repetitions.
    db.execute("UPDATE object_uploads SET etag = ? WHERE number = ?", (new.etag, upload["number"]))
    return records.find_object(db, call)


def _completed_before(db: sqlite3.Connection, call: S3Call, upload: sqlite3.Row) -> sqlite3.Row:
    row = records.current_object(db, upload["bucket"], call.key)
    if row is None or row["body"] != upload["body"]:  # another object has the key now
        raise S3RefusalError("NoSuchUpload", UploadId=call.query["uploadId"])
    return row


def _chosen_parts(db: sqlite3.Connection, upload: sqlite3.Row, wishes: list[_Wish]) -> list[sqlite3.Row]:
    """Return the parts that a completion names, in order."""
    rows = db.execute("SELECT * FROM object_parts WHERE body = ?", (upload["body"],))
    stored = {row["number"]: row for row in rows}
    algorithm = ALGORITHMS.get(upload["algorithm"])
    chosen = []
    for position, wish in enumerate(wishes, start=1):
        part = stored.get(wish.number)
        if part is None or part["md5"].hex() != wish.etag:
            raise S3RefusalError("InvalidPart", UploadId=upload["id"], PartNumber=wish.number, ETag=wish.etag)
        if algorithm is not None:
            _check_part(upload, algorithm, wish, part, position)
        if part["size"] < behaviour.MIN_PART_SIZE and position < len(wishes):  # the last part may be smaller
            raise S3RefusalError(
                "EntityTooSmall",
                ProposedSize=part["size"],
                MinSizeAllowed=behaviour.MIN_PART_SIZE,
                PartNumber=wish.number,
                ETag=wish.etag,
            )
        chosen.append(part)
    return chosen


def _check_part(
    upload: sqlite3.Row, algorithm: Algorithm, wish: _Wish, part: sqlite3.Row, position: int
) -> None:
    named = wish.checksums.get(algorithm.element)
    if named is None and upload["checksum_type"] == "COMPOSITE":
        raise bad_request(
            f"The upload was created using a {algorithm.name.lower()} checksum. The complete request must "
            f"include the checksum for each part. It was missing for part {wish.number} in the request."
        )
    if named is not None and named != checksums.encode(part["checksum"]):
        raise S3RefusalError("InvalidPart", UploadId=upload["id"], PartNumber=wish.number, ETag=wish.etag)
    if wish.number != position:
        # User Guide, "Checking object integrity": such a completion gives 500.
        raise S3RefusalError("InternalError", "With checksums, part numbers must be consecutive from 1.")


def _whole_checksum(
    call: S3Call, upload: sqlite3.Row, parts: list[sqlite3.Row]
) -> tuple[str | None, str | None, bytes | None]:
    """Return the algorithm, type and value of an object's checksum, compared with the one in the head."""
    name = upload["algorithm"] or checksums.DEFAULT
    sent = {
        header.lower(): value
        for header, value in call.request.headers.items()
        if header.lower() in {one.header for one in ALGORITHMS.values()}
    }
    # Parts of a server without compiled CRCs.
    if name is None or any(part["checksum"] is None for part in parts):
        return None, None, None
    algorithm, checksum_type = ALGORITHMS[name], upload["checksum_type"] or "FULL_OBJECT"
    wish = call.header("x-amz-checksum-type")
    if wish is not None and wish != checksum_type:
        raise bad_request(
            f"The upload was created using the {checksum_type} checksum mode. The complete request must use "
            "the same checksum mode."
        )
    whole = checksums.of_parts(algorithm, checksum_type, [(part["checksum"], part["size"]) for part in parts])
    text = checksums.encode(whole)
    if checksum_type == "COMPOSITE":
        text += f"-{len(parts)}"
    expected = sent.get(algorithm.header)
    if expected is not None and expected not in {text, checksums.encode(whole)}:
        raise S3RefusalError("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    return name, checksum_type, whole


async def abort_multipart_upload(call: S3Call) -> Answer:
    """AbortMultipartUpload."""
    return await call.remove(partial(_abort, call=call))


def _abort(db: sqlite3.Connection, call: S3Call) -> None:
    upload = find_upload(db, call)
    db.execute("DELETE FROM object_uploads WHERE number = ?", (upload["number"],))
    object_bodies.release(db, upload["body"])
