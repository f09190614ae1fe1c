"""The format of a bundle: its members, its index members, and the trailer that ends it.

The trailer holds a hash of itself and one of the index, because the service has a hash only for ranges that
are nodes of the archive's tree. Anyone who can write to the vault can write a trailer, so
each of its fields is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.age import AGE, unseal_member
from aioglacier.bulk.formats.zstd import compressor, decode, skippable_frame, skipped_text
from aioglacier.catalog.folders.entry_records import storable_time
from aioglacier.core.errors import ConfigurationError, IntegrityError
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.bulk.formats.age import Identities
    from aioglacier.catalog.folders.entry_records import Entry

FORMAT: Final = 2

#: Names of the members that are no files. No archived path begins like this, or ``tar`` would mix them up.
INDEX_NAME: Final = b".aioglacier/index-%06d.jsonl.zst"
TRAILER_NAME: Final = b".aioglacier/bundle.json"

#: Bytes at the end of a bundle that hold the trailer: of a plain bundle, and of a compressed one.
TRAILER_SIZE: Final = 2 * tar.BLOCK + len(tar.END)
SKIPPABLE_SIZE: Final = 512

PART_SIZE: Final = 32 * MIB

#: A skippable frame begins with 8 bytes of its own.
_LONGEST_TRAILER: Final = SKIPPABLE_SIZE - 8

#: Characters of a machine's name in a trailer.
_LONGEST_HOST: Final = 16


@dataclass(frozen=True, slots=True)
class BundleTrailer:
    """The facts of a bundle at its end."""

    index_position: int  # the offset of the index
    index_size: int  # its bytes
    members: int  # the number of paths that it lists
    compression: str | None  # of the members; "zstd" or ``None``
    encryption: str | None  # of the members and the index; "age" or ``None``
    index_hash: bytes  # the first 16 bytes of the SHA-256 of the stored index
    tree: str  # the random identity of the folder
    host: str  # the machine of the folder, cut to fit; "" in an encrypted bundle
    root: str | None  # the folder, or the end of its path; ``None`` in an encrypted bundle


def encode_trailer(trailer: BundleTrailer) -> bytes:
    """Return the bytes that end a bundle."""
    fields = {
        "format": FORMAT,
        "index_position": trailer.index_position,
        "index_size": trailer.index_size,
        "members": trailer.members,
        "compression": trailer.compression,
        "index_hash": trailer.index_hash.hex(),
        "tree": trailer.tree,
    }
    if trailer.encryption is not None:
        text = checked_text({**fields, "encryption": trailer.encryption})
    else:
        text = _with_root({**fields, "host": trailer.host[:_LONGEST_HOST]}, trailer.root or "")
    header = tar.member_header(TRAILER_NAME, size=tar.BLOCK, mode=0o600)
    plain = header + text.ljust(tar.BLOCK) + tar.END
    if not trailer.compression or trailer.encryption is not None:
        return plain
    return compressor()(plain) + skippable_frame(text, SKIPPABLE_SIZE)


def _with_root(fields: Mapping[str, Any], root: str) -> bytes:
    """Return the text with the folder's path, or with as much of its end as fits."""
    text = checked_text({**fields, "root": root})
    while (excess := len(text) - _LONGEST_TRAILER) > 0:
        root = root[max(1, excess // 12) :]  # one character takes up to 12 in JSON
        text = checked_text({**fields, "root": root})
    return text


def checked_text(fields: Mapping[str, Any]) -> bytes:
    """Return the text of a trailer, with the hash of its fields."""
    return json.dumps({**fields, "check": _check(fields)}).encode()


def _check(fields: Mapping[str, Any]) -> str:
    return short_hash(json.dumps(fields, sort_keys=True).encode()).hex()


def short_hash(content: bytes) -> bytes:
    """Return the hash of an index or a trailer, which is short so that the trailer has room for it."""
    return hashlib.sha256(content).digest()[:16]


def decode_trailer(end: bytes, size: int) -> BundleTrailer:
    """Return the trailer of a bundle.

    Args:
        end: At least the last 2,048 bytes of the bundle, or all of it.
        size: Bytes of the bundle.

    Raises:
        IntegrityError: The archive is no bundle.
        ConfigurationError: The bundle has a later format.
    """
    text = skipped_text(end[-SKIPPABLE_SIZE:])
    if text is None:
        trailer = end[-TRAILER_SIZE:]
        if not trailer.startswith(TRAILER_NAME):
            raise not_a_bundle("it has no trailer")
        text = trailer[tar.BLOCK : 2 * tar.BLOCK]
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise ConfigurationError(
                f"the bundle has format {fields['format']}; this version reads format {FORMAT}. Install a "
                "later version"
            )
        if fields.pop("check") != _check(fields):
            raise ValueError("its own hash differs")
        tree, host = fields["tree"], fields.get("host", "")
        if not (isinstance(tree, str) and isinstance(host, str)):
            raise TypeError(f"its folder is {tree!r} of {host!r}")
        found = BundleTrailer(
            whole_number(fields["index_position"]),
            whole_number(fields["index_size"]),
            whole_number(fields["members"]),
            fields["compression"],
            fields.get("encryption"),
            bytes.fromhex(fields["index_hash"]),
            tree,
            host,
            fields.get("root"),
        )
    except ConfigurationError:  # which is a ``ValueError``, too
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise not_a_bundle(f"its trailer cannot be read: {error!r}") from error
    if not isinstance(found.root, str | None):
        raise not_a_bundle(f"its folder is called {found.root!r}")
    if found.compression not in (None, "zstd") or found.encryption not in (None, AGE):
        raise not_a_bundle(f"its members are in {found.compression} and {found.encryption}")
    if not 0 <= found.index_position <= found.index_position + found.index_size <= size:
        raise not_a_bundle("its index lies outside of it")
    return found


def whole_number(value: object) -> int:
    """Return a number that a catalog can keep.

    Raises:
        ValueError: The value is no whole number, or has more than 64 bits.
    """
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{value!r} is not a whole number of 64 bits")
    return value


def kept_time(value: object) -> int:
    """Return a time in nanoseconds as a catalog keeps it: of the years 1677 to 2262.

    Raises:
        ValueError: The value is no whole number.
    """
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a time")
    return storable_time(value)


def not_a_bundle(reason: str) -> IntegrityError:
    """Return the error for an archive that is no bundle, or a damaged one."""
    return IntegrityError(f"not a bundle, or a damaged one: {reason}", expected=b"", actual=b"")


def check_index_size(size: int, most: int) -> None:
    """Refuse an index, or a sidecar, that is larger than its bundle or the memory limit: it is held whole.

    Raises:
        IntegrityError: It is larger.
    """
    if size > most:
        raise not_a_bundle(f"its index has {size} bytes, and the bundle or --memory allows {most}")


def member_content(entry: Entry, raw: bytes | memoryview, identities: Identities | None = None) -> memoryview:
    """Return the content of a member from its stored bytes.

    Raises:
        IntegrityError: The member is too short, or cannot be decoded.
        ConfigurationError: The member is encrypted, and no identity opens it.
    """
    member = raw if entry.encryption is None else unseal_member(bytes(raw), identities)
    if entry.compression == "zstd":
        member = decode(member)
    padded = entry.size + -entry.size % tar.BLOCK
    start = len(member) - padded
    content = memoryview(member)[start : start + entry.size]
    if len(content) != entry.size or len(member) < padded + tar.BLOCK:
        raise IntegrityError(
            f"the member {os.fsdecode(entry.path)!r} has another length than recorded",
            expected=entry.content_hash or b"",
            actual=b"",
        )
    return content
