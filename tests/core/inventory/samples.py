"""Inventories as the service writes them, of archives of any kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from aioglacier.core.limits import VAULT
from aioglacier.core.models import Archive, ArchiveId

if TYPE_CHECKING:
    from collections.abc import Iterable

ARN = "arn:aws:glacier:us-east-1:012345678901:vaults/demo"
HEADER = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"
NASTY = [
    "",
    '"',
    '""',
    "\\",
    '\\"',
    '"\\',
    "\\\\",
    'a\\"b',
    "ends in a backslash\\",
    'quoted, \\"and\\" escaped\\',
    ",",
    ",,,,,",
    '","',
    "},{",
    '"},{"ArchiveId":"x',
    "]}",
    "{[",
    " leading and trailing ",
    "2017-08-22T17:24:07Z,5," + "0" * 64,
    '{"path":"\\\\server\\\\x"}',
    "'; DROP TABLE archives; --",
]

descriptions = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30),
    st.text('",\\{}[]: a', max_size=12),
)
archives = st.builds(
    Archive,
    id=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True).map(ArchiveId),
    vault=st.just("demo"),
    size=st.integers(0, VAULT.max_archive_size),
    tree_hash=st.binary(min_size=32, max_size=32),
    description=descriptions,
    created=st.datetimes(datetime(2012, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001  # made aware below
        lambda date: date.replace(microsecond=date.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
)


def to_fields(archive: Archive) -> dict[str, Any]:
    """The archive as the service lists it, with milliseconds where it has any."""
    precision = "milliseconds" if archive.created.microsecond else "seconds"
    return {
        "ArchiveId": archive.id,
        "ArchiveDescription": archive.description,
        "CreationDate": archive.created.isoformat(timespec=precision).replace("+00:00", "Z"),
        "Size": archive.size,
        "SHA256TreeHash": archive.tree_hash.hex(),
    }


def to_json(listed: Iterable[Archive]) -> bytes:
    """The document byte for byte as the service writes it."""
    document = {
        "VaultARN": ARN,
        "InventoryDate": "2026-11-22T03:10:05Z",
        "ArchiveList": [to_fields(archive) for archive in listed],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def to_csv(listed: Iterable[Archive], *, end: str = "\n", quote_all: bool = False) -> bytes:
    """The document as the service writes it: a quote becomes backslash and quote, a backslash stays."""

    def field(value: object) -> str:
        text = str(value)
        if quote_all or "," in text or '"' in text:
            return '"' + text.replace('"', '\\"') + '"'
        return text

    lines = [",".join(map(field, to_fields(archive).values())) for archive in listed]
    return "".join(line + end for line in [HEADER, *lines]).encode()


def make_archive(number: int = 0, description: str = "") -> Archive:
    """Return an archive that differs by its number."""
    return Archive(
        id=ArchiveId(f"-id{number}"),
        vault="demo",
        size=5242880 + number,
        tree_hash=number.to_bytes(32),
        description=description,
        created=datetime(2017, 8, 22, 17, 24, 7, tzinfo=UTC),
    )
