"""The sidecar of a bundle: a copy of its index and trailer, as an object that can be read at once.

A bundle in a class such as DEEP_ARCHIVE must be restored before its index can be read. So a second copy of
index and trailer lies beside it, after facts that are known only once the bundle is made. Listing, planning
and recovering then wait for no restore. A bundle without a sidecar can still be read: its end holds all but
the facts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NamedTuple

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.bundle_format import (
    SKIPPABLE_SIZE,
    BundleTrailer,
    checked_text,
    decode_trailer,
    not_a_bundle,
    short_hash,
    whole_number,
)
from aioglacier.bulk.formats.zstd import skippable_frame, skipped_text
from aioglacier.core.errors import ConfigurationError

#: A sidecar has the name of its bundle and this suffix.
SIDECAR_SUFFIX: Final = ".index"

SIDECAR_FORMAT: Final = 2

_FACTS_NAME: Final = b".aioglacier/archive.json"
_FACTS_SIZE: Final = 2 * tar.BLOCK

#: The first bytes of a sidecar that hold its facts, whether compressed or not.
FACTS_SIZE: Final = max(_FACTS_SIZE, SKIPPABLE_SIZE)


class BundleFacts(NamedTuple):
    """The facts of a bundle that it cannot hold itself.

    Attributes:
        size: The bytes of the bundle.
        tree_hash: The tree hash of the bundle.
        etag: The ETag that the service gave the object; "" for none.
    """

    size: int
    tree_hash: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A bundle's facts, its trailer, and its index as it is stored."""

    facts: BundleFacts
    trailer: BundleTrailer
    index: bytes


def facts_size(compression: str | None, encryption: str | None) -> int:
    """Return the size of the facts at the start of a sidecar."""
    return SKIPPABLE_SIZE if _is_framed(compression, encryption) else _FACTS_SIZE


def encode_facts(facts: BundleFacts, compression: str | None, encryption: str | None) -> bytes:
    """Return the start of a sidecar; the pages of the index and the trailer follow."""
    text = checked_text(
        {"format": SIDECAR_FORMAT, "size": facts.size, "tree_hash": facts.tree_hash.hex(), "etag": facts.etag}
    )
    if _is_framed(compression, encryption):  # so that the sidecar is one zstd stream, as its bundle is
        return skippable_frame(text, SKIPPABLE_SIZE)
    return tar.member_header(_FACTS_NAME, size=tar.BLOCK, mode=0o600) + text.ljust(tar.BLOCK)


def decode_sidecar(content: bytes) -> Sidecar:
    """Return a decoded sidecar.

    Raises:
        IntegrityError: The bytes are no sidecar, or a damaged one.
        ConfigurationError: It has a later format.
    """
    facts = decode_facts(content)
    start = SKIPPABLE_SIZE if skipped_text(content[:SKIPPABLE_SIZE]) is not None else _FACTS_SIZE
    trailer = decode_trailer(content[start:], facts.size)
    index = content[start : start + trailer.index_size]
    if short_hash(index) != trailer.index_hash:
        raise not_a_bundle("the index in its sidecar is damaged")
    return Sidecar(facts, trailer, index)


def decode_facts(content: bytes) -> BundleFacts:
    """Return the facts in a sidecar. The sidecar of a single file holds nothing else.

    Raises:
        IntegrityError: The bytes are no sidecar, or a damaged one.
        ConfigurationError: It has a later format.
    """
    text = skipped_text(content[:SKIPPABLE_SIZE])
    if text is None:
        text = content[tar.BLOCK : _FACTS_SIZE]
        if not content.startswith(_FACTS_NAME):
            raise not_a_bundle("its sidecar has no facts")
    try:
        fields = json.loads(text)
        if fields["format"] != SIDECAR_FORMAT:
            raise ConfigurationError(
                f"the sidecar of a bundle has format {fields['format']}; this version reads format "
                f"{SIDECAR_FORMAT}. Install a later version"
            )
        check = fields.pop("check")
        if json.loads(checked_text(fields))["check"] != check:
            raise ValueError("their own hash differs")
        size, etag = whole_number(fields["size"]), fields["etag"]
        if not isinstance(etag, str):
            raise TypeError(f"the etag is {etag!r}")
        return BundleFacts(size, bytes.fromhex(fields["tree_hash"]), etag)
    except ConfigurationError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise not_a_bundle(f"the facts in its sidecar cannot be read: {error!r}") from error


def _is_framed(compression: str | None, encryption: str | None) -> bool:
    return compression is not None and encryption is None
