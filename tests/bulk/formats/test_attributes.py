"""Extended attributes of an entry, decoded from whatever an index says."""

from __future__ import annotations

import pytest

from aioglacier.bulk.formats.attributes import decode_extra, encode_extra


def test_attributes_and_holes_come_back_as_they_were() -> None:
    """Decoding gives back what was encoded, and a file without either has no extra."""
    extra = encode_extra({"user.note": b"\0kept\xff"}, has_holes=True)
    assert decode_extra(extra) == ({"user.note": b"\0kept\xff"}, True)
    assert encode_extra({}) is None
    assert decode_extra(None) == ({}, False)


@pytest.mark.parametrize(
    "extra",
    [
        b"[",
        b"[]",
        b"7",
        b'{"xattrs": []}',
        b'{"xattrs": {"user.a": 5}}',
        b'{"xattrs": {"user.a": "***"}, "sparse": 1}',
        b'{"xattrs": {"security.capability": "eA==", "trusted.note": "eA=="}}',
        b'{"xattrs": {"user.a\\u0000b": "eA=="}}',
    ],
)
def test_an_extra_of_another_form_gives_nothing(extra: bytes) -> None:
    """Anyone who can write to a vault can write one: it ends no restore and sets no system attribute."""
    assert decode_extra(extra) == ({}, False)
