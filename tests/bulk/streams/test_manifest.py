"""The manifest of a stream."""

from __future__ import annotations

import json

import pytest

from aioglacier.bulk.streams.manifest import Manifest, Piece, describe_manifest, describe_piece
from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import ArchiveId

MANIFEST = Manifest(
    "0123456789abcdef",
    "dump \u00e9",
    (Piece(ArchiveId("a" * 138), 5, bytes(32)), Piece(ArchiveId("b" * 138), 7, bytes(range(32)))),
)


def test_a_manifest_comes_back() -> None:
    """It is read as it was written, and two writings of it are equal."""
    assert Manifest.decode(MANIFEST.encode(), "id") == MANIFEST
    assert MANIFEST.encode() == MANIFEST.encode()
    assert MANIFEST.size == 12


@pytest.mark.parametrize(
    "change",
    [
        {"aioglacier": "piece"},
        {"format": 2},
        {"size": 13},
        {"pieces": [{"archive_id": "a", "size": 12}]},
        {"pieces": [{"archive_id": "a", "size": 12, "tree_hash": "xy"}]},
        {"pieces": 3},
    ],
)
def test_another_document_is_no_manifest(change: dict[str, object]) -> None:
    """A wrong kind, format, sum or piece is refused, and the error names the archive."""
    fields = json.loads(MANIFEST.encode()) | change
    with pytest.raises(IntegrityError, match="archive id is no manifest") as caught:
        Manifest.decode(json.dumps(fields).encode(), "id")
    assert caught.value.archive_id == "id"


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"[]", b"null"])
def test_other_bytes_are_no_manifest(text: bytes) -> None:
    """Bytes that are no JSON object are refused, and never end the program."""
    with pytest.raises(IntegrityError):
        Manifest.decode(text, "id")


def test_descriptions_fit_an_archive() -> None:
    """They are ASCII, as the service asks, and tell stream, place and what the user wrote."""
    piece = describe_piece(MANIFEST.stream, 3, MANIFEST.description)
    assert piece.isascii()
    assert json.loads(piece)["piece"] == 3
    assert json.loads(describe_manifest(MANIFEST.stream, "x")) == {
        "aioglacier": "manifest",
        "stream": MANIFEST.stream,
        "of": "x",
    }
