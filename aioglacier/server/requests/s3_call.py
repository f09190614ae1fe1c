"""One request to S3, and the forms of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from aioglacier.server.protocol import xml_format as xml
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument
from aioglacier.server.requests.call import Answer, Call

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from aioglacier.server.protocol.s3_signature import ChunkSigner


@dataclass(slots=True)
class S3Call(Call):
    """One request to S3.

    Attributes:
        bucket: The bucket's name, "" for the account's operations.
        key: The object's key, "" for the operations of a bucket.
        signer: The signer of the body's chunks, ``None`` on a server without keys.
    """

    bucket: str
    key: str
    signer: ChunkSigner | None

    @property
    def owner(self) -> dict[str, str]:
        """The owner, as lists show it."""
        return {"ID": self.site.settings.account_id * 5 + "0000", "DisplayName": "local"}

    def need_document(self, root: str) -> xml.Element:
        """Return the root of the request's document.

        Raises:
            S3RefusalError: The body is no such document.
        """
        try:
            return xml.read(self.body, root)
        except xml.MalformedXmlError:
            raise S3RefusalError("MalformedXML") from None

    def number(self, name: str, default: int, *, least: int = 0, largest: int | None = None) -> int:
        """Return a number from the query; more than ``largest`` counts as ``largest``.

        Raises:
            S3RefusalError: It is no number, or less than ``least``.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 10) or int(text) < least:
            raise bad_argument(name, text, f"Provided {name} not an integer or within integer range")
        return int(text) if largest is None else min(int(text), largest)


def document(
    root: str,
    content: Mapping[str, Any] | str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return an answer with an XML document."""
    return Answer(status, {"Content-Type": "application/xml", **(headers or {})}, xml.write(root, content))


def http_date(milliseconds: int) -> str:
    """Return a date as headers have it."""
    return format_datetime(datetime.fromtimestamp(milliseconds // 1000, UTC), usegmt=True)


def find_bucket(db: sqlite3.Connection, call: S3Call) -> int:
    """Return the number of the request's bucket.

    Raises:
        S3RefusalError: There is no such bucket.
    """
    row = db.execute("SELECT number FROM buckets WHERE name = ?", (call.bucket,)).fetchone()
    if row is None:
        raise S3RefusalError("NoSuchBucket", BucketName=call.bucket)
    number: int = row[0]
    return number
