"""The trailer of a bundle: a damaged or invented one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from aioglacier.bulk.formats.bundle_format import (
    FORMAT,
    SKIPPABLE_SIZE,
    BundleTrailer,
    checked_text,
    decode_trailer,
    encode_trailer,
)
from aioglacier.bulk.formats.tar import BLOCK
from aioglacier.bulk.formats.zstd import skippable_frame
from aioglacier.core.errors import ConfigurationError, IntegrityError


@pytest.mark.parametrize(
    "change",
    [{"index_size": float("inf")}, {"compression": []}, {"root": 7}, {"tree": 7}, {"members": "many"}],
)
def test_a_trailer_that_says_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    """The error is one of integrity."""
    told = {
        "format": FORMAT,
        "index_position": 0,
        "index_size": 512,
        "members": 1,
        "compression": None,
        "index_hash": "00" * 16,
        "tree": "t",
        "root": "/a",
    }
    assert decode_trailer(skippable_frame(checked_text(told), SKIPPABLE_SIZE), 4096).root == "/a"
    with pytest.raises(IntegrityError, match="not a bundle"):
        decode_trailer(skippable_frame(checked_text({**told, **change}), SKIPPABLE_SIZE), 4096)


@pytest.mark.parametrize(
    "end", [b"", b"x" * 100, b".aioglacier/bundle.json".ljust(BLOCK, b"\0") + b"{" * 1536]
)
def test_what_is_no_end_of_a_bundle_is_refused(end: bytes) -> None:
    """The error is one of integrity, whatever the bytes are."""
    with pytest.raises(IntegrityError, match="not a bundle"):
        decode_trailer(end, len(end))


def test_a_trailer_with_a_flipped_bit_is_refused() -> None:
    """Each flipped bit is found."""
    trailer = encode_trailer(BundleTrailer(4096, 512, 1, None, None, bytes(16), "t", "h", "/a"))
    assert decode_trailer(trailer, 9000).root == "/a"
    text = trailer.index(b"{")
    for at in range(text, trailer.index(b"}")):
        flipped = bytearray(trailer)
        flipped[at] ^= 1
        with pytest.raises((IntegrityError, ConfigurationError)):
            decode_trailer(bytes(flipped), 9000)


def test_a_bundle_of_a_later_format_is_named() -> None:
    """The error asks for a later version."""
    end = skippable_frame(checked_text({"format": FORMAT + 1}), SKIPPABLE_SIZE)
    with pytest.raises(ConfigurationError, match=f"format {FORMAT + 1}"):
        decode_trailer(end, 4096)
