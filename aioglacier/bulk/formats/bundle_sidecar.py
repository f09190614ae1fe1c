"""The sidecar of a bundle: what its end says, as an object of its own in a class that reads at once.

A bundle in a class that has to be restored first cannot be asked what it holds. So its index and trailer are
kept once more beside it, behind facts of the bundle that are known only once it is made. A list, a plan and a
recovery then wait for no restore. Without its sidecar a bundle can still be read: the end has all but the
facts.
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

#: What the name of a sidecar adds to that of its bundle.
SIDECAR_SUFFIX: Final = ".index"

SIDECAR_FORMAT: Final = 2

_FACTS_NAME: Final = b".aioglacier/archive.json"
_FACTS_SIZE: Final = 2 * tar.BLOCK

#: The facts are within the first bytes of a sidecar, whatever its coding.
FACTS_SIZE: Final = max(_FACTS_SIZE, SKIPPABLE_SIZE)


class BundleFacts(NamedTuple):
    """The facts of a bundle that it cannot hold itself.

    Attributes:
        size: Its bytes.
        tree_hash: Of all of them.
        etag: The service's name for these very bytes, "" where it gives none.
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
    """Return the bytes that the facts take at the start of a sidecar."""
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
    """Return what a sidecar says.

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
    """Return the facts in a sidecar, also in that of a file, which has no trailer.

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
