"""The index of a bundle: one JSON line for each member, in pages that are members themselves."""

from __future__ import annotations

import json
import os
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.age import sealed_member, unseal_member
from aioglacier.bulk.formats.bundle_format import INDEX_NAME, kept_time, not_a_bundle, whole_number
from aioglacier.bulk.formats.zstd import compressor, decode, split_frame
from aioglacier.catalog.folders.entry_records import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aioglacier.bulk.formats.age import Identities, Recipients
    from aioglacier.bulk.formats.bundle_format import BundleTrailer


def index_lines(entries: Iterable[Entry]) -> list[bytes]:
    """Return the lines of the index for members."""
    return [_line(entry) for entry in entries]


def encode_page(
    number: int, lines: Sequence[bytes], compression: str | None, recipients: Recipients | None
) -> bytes:
    """Return some lines as a member of the bundle."""
    compress = compressor()
    content = compress(b"".join(lines))
    if recipients is not None:
        return sealed_member(INDEX_NAME % number + b".age", content, recipients)
    header = tar.member_header(INDEX_NAME % number, size=len(content), mode=0o600)
    member = header + content + tar.padding(len(content))
    return compress(member) if compression else member


def read_index(
    index: bytes, trailer: BundleTrailer, *, tree: int, run: int, upload: int, identities: Identities | None
) -> Iterator[list[Entry]]:
    """Yield the members that an index lists, page by page.

    Raises:
        IntegrityError: The bytes are no index, list a path twice, or list more or fewer members than the
            trailer says.
        ConfigurationError: The index is encrypted, and no identity opens it.
    """
    found: set[bytes] = set()
    count = 0
    for page in _pages(index, trailer, identities):
        entries = []
        for line in decode(page).splitlines():
            try:
                entries.append(_entry(json.loads(line), trailer, tree=tree, run=run, upload=upload))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise not_a_bundle(f"a line of its index cannot be read: {error!r}") from error
        count += len(entries)
        found.update(entry.path for entry in entries)
        if len(found) < count:
            raise not_a_bundle("its index lists a path twice")
        yield entries
    if count != trailer.members:  # a page that is missing would lose files silently
        raise not_a_bundle(f"its index lists {count} members in place of {trailer.members}")


def _pages(index: bytes, trailer: BundleTrailer, identities: Identities | None) -> Iterator[bytes]:
    is_framed = trailer.compression is not None and trailer.encryption is None
    while index:
        if is_framed:
            member, index = split_frame(index)
        else:
            content = tar.content_of(index)
            size = tar.BLOCK + len(content) + len(tar.padding(len(content)))
            member, index = index[:size], index[size:]
        if len(member) <= tar.BLOCK:
            raise not_a_bundle("its index is cut off")
        yield unseal_member(member, identities) if trailer.encryption is not None else tar.content_of(member)


def _line(entry: Entry) -> bytes:
    """Return the line of one member, as ``json.dumps`` makes it in three times the time."""
    (_, path, _, kind, size, mtime_ns, _, _, _, mode, uid, gid, target, extra, content_hash, _, *place) = (
        entry
    )
    position, stored, _, _ = place
    fields = [
        f'"path": {_quoted(os.fsdecode(path))}, "kind": {_quoted(kind)}',
        # Most paths lack most fields, and the index is billed each month.
        f', "position": {position}' if position is not None else "",
        f', "stored": {stored}' if stored is not None else "",
        f', "size": {size}, "mtime_ns": {mtime_ns}, "mode": {mode}, "uid": {uid}, "gid": {gid}',
        f', "tree_hash": "{content_hash.hex()}"' if content_hash else "",
        f', "target": {_quoted(os.fsdecode(target))}' if target is not None else "",
        f', "extra": {json.dumps(json.loads(extra))}' if extra else "",
    ]
    return f"{{{''.join(fields)}}}\n".encode()


def _entry(told: dict[str, Any], trailer: BundleTrailer, *, tree: int, run: int, upload: int) -> Entry:
    """Return a line of an index as a record; facts that the index lacks are 0 until the next scan."""
    position, stored = whole_number(told["position"]), whole_number(told["stored"])
    # Others may have written the archive, so nothing in it is trusted.
    if told["kind"] not in tar.FLAGS or not 0 <= position < position + stored <= trailer.index_position:
        raise ValueError(told)
    if ("target" in told) is not told["kind"].endswith("link") or not isinstance(told.get("extra", {}), dict):
        raise ValueError(told)
    return Entry(
        tree=tree,
        path=os.fsencode(told["path"]),
        since=run,
        kind=told["kind"],
        size=whole_number(told["size"]),
        mtime_ns=kept_time(told["mtime_ns"]),
        ctime_ns=0,
        inode=0,
        device=0,
        mode=whole_number(told["mode"]) & 0o7777,  # permissions only, and no kind of file
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
