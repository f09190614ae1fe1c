"""Packing: files are read, and become members of a bundle.

A file is read whole before its header is written, and looked at before and after. So a header never promises
bytes that do not follow, and a file that changes is read again or listed, and never archived in halves.

What was read tells more than ``lstat`` could: a file that was only touched has the hash that is on record.
Then the new facts are recorded, and nothing is sent.

It blocks: a ``Packer`` is for one thread at a time.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aioglacier.bulk.formats import tar
from aioglacier.bulk.formats.age import AGE
from aioglacier.bulk.formats.attributes import encode_extra, read_attributes
from aioglacier.bulk.path_failures import PathFailure
from aioglacier.bulk.sync.scan import signed
from aioglacier.catalog.folders.entries import Entries, Entry, StoredContent
from aioglacier.core.errors import GlacierError, SourceChangedError, SourceUnreadableError
from aioglacier.core.treehash import tree_hash
from aioglacier.files.beneath import Beneath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.formats.coder import Coder
    from aioglacier.bulk.sync.compare import Change, Known
    from aioglacier.bulk.sync.scan import Found
    from aioglacier.recorded.vault_context import RecordedVault

FindContent: TypeAlias = "Callable[[Sequence[tuple[int, bytes]]], Mapping[tuple[int, bytes], StoredContent]]"

#: Larger files are archives of their own. Below this a request of its own costs more than a month of storage,
#: and a member of a bundle is held in memory.
LARGEST_MEMBER: Final = 16 * 1024 * 1024

_READS: Final = 3

#: As in ``transfer.sources``: a change in the same tick of the file system's clock would not show later.
_TICK_NS: Final = 20_000_000

_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Touched(NamedTuple):
    """A file whose content is the one on record: only what is known of it is new."""

    known: Known
    entry: Entry


class Removal(NamedTuple):
    """A path that is on record and gone from the folder."""

    number: int
    path: bytes
    kind: str


class _Member(NamedTuple):
    """A path that was read: its record, and the bytes of its tar member."""

    entry: Entry
    blocks: Sequence[bytes]


@dataclass(slots=True)
class Packed:
    """Some changes, ready to be written; positions count from the start of ``blob``.

    Attributes:
        blob: Members, one after the other.
        entries: Their records.
        gone: Paths that are gone from the folder.
        touched: Files whose metadata changed.
        linked: Records of files whose content is stored already, at this path or another.
        failed: What could not be read.
        size: Bytes of content.
    """

    blob: bytes = b""
    entries: list[Entry] = field(default_factory=list)
    gone: list[Removal] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    linked: list[Entry] = field(default_factory=list)
    failed: list[PathFailure] = field(default_factory=list)
    size: int = 0


class Packer:
    """Packs changes of one folder, in the order of their paths."""

    def __init__(
        self,
        root: bytes,
        *,
        tree: int,
        run: int,
        coder: Coder | None,
        compression: str | None,
        encryption: str | None = None,
        find_content: FindContent = lambda _: {},
    ) -> None:
        """Open the folder.

        Args:
            root: The folder.
            tree: Its number on record.
            run: The run.
            coder: Compresses and encrypts members.
            compression: The name of the compression.
            encryption: The name of the encryption.
            find_content: Returns where contents lie in the vault already, by size and tree hash.
        """
        self._find_content = find_content
        self._root = root
        self._beneath = Beneath(root)
        self._tree = tree
        self._run = run
        self._coder = coder
        self._compression = compression
        self._encryption = encryption

    def close(self) -> None:
        """Close the folders that are open."""
        self._beneath.close()

    def pack(self, changes: Iterable[Change]) -> Packed:
        """Read what has changed. Files that cannot be read are listed, and the others are packed."""
        packed = Packed()
        members: list[_Member] = []
        for found, known in changes:
            if found is None:
                if known is not None:
                    packed.gone.append(Removal(known.number, known.path, known.kind))
                continue
            try:
                member = self._read(packed, found, known)
            except GlacierError as error:
                packed.failed.append(PathFailure(found.path, error))
            except OSError as error:
                packed.failed.append(PathFailure(found.path, _unreadable(found.path, error)))
            else:
                if member is not None:
                    members.append(member)
        self._beneath.forget()  # it may be moved before the next
        self._put_together(packed, members)
        return packed

    def _put_together(self, packed: Packed, members: list[_Member]) -> None:
        """Point to content that is stored already, and make members of all else."""
        stored = self._find_content(
            [(entry.size, entry.content_hash) for entry, _ in members if entry.size and entry.content_hash]
        )
        pieces: list[bytes] = []
        position = 0
        for entry, blocks in members:
            if entry.content_hash and (content := stored.get((entry.size, entry.content_hash))) is not None:
                packed.linked.append(point_to(entry, content))
                continue
            coded = (self._coder.encode(b"".join(blocks)),) if self._coder is not None else blocks
            size = sum(map(len, coded))
            packed.entries.append(entry._replace(position=position, stored=size))
            pieces += coded
            position += size
            packed.size += entry.size
        packed.blob = b"".join(pieces)

    def _read(self, packed: Packed, found: Found, known: Known | None) -> _Member | None:
        """Return the record and the bytes of one path; ``None`` where only its metadata changed."""
        match found.kind:
            case "file":
                return self._read_file(packed, found, known)
            case "directory":
                attributes = self._folder_attributes(found)
                entry = self._entry(found, extra=encode_extra(attributes))
                if known is not None and known.kind == "directory":
                    packed.touched.append(Touched(known, entry))
                    return None
                return _Member(entry, (_header(found, tar.FOLDER, attributes=attributes),))
            case "symlink":
                fd, name = self._beneath.parent(found.path)
                target = os.readlink(name, dir_fd=fd)
                flag = tar.SYMLINK
            case _:
                target = found.target or b""
                flag = tar.HARDLINK
        entry = self._entry(found, target=target)
        if known is not None and (known.kind, known.target) == (found.kind, target):
            packed.touched.append(Touched(known, entry))
            return None
        return _Member(entry, (_header(found, flag, target),))

    def _folder_attributes(self, found: Found) -> dict[str, bytes]:
        if not found.path:
            return read_attributes(self._beneath.fd)
        parent, name = self._beneath.parent(found.path)
        try:
            fd = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=parent)
        except PermissionError:
            return {}  # what is in it could not be listed either, and that was said
        try:
            return read_attributes(fd)
        finally:
            os.close(fd)

    def _read_file(self, packed: Packed, found: Found, known: Known | None) -> _Member | None:
        found, content, attributes = self._read_settled(found)
        content_hash = tree_hash(content)
        extra = encode_extra(attributes, has_holes=found.blocks * 512 < found.size)
        entry = self._entry(found, extra=extra, content_hash=content_hash)
        if known is not None and known.kind == "file" and known.content_hash == content_hash:
            packed.touched.append(Touched(known, entry))
            return None
        header = tar.member_header(
            found.path,
            size=len(content),
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            mtime_ns=found.mtime_ns,
            attributes=attributes,
        )
        return _Member(entry, (header, content, tar.padding(len(content))))

    def _read_settled(self, found: Found) -> tuple[Found, bytes, dict[str, bytes]]:
        """The content of a file that stays as it is while it is read."""
        parent, name = self._beneath.parent(found.path)
        try:
            fd = os.open(name, _OPEN, dir_fd=parent)
        except OSError as error:
            raise _unreadable(found.path, error) from error
        try:
            changed = ""
            for _ in range(_READS):
                before = os.fstat(fd)
                if not stat.S_ISREG(before.st_mode):
                    raise SourceUnreadableError(
                        f"{os.fsdecode(found.path)!r} is no regular file any more",
                        path=os.fsdecode(found.path),
                    )
                if before.st_size > LARGEST_MEMBER:
                    changed = "size"
                    break  # the next run archives it by itself
                content = _read_all(fd, before.st_size, found.path)
                attributes = read_attributes(fd)
                after = os.fstat(fd)
                changed = _difference(before, after, len(content))
                if not changed:
                    return _as_found(found, after), content, attributes
            raise SourceChangedError(
                f"{os.fsdecode(found.path)!r} changed while it was read, {_READS} times (its {changed}); the "
                "next run tries again",
                path=os.fsdecode(found.path),
                field=changed,
            )
        finally:
            os.close(fd)

    def _entry(
        self,
        found: Found,
        *,
        target: bytes | None = None,
        extra: bytes | None = None,
        content_hash: bytes | None = None,
    ) -> Entry:
        return Entry(
            self._tree,
            found.path,
            self._run,
            found.kind,
            found.size,
            found.mtime_ns,
            found.ctime_ns,
            found.inode,
            found.device,
            found.mode,
            found.uid,
            found.gid,
            target if target is not None else found.target,
            extra,
            content_hash,
            None,
            None,
            None,
            self._compression,
            self._encryption,
        )


def _header(
    found: Found, type_flag: bytes, target: bytes = b"", attributes: dict[str, bytes] | None = None
) -> bytes:
    return tar.member_header(
        found.path or b"./",
        type_flag=type_flag,
        mode=found.mode,
        uid=found.uid,
        gid=found.gid,
        mtime_ns=found.mtime_ns,
        target=target,
        attributes=attributes,
    )


def _read_all(fd: int, size: int, path: bytes) -> bytes:
    """All bytes of a file, and one more if there is one."""
    offset = 0
    try:
        content = os.pread(fd, size + 1, 0)
        if len(content) >= size or not content:
            return content
        pieces = [content]
        offset = len(content)
        while piece := os.pread(fd, size + 1 - offset, offset):
            pieces.append(piece)
            offset += len(piece)
    except OSError as error:
        raise _unreadable(path, error, offset) from error
    return b"".join(pieces)


def _difference(before: os.stat_result, after: os.stat_result, size: int) -> str:
    if size != after.st_size or before.st_size != after.st_size:
        return "size"
    if before.st_mtime_ns != after.st_mtime_ns:
        return "mtime"
    return "ctime" if before.st_ctime_ns != after.st_ctime_ns else ""


def _as_found(found: Found, status: os.stat_result) -> Found:
    """Return the facts of a file that was read.

    One that changed within the last tick of the file system's clock may change again without its times
    showing it. Its ``ctime`` is recorded as 0, so that the next run reads it once more. (Its ``mtime`` tells
    nothing of that: anybody can set it, also to a year to come.)
    """
    recent = status.st_ctime_ns > time.time_ns() - _TICK_NS
    return found._replace(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=0 if recent else status.st_ctime_ns,
        inode=signed(status.st_ino),
        mode=status.st_mode & 0o7777,
        uid=status.st_uid,
        gid=status.st_gid,
        blocks=status.st_blocks,
    )


def _unreadable(path: bytes, error: OSError, offset: int | None = None) -> SourceUnreadableError:
    name = os.fsdecode(path)
    reason = "it is a link now" if error.errno == errno.ELOOP else error.strerror or str(error)
    where = f" at byte {offset}" if offset else ""
    return SourceUnreadableError(
        f"{name!r} cannot be read{where}: {reason}", path=name, errno=error.errno, offset=offset
    )


async def find_content(
    context: RecordedVault, wanted: Sequence[tuple[int, bytes]], recipients: Recipients | None
) -> Mapping[tuple[int, bytes], StoredContent]:
    """Return where contents lie in a vault, encrypted to these recipients or not at all."""
    return await context.catalog.entries.find_content(
        context.key,
        wanted,
        encryption=AGE if recipients is not None else None,
        recipients=recipients.names if recipients is not None else (),
    )


def point_to(entry: Entry, content: StoredContent) -> Entry:
    """Return a version of a path whose content lies in the vault already."""
    return entry._replace(
        upload=content.upload,
        position=content.position,
        stored=content.stored,
        compression=content.compression,
        encryption=content.encryption,
    )


async def touch(entries: Entries, touched: Sequence[Touched]) -> list[Entry]:
    """Return new versions of files whose metadata changed, but not their content: they point to it."""
    known = await entries.get_all([each.known.number for each in touched])
    moved = []
    for entry, old in ((each.entry, known[each.known.number]) for each in touched):
        moved.append(
            entry._replace(
                content_hash=old.content_hash,
                upload=old.upload,
                position=old.position,
                stored=old.stored,
                compression=old.compression,
                encryption=old.encryption,
            )
        )
    return moved
