"""The traits of an object besides its bytes, read from the head of a put: class, metadata, tags, lock."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from aioglacier.server.protocol import s3_behaviour as behaviour, wire_format as wire
from aioglacier.server.protocol.s3_refusals import S3RefusalError, bad_argument, bad_request, not_implemented

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from aioglacier.server.requests.s3_call import S3Call

#: Headers of a put that HeadObject and GetObject give back.
_KEPT: Final = (
    "Content-Type",
    "Cache-Control",
    "Content-Disposition",
    "Content-Language",
    "Expires",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
)
_META: Final = "x-amz-meta-"


@dataclass(slots=True)
class Traits:
    """The traits of an object that do not decide where its bytes lie.

    Attributes:
        headers: Headers to give back, metadata included.
        lock_until: Milliseconds since 1970, with ``lock_mode``.
    """

    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lock_mode: str | None = None
    lock_until: int | None = None
    is_held: bool = False

    @classmethod
    def load(cls, row: sqlite3.Row) -> Traits:
        """Return the traits in a record of an object or upload."""
        return cls(**json.loads(row["traits"]))

    def dump(self) -> str:
        """Return the text for a record."""
        return json.dumps(asdict(self))

    def check_lock(self, now: int, *, may_bypass: bool) -> None:
        """Refuse to remove an object that its lock protects.

        Raises:
            S3RefusalError: The object is held or retained.
        """
        is_retained = (self.lock_until or 0) > now and not (self.lock_mode == "GOVERNANCE" and may_bypass)
        if self.is_held or is_retained:
            raise S3RefusalError("AccessDenied", "Access Denied because object protected by object lock.")


def storage_class(call: S3Call) -> str:
    """Return the storage class that a request names, or STANDARD.

    Raises:
        S3RefusalError: There is no such class.
    """
    name = call.header("x-amz-storage-class") or "STANDARD"
    if name not in behaviour.STORAGE_CLASSES:
        raise S3RefusalError("InvalidStorageClass", StorageClassRequested=name)
    return name


def parse(call: S3Call) -> Traits:
    """Return the traits in a request's head.

    Raises:
        S3RefusalError: A header is wrong, the metadata is too large, or this server lacks what it asks for.
    """
    if call.header("x-amz-server-side-encryption-customer-algorithm"):
        raise not_implemented("encryption with keys of the customer (SSE-C)")
    sent = call.request.headers
    headers = {name: sent[name] for name in _KEPT if sent.get(name)}
    encodings = [one.strip() for one in sent.get("Content-Encoding", "").split(",")]
    if kept := [one for one in encodings if one and one != "aws-chunked"]:  # that one is of the request only
        headers["Content-Encoding"] = ", ".join(kept)
    headers |= _metadata(sent)
    traits = Traits(headers, parse_tags(call.header("x-amz-tagging") or ""))
    _parse_lock(call, traits)
    return traits


def _metadata(sent: Mapping[str, str]) -> dict[str, str]:
    metadata: dict[str, str] = {}
    size = 0
    for header, value in sent.items():
        name = header.lower()
        if not name.startswith(_META):
            continue
        try:
            size += len(name) - len(_META) + len(value.encode())
        except UnicodeEncodeError:
            raise bad_argument(name, ascii(value), "Metadata must be UTF-8.") from None
        metadata[name] = f"{metadata[name]},{value}" if name in metadata else value
    if size > behaviour.MAX_METADATA_SIZE:
        raise S3RefusalError("MetadataTooLarge", Size=size, MaxSizeAllowed=behaviour.MAX_METADATA_SIZE)
    return metadata


def parse_tags(text: str) -> dict[str, str]:
    """Return the tags of an ``x-amz-tagging`` header, which is written like a query.

    Raises:
        S3RefusalError: The tags break a rule.
    """
    return check_tags(parse_qsl(text, keep_blank_values=True))


def check_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return tags as a mapping.

    Raises:
        S3RefusalError: There are too many, one is too long, or a key comes twice.
    """
    if len(pairs) > behaviour.MAX_TAGS:
        raise S3RefusalError("BadRequest", f"Object tags cannot be greater than {behaviour.MAX_TAGS}")
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise S3RefusalError("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in tags.items():
        if not 0 < len(key) <= behaviour.MAX_TAG_KEY_LENGTH:
            raise S3RefusalError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > behaviour.MAX_TAG_VALUE_LENGTH:
            raise S3RefusalError("InvalidTag", "The TagValue you have provided is invalid", TagKey=key)
    return tags


def _parse_lock(call: S3Call, traits: Traits) -> None:
    mode = call.header("x-amz-object-lock-mode")
    until = call.header("x-amz-object-lock-retain-until-date")
    hold = call.header("x-amz-object-lock-legal-hold")
    if hold not in {None, "ON", "OFF"}:
        raise bad_argument("x-amz-object-lock-legal-hold", hold, "Legal Hold must be either of 'ON' or 'OFF'")
    traits.is_held = hold == "ON"
    if (mode is None) != (until is None):
        raise bad_request(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        )
    if mode is not None and until is not None:
        set_retention(traits, mode, until, now=call.now)


def set_retention(traits: Traits, mode: str, until: str, *, now: int) -> None:
    """Lock an object until a date.

    Raises:
        S3RefusalError: The mode is unknown, or the date is malformed or past.
    """
    if mode not in {"GOVERNANCE", "COMPLIANCE"}:
        raise bad_argument("x-amz-object-lock-mode", mode, "Unknown wormMode directive.")
    try:
        traits.lock_mode, traits.lock_until = mode, wire.parse_instant(until)
    except ValueError:
        raise bad_argument(
            "x-amz-object-lock-retain-until-date", until, "The retain until date must be in ISO 8601."
        ) from None
    if traits.lock_until <= now:
        raise bad_argument(
            "x-amz-object-lock-retain-until-date", until, "The retain until date must be in the future!"
        )
