"""Packing: a thread reads files and makes them members of a bundle.

The packer reads a file whole before it writes the header, and checks it before and after. So a header never
promises bytes that do not follow; a file that changes is read again or reported, and is never archived in
halves. It reads the small files of a folder in one call (``files.small_files``). It reads a file that is no
longer as the scan found it again by itself.

The hash of a file shows more than ``lstat``: a file that was only touched still has the hash on record. Then
the packer hands out a record of the new facts, and nothing is sent.

Everything here blocks: a ``Packer`` is for one thread at a time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.attributes import read_attributes
from aioglacier.bulk.path_failures import PathFailure
from aioglacier.bulk.sync.folder_files import (
    OPEN,
    check_regular,
    found_again,
    new_version,
    settled_before,
    unreadable,
    version_read,
)
from aioglacier.bulk.sync.stored_contents import Touched, point_to
from aioglacier.core.errors import GlacierError, SourceChangedError
from aioglacier.core.treehash import tree_hash
from aioglacier.files.beneath import Beneath
from aioglacier.files.reading import FileIdentity
from aioglacier.files.small_files import facts_of, read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aioglacier.bulk.sync.compare import Change, Known
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.catalog.folders.entry_records import BundleRecord, Entry, StoredContent
    from aioglacier.files.small_files import ReadFile

FindContent: TypeAlias = "Callable[[Sequence[tuple[int, bytes]]], Mapping[tuple[int, bytes], StoredContent]]"

#: Larger files are archives of their own. Below this a request costs more than a month of storage, and the
#: packer holds a member in memory.
LARGEST_MEMBER: Final = 16 * 1024 * 1024

_READS: Final = 3

#: Blocks from this size on are handed on as they are: a copy would take as much memory once more.
_LARGE_BLOCK: Final = 256 * 1024


class _Member(NamedTuple):
    """A path that was read: its record, and the bytes of its tar member."""

    entry: Entry
    blocks: Sequence[bytes]


@dataclass(slots=True)
class Packed:
    """Some changes, ready to be written; positions count from the start of the first block.

    Attributes:
        blocks: The bytes of the members, one after the other.
        entries: Their records.
        gone: Paths on record that are gone from the folder.
        touched: Files whose metadata changed.
        linked: Records of files whose content is stored already, at this path or another.
        failed: Paths that could not be read.
        size: Bytes of content.
        room: Bytes that it takes up until it is written.
    """

    blocks: list[bytes] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    gone: list[Known] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    linked: list[Entry] = field(default_factory=list)
    failed: list[PathFailure] = field(default_factory=list)
    size: int = 0
    room: int = 0

    def placed(self, record: BundleRecord, base: int) -> list[Entry]:
        """Return the records of the members in a bundle, in which the first block begins at ``base``."""
        return [
            entry.placed(
                record.upload,
                base + (entry.position or 0),
                entry.stored or 0,
                entry.compression,
                entry.encryption,
            )
            for entry in self.entries
        ]


class Packer:
    """Packs changes of one folder, in the order of their paths."""

    def __init__(
        self,
        root: bytes,
        *,
        tree: int,
        run: int,
        encode: Callable[[bytes], bytes] | None = None,
        compression: str | None = None,
        encryption: str | None = None,
        find_content: FindContent = lambda _: {},
    ) -> None:
        """Open the folder.

        Args:
            root: The folder.
            tree: Its number on record.
            run: The run.
            encode: Compresses and encrypts members, as ``compression`` and ``encryption`` say.
            compression: The name of the compression.
            encryption: The name of the encryption.
            find_content: Returns the places of contents that are stored already, by size and tree hash.
        """
        self._beneath = Beneath(root)
        self._tree = tree
        self._run = run
        self._encode = encode
        self._compression = compression
        self._encryption = encryption
        self._find_content = find_content

    def close(self) -> None:
        """Close the folders that are open."""
        self._beneath.close()

    def pack(self, changes: Sequence[Change]) -> Packed:
        """Read changed paths. Report those that cannot be read, and pack the others."""
        packed = Packed()
        self._put_together(packed, self._read_members(packed, changes))
        return packed

    def look(self, changes: Sequence[Change]) -> Packed:
        """Read changed paths as ``pack`` does, and return their records without the bytes."""
        packed = Packed()
        packed.entries = [entry for entry, _ in self._read_members(packed, changes)]
        return packed

    def _read_members(self, packed: Packed, changes: Sequence[Change]) -> list[_Member]:
        """Read changed paths; note those without a member in ``packed``, and return the members."""
        members: list[_Member] = []
        settled_ns = settled_before()
        ready = self._read_together(changes)
        for found, known, _ in changes:
            if found is None:
                if known is not None:
                    packed.gone.append(known)
                continue
            try:
                if (read := ready.pop(found.path, None)) is not None:
                    entry = version_read(found, self._tree, self._run, settled_ns, *read[1:])
                    member = self._member(packed, found, known, entry, read[:1])
                else:
                    member = self._read(packed, found, known)
            except GlacierError as error:
                packed.failed.append(PathFailure(found.path, error))
            except OSError as error:
                packed.failed.append(PathFailure(found.path, unreadable(found.path, error)))
            else:
                if member is not None:
                    members.append(member)
        self._beneath.forget()  # the folder that was reached last may be moved before the next call
        return members

    def _read_together(self, changes: Sequence[Change]) -> dict[bytes, ReadFile]:
        """Return the files that one call for each folder could read, by path."""
        ready: dict[bytes, ReadFile] = {}
        small = [
            found
            for found, _, _ in changes
            if found is not None and found.kind == "file" and found.size <= LARGEST_MEMBER
        ]
        for folder, group in groupby(small, lambda found: found.path.rpartition(b"/")[0]):
            wanted = list(group)
            start = len(folder) + 1 if folder else 0
            with suppress(GlacierError, OSError):  # the folder cannot be opened, as each file will say
                parent, _ = self._beneath.parent(wanted[0].path)
                files = [(found.path[start:], found.size, found.path) for found in wanted]
                read = read_members(parent, files, _file_header, tree_hash)
                for found, one in zip(wanted, read, strict=True):
                    if one is not None:
                        ready[found.path] = one
        return ready

    def _put_together(self, packed: Packed, members: list[_Member]) -> None:
        """Point to content that is stored already, and make members of the rest."""
        stored = self._find_content(
            [(entry.size, entry.content_hash) for entry, _ in members if entry.size and entry.content_hash]
        )
        pieces: list[bytes] = []
        position = 0
        for entry, blocks in members:
            if entry.content_hash and (content := stored.get((entry.size, entry.content_hash))) is not None:
                packed.linked.append(point_to(entry, content))
                continue
            coded = (self._encode(b"".join(blocks)),) if self._encode is not None else blocks
            size = sum(map(len, coded))
            packed.entries.append(entry.placed(None, position, size, self._compression, self._encryption))
            pieces += coded
            position += size
            packed.size += entry.size
        packed.blocks = list(_join_small(pieces))

    def _member(
        self, packed: Packed, found: Found, known: Known | None, entry: Entry, blocks: Sequence[bytes]
    ) -> _Member | None:
        """Return a path as a member; note it in ``packed`` where only its metadata changed."""
        if (
            known is not None
            and (known.kind, known.target) == (entry.kind, entry.target)
            and (found.kind != "file" or known.content_hash == entry.content_hash)
        ):
            packed.touched.append(Touched(known, entry))
            return None
        return _Member(entry, blocks)

    def _read(self, packed: Packed, found: Found, known: Known | None) -> _Member | None:
        """Return the record and the bytes of one path; ``None`` where only its metadata changed."""
        tree, run = self._tree, self._run
        content, attributes = b"", None
        match found.kind:
            case "file":
                found, content, attributes = self._read_settled(found)
                entry = new_version(found, tree, run, attributes=attributes, content_hash=tree_hash(content))
            case "directory":
                attributes = self._folder_attributes(found)
                entry = new_version(found, tree, run, attributes=attributes)
            case "symlink":
                fd, name = self._beneath.parent(found.path)
                entry = new_version(found, tree, run, target=os.readlink(name, dir_fd=fd))
            case _:
                entry = new_version(found, tree, run)
        header = tar.member_header(
            found.path or b"./",
            type_flag=tar.FLAGS[found.kind],
            size=len(content),
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            mtime_ns=found.mtime_ns,
            target=entry.target or b"",
            attributes=attributes,
        )
        return self._member(packed, found, known, entry, (header, content, tar.padding(len(content))))

    def _folder_attributes(self, found: Found) -> dict[str, bytes]:
        if not found.path:
            return read_attributes(self._beneath.fd)
        parent, name = self._beneath.parent(found.path)
        try:
            fd = os.open(name, OPEN | os.O_DIRECTORY, dir_fd=parent)
        except PermissionError:
            return {}  # the scan could not list the folder either, and has reported it
        try:
            return read_attributes(fd)
        finally:
            os.close(fd)

    def _read_settled(self, found: Found) -> tuple[Found, bytes, dict[str, bytes]]:
        """Return a file that stays as it is while it is read: its facts, content and attributes."""
        parent, name = self._beneath.parent(found.path)
        fd = os.open(name, OPEN, dir_fd=parent)
        try:
            changed: str | None = None
            for _ in range(_READS):
                before = os.fstat(fd)
                check_regular(found.path, before)
                if before.st_size > LARGEST_MEMBER:
                    changed = "size"
                    break  # the next run archives it by itself
                content = _read_all(fd, before.st_size, found.path)
                attributes = read_attributes(fd)
                after = os.fstat(fd)
                is_whole = len(content) == after.st_size
                changed = FileIdentity.of(before).difference(FileIdentity.of(after)) if is_whole else "size"
                if not changed:
                    return found_again(found, *facts_of(after)), content, attributes
            path = os.fsdecode(found.path)
            raise SourceChangedError(
                f"{path!r} changed while it was read, {_READS} times (its {changed}); run again to retry",
                path=path,
                field=changed or "",
            )
        finally:
            os.close(fd)


def _file_header(path: bytes, size: int, mode: int, uid: int, gid: int, mtime_ns: int) -> bytes:
    """Return the headers of a file without attributes."""
    return tar.member_header(path, size=size, mode=mode & 0o7777, uid=uid, gid=gid, mtime_ns=mtime_ns)


def _join_small(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in fewer blocks."""
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < _LARGE_BLOCK:
            small.append(piece)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield piece
    if small:
        yield b"".join(small)


def _read_all(fd: int, size: int, path: bytes) -> bytes:
    """Return all bytes of a file, and one more if there is one."""
    content = b""
    try:
        content = os.pread(fd, size + 1, 0)
        while len(content) < size and (more := os.pread(fd, size + 1 - len(content), len(content))):
            content += more  # a network file system may give less than was asked for
    except OSError as error:
        raise unreadable(path, error, len(content)) from error
    return content
