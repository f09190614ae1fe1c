"""A bundle read from its end: what it is, and what is in it, without any catalog.

What is read was verified against the hash that the service keeps; whoever else may write to a vault can make
a bundle that says anything. So nothing of it is used before it was looked at, and a path in it leads
nowhere but below the folder that is restored to, as every other path.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.age import AGE, unseal_member
from aioglacier.bulk.formats.zstd import decode, skipped_text, split_frame
from aioglacier.bulk.sync.bundle import FORMAT, SKIPPABLE_SIZE, TRAILER_NAME, TRAILER_SIZE
from aioglacier.catalog.folders.entries import Entry
from aioglacier.core.errors import ConfigurationError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.bulk.formats.age import Identities

_KINDS: Final = frozenset({"file", "directory", "symlink", "hardlink"})


@dataclass(frozen=True, slots=True)
class BundleTrailer:
    """What the end of a bundle says of it.

    Attributes:
        index_position: Where the index begins.
        index_size: Its bytes.
        members: How many paths it lists.
        compression: Of the members; "zstd" or ``None``.
        encryption: Of the members and the index; "age" or ``None``.
        root: The folder, or the end of its path; ``None`` where nothing may be seen of it.
    """

    index_position: int
    index_size: int
    members: int
    compression: str | None
    encryption: str | None
    root: str | None


def read_trailer(end: bytes, size: int) -> BundleTrailer:
    """What the end of a bundle says.

    Args:
        end: At least its last 2,048 bytes, or all of it.
        size: Bytes of the bundle.

    Raises:
        IntegrityError: It is no bundle.
        ConfigurationError: It is one of a later format.
    """
    text = skipped_text(end[-SKIPPABLE_SIZE:])
    if text is None:
        trailer = end[-TRAILER_SIZE:]
        if not trailer.startswith(TRAILER_NAME):
            raise _wrong("it does not end as one")
        text = trailer[tar.BLOCK : 2 * tar.BLOCK]
    try:
        told = json.loads(text)
        if told["format"] != FORMAT:
            raise ConfigurationError(
                f"the bundle has format {told['format']}, and this version reads {FORMAT}; take a later one"
            )
        found = BundleTrailer(
            whole_number(told["index_position"]),
            whole_number(told["index_size"]),
            whole_number(told["members"]),
            told["compression"],
            told.get("encryption"),
            told.get("root"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _wrong(f"its last member cannot be read: {error!r}") from error
    if not isinstance(found.root, str | None):
        raise _wrong(f"its folder is called {found.root!r}")
    if found.compression not in (None, "zstd") or found.encryption not in (None, AGE):
        raise _wrong(f"it is made by {found.compression} and {found.encryption}")
    if not 0 <= found.index_position <= found.index_position + found.index_size <= size:
        raise _wrong("its index is to be where it does not reach")
    return found


def read_index(
    index: bytes, trailer: BundleTrailer, *, tree: int, run: int, upload: int, identities: Identities | None
) -> Iterator[list[Entry]]:
    """The members that an index lists, page by page.

    Raises:
        IntegrityError: It is no index, or lists another number than the trailer says.
        ConfigurationError: It is encrypted, and no identity opens it.
    """
    found = 0
    for page in _pages(index, trailer, identities):
        entries = []
        for line in decode(page).splitlines():
            try:
                entries.append(_entry(json.loads(line), trailer, tree=tree, run=run, upload=upload))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise _wrong(f"a line of its index cannot be read: {error!r}") from error
        found += len(entries)
        yield entries
    if found != trailer.members:
        raise _wrong(f"its index lists {found} members in place of {trailer.members}")


def _pages(index: bytes, trailer: BundleTrailer, identities: Identities | None) -> Iterator[bytes]:
    is_framed = trailer.compression is not None and trailer.encryption is None
    while index:
        if is_framed:
            member, index = split_frame(index)
        else:
            content = _content_of(index)
            size = tar.BLOCK + len(content) + len(tar.padding(len(content)))
            member, index = index[:size], index[size:]
        if len(member) <= tar.BLOCK:
            raise _wrong("its index is cut off")
        yield unseal_member(member, identities) if trailer.encryption is not None else _content_of(member)


def _content_of(member: bytes) -> bytes:
    try:
        return tar.content_of(member)
    except ValueError as error:
        raise _wrong(f"a header in its index cannot be read: {error}") from error


def _entry(told: dict[str, Any], trailer: BundleTrailer, *, tree: int, run: int, upload: int) -> Entry:
    """A line of an index as a record; what only the disk had, its next look will tell."""
    position, stored = whole_number(told["position"]), whole_number(told["stored"])
    if told["kind"] not in _KINDS or not 0 <= position < position + stored <= trailer.index_position:
        raise ValueError(told)
    if ("target" in told) is not told["kind"].endswith("link") or not isinstance(told.get("extra", {}), dict):
        raise ValueError(told)
    return Entry(
        tree=tree,
        path=os.fsencode(told["path"]),
        since=run,
        kind=told["kind"],
        size=whole_number(told["size"]),
        mtime_ns=whole_number(told["mtime_ns"]),
        ctime_ns=0,
        inode=0,
        device=0,
        mode=whole_number(told["mode"]) & 0o7777,
        uid=whole_number(told["uid"]),
        gid=whole_number(told["gid"]),
        target=os.fsencode(told["target"]) if "target" in told else None,
        extra=json.dumps(told["extra"]).encode() if "extra" in told else None,
        content_hash=bytes.fromhex(told["tree_hash"]) if "tree_hash" in told else None,
        upload=upload,
        position=position,
        stored=stored,
        compression=trailer.compression,
        encryption=trailer.encryption,
    )


def whole_number(value: object) -> int:
    """A number as a catalog can keep it.

    Raises:
        ValueError: It is none.
    """
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{value!r} is no number that a file can have")
    return value


def _wrong(what: str) -> IntegrityError:
    return IntegrityError(f"this is no bundle, or a damaged one: {what}", expected=b"", actual=b"")
