"""Put restored files into their places: verify them, put them on disk, and then give them their names.

A file is written under a name of its own beside its place, one that only depends on its path, so that what a
kill leaves there is used up by the next run. Some thousand are written, the file system puts them on disk
together, and then they get their names. The next thousands are written meanwhile, and the call that puts
those on disk does the same for the names. How many there are follows the disk: all that were written while it
was busy.

Small files of one folder are written, and named, in one call, see ``files.small_files``. A file that such a
call left undone is done again by itself, which gives the error its place.

Everything is done from the descriptors of folders, see ``files.beneath``. It blocks: a ``Placer`` is for one
thread at a time, and ``twin`` makes one for another.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.bulk.formats.attributes import decode_extra
from aioglacier.bulk.path_failures import PathFailure
from aioglacier.core.errors import GlacierError, IntegrityError, TargetError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import TreeHash, tree_hash, tree_hashes
from aioglacier.files.beneath import Beneath, checked_name
from aioglacier.files.holes import dig_holes, write_sparse
from aioglacier.files.host import find_function
from aioglacier.files.landing import rename, special_kind, write_all
from aioglacier.files.open_flags import BINARY, DIRECTORY, NOFOLLOW, NONBLOCK, PATH_ONLY
from aioglacier.files.small_files import NewFile, name_files, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aioglacier.catalog.folders.entry_records import Entry

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW
_READ: Final = os.O_RDONLY | BINARY | NOFOLLOW | NONBLOCK

#: Bytes of contents that are compared and written together: decoded ones lie in memory until then.
_WRITTEN_AT_ONCE: Final = 4 * MIB

#: Attributes without which a file is written by itself, so that the others are set and the refusal is noted.
_NEEDED: Final = frozenset({"owners", "permissions", "times"})


class Placed(NamedTuple):
    """The result for one path."""

    path: bytes
    size: int
    error: GlacierError | None  # why it is not in its place; ``None`` if it is


class Content(NamedTuple):
    """The content of a file to write."""

    entry: Entry
    path: bytes
    data: bytes | memoryview


class Written(NamedTuple):
    """A file that is complete, and has no name yet."""

    path: bytes
    temporary: bytes
    size: int


class Placer:
    """Puts files, folders and links into a folder.

    ``notices`` takes the kinds of attributes that the system did not let us set, each with the first reason.
    """

    def __init__(self, root: bytes, *, overwrite: bool, notices: dict[str, str] | None = None) -> None:
        self._notices = {} if notices is None else notices
        self._root = root
        self._beneath = Beneath(root)
        self._overwrite = overwrite
        self._written: list[Written] = []
        self._is_root = hasattr(os, "geteuid") and os.geteuid() == 0

    def close(self) -> None:
        """Close the folders that are open."""
        self._beneath.close()

    def twin(self) -> Placer:
        """Return another one for the same folder, to be closed by the caller."""
        return Placer(self._root, overwrite=self._overwrite, notices=self._notices)

    # --- what is there already

    def is_empty(self) -> bool:
        """Return whether the folder has nothing in it."""
        with os.scandir(self._beneath.fd) as found:
            return next(found, None) is None

    def is_there(self, entry: Entry, path: bytes | None = None) -> bool:
        """Return whether a path is as wanted: by kind, size and time or content, or by the target of a link.

        Raises:
            TargetError: Something else is there, and may not be overwritten.
            UnsafePathError: The path leads through a link.
            OSError: It cannot be looked at.
        """
        path = entry.path if path is None else path
        try:
            fd, name = self._beneath.parent(path)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if self._is_same(entry, status, fd, name):
            return True
        if entry.kind == "directory" and stat.S_ISDIR(status.st_mode):
            return True
        shown = os.fsdecode(path)
        # A folder may hold what is nowhere else, so --overwrite does not replace it.
        if kind := "folder" if stat.S_ISDIR(status.st_mode) else special_kind(status.st_mode):
            raise TargetError(f"{shown!r} is a {kind} and is never replaced; move it away", path=shown)
        if not self._overwrite:
            raise TargetError(
                f"{shown!r} is there already, and is not what would be restored; it was left as it is. Move "
                "it away, or use --overwrite",
                path=shown,
            )
        return False

    def _is_same(self, entry: Entry, status: os.stat_result, fd: int, name: bytes) -> bool:
        match entry.kind:
            case "file":
                if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                    return False
                # A file system may keep dates less exactly, or have refused to set them.
                return status.st_mtime_ns == entry.mtime_ns or _has_content(entry, fd, name)
            case "symlink":
                return stat.S_ISLNK(status.st_mode) and os.readlink(name, dir_fd=fd) == entry.target
            case "hardlink":
                return stat.S_ISREG(status.st_mode) and self._is_linked(entry, status)
            case _:
                return False

    def _is_linked(self, entry: Entry, status: os.stat_result) -> bool:
        try:
            fd, name = self._beneath.parent(entry.target or b"")
            return os.path.samestat(status, os.stat(name, dir_fd=fd, follow_symlinks=False))
        except OSError:
            return False

    # --- files

    def write_files(self, contents: Iterable[Content]) -> list[PathFailure]:
        """Write files beside their places; ``land`` gives them their names.

        Returns:
            The files that could not be written, or whose content is not what was archived.
        """
        failed: list[PathFailure] = []
        group: list[Content] = []
        size = 0
        for content in contents:
            group.append(content)
            size += len(content.data)
            if size >= _WRITTEN_AT_ONCE:
                failed += self._write_group(group)
                group, size = [], 0
        return failed + self._write_group(group)

    def _write_group(self, group: Sequence[Content]) -> list[PathFailure]:
        """Compare contents with their hashes, which cost less together, and write the right ones."""
        failed, right = [], []
        for content, actual in zip(group, tree_hashes([data for _, _, data in group]), strict=True):
            if actual == content.entry.content_hash:
                right.append(content)
            else:
                failed.append(PathFailure(content.path, _damaged(content, actual)))
        batch: list[Content] = []
        folder: bytes | None = None
        for content in right:
            path = content[1]
            if (way := path[: path.rstrip(b"/").rfind(b"/") + 1]) != folder:
                failed += self._write_batch(batch)
                batch, folder = [], way
            batch.append(content)
        return failed + self._write_batch(batch)

    def _write_batch(self, batch: Sequence[Content]) -> list[PathFailure]:
        """Write files of one folder in one call, and those again by themselves that it left undone."""
        if not batch:
            return []
        alone = list(batch)
        if self._notices.keys().isdisjoint(_NEEDED):
            plain = [content for content in batch if not content[0].extra]
            with suppress(GlacierError, OSError):  # the folder cannot be opened, as each file will say
                undone = self._write_plain(plain)
                alone = [content for content in batch if content[0].extra] + undone
        failed = []
        for content in alone:
            try:
                self._write_alone(*content)
            except (GlacierError, OSError) as error:
                failed.append(PathFailure(content.path, as_target_error(content.path, error)))
        return failed

    def _write_plain(self, batch: Sequence[Content]) -> list[Content]:
        if not batch:
            return []
        fd, _ = self._beneath.parent(batch[0].path, makes_folders=True)
        names = temporary_names([path for _, path, _ in batch])
        is_root = self._is_root
        files = []
        for name, (entry, _, data) in zip(names, batch, strict=True):
            uid, gid = (entry.uid, entry.gid) if is_root else (-1, -1)
            # As the class does it, in half the time.
            files.append(tuple.__new__(NewFile, (name, data, entry.mode, uid, gid, entry.mtime_ns)))
        undone = write_files(fd, files)
        written = [
            tuple.__new__(Written, (path, name, len(data)))
            for name, (_, path, data) in zip(names, batch, strict=True)
        ]
        for number in reversed(undone):  # few
            del written[number]
        self._written += written
        return [batch[number] for number in undone]

    def write_file(self, entry: Entry, path: bytes, content: bytes | memoryview) -> None:
        """Write one file beside its place; ``land`` gives it its name.

        Raises:
            IntegrityError: The content is not what was archived.
            UnsafePathError: The path leads through a link.
            OSError: It cannot be written.
        """
        actual = tree_hash(content)
        if actual != entry.content_hash:
            raise _damaged(Content(entry, path, content), actual)
        self._write_alone(entry, path, content)

    def _write_alone(self, entry: Entry, path: bytes, content: bytes | memoryview) -> None:
        fd, _ = self._beneath.parent(path, makes_folders=True)
        name = temporary_name(path)
        try:
            file = os.open(name, _NEW, 0o600, dir_fd=fd)
        except FileExistsError:  # a run that was killed has left it
            os.unlink(name, dir_fd=fd)
            file = os.open(name, _NEW, 0o600, dir_fd=fd)
        try:
            if entry.extra and decode_extra(entry.extra).is_sparse:
                write_sparse(file, content)
            else:
                write_all(file, content)
            self._dress(file, entry)
        except BaseException:
            os.unlink(name, dir_fd=fd)
            raise
        finally:
            os.close(file)
        self._written.append(Written(path, name, entry.size))

    def take_written(self) -> list[Written]:
        """Return the files that were written since the last call, for ``name_all``."""
        written, self._written = self._written, []
        return written

    def name_all(self, written: Sequence[Written]) -> list[Placed]:
        """Give files that are on disk their names; another ``sync`` puts those on disk."""
        placed: list[Placed] = []
        batch: list[Written] = []
        folder: bytes | None = None
        for file in written:
            path = file[0]
            if (way := path[: path.rstrip(b"/").rfind(b"/") + 1]) != folder:
                placed += self._name_batch(batch)
                batch, folder = [], way
            batch.append(file)
        placed += self._name_batch(batch)
        self._beneath.forget()
        return placed

    def _name_batch(self, files: Sequence[Written]) -> list[Placed]:
        """Name files of one folder in one call, and those again by themselves that it left undone."""
        if not files:
            return []
        left: Iterable[int] = range(len(files))
        with suppress(GlacierError, OSError):  # of the folder or of one name, as each file will say
            start = files[0].path.rstrip(b"/").rfind(b"/") + 1
            pairs = [(temporary, checked_name(path[start:].rstrip(b"/"))) for path, temporary, _ in files]
            left = name_files(self._beneath.parent(files[0].path)[0], pairs, self._overwrite)
        placed = [tuple.__new__(Placed, (path, size, None)) for path, _, size in files]
        for number in left:
            path, temporary, _ = files[number]
            try:
                self._name(path, temporary)
            except (GlacierError, OSError) as error:
                placed[number] = Placed(path, 0, as_target_error(path, error))
        return placed

    def land(self) -> list[Placed]:
        """Put all that was written on disk, give it its names, and put those on disk."""
        if not self._written:
            return []
        self.sync()
        placed = self.name_all(self.take_written())
        self.sync()  # before they are reported, or a power failure could lose a name that was
        return placed

    def open_big(self, path: bytes) -> tuple[int, str, bytes]:
        """Return the folder of a big file, open until the caller closes it, its path, and the hidden name."""
        fd = os.dup(self._beneath.parent(path, makes_folders=True)[0])
        way = os.fsdecode(os.path.join(self._root, os.path.dirname(path)))  # noqa: PTH118, PTH120  # of any bytes
        if sys.platform == "linux":
            way = f"/proc/{os.getpid()}/fd/{fd}"  # no link can lead the threads that write there astray
        return fd, way, temporary_name(path)

    def place_big(self, entry: Entry, path: bytes, folder: int) -> None:
        """Give a big file that was downloaded and verified its times and its name."""
        name = temporary_name(path)
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
        try:
            if decode_extra(entry.extra).is_sparse:
                dig_holes(file, entry.size)
            self._dress(file, entry)
            os.fsync(file)
        finally:
            os.close(file)
        self._name(path, name)
        os.fsync(folder)  # the name is in the folder

    def _name(self, path: bytes, temporary: bytes) -> None:
        fd, name = self._beneath.parent(path)
        try:
            rename(temporary, name, overwrite=self._overwrite, old_fd=fd, new_fd=fd)
        except FileExistsError as error:
            os.unlink(temporary, dir_fd=fd)
            shown = os.fsdecode(path)
            raise TargetError(f"{shown!r} appeared meanwhile and was left as it is", path=shown) from error

    def _dress(self, file: int, entry: Entry) -> None:
        """Give an open file, or folder, all attributes that the system allows."""
        mode = entry.mode
        if entry.extra:
            for name, value in decode_extra(entry.extra).attributes.items():
                self._try("extended attributes", os.setxattr, file, name, value)
        # The owner comes before the permissions, since it clears set-user-ID.
        if self._is_root and not self._try("owners", os.fchown, file, entry.uid, entry.gid):
            mode &= 0o1777  # a set-user-ID program of another owner must not become ours
        self._try("permissions", os.fchmod, file, mode)
        self._try("times", partial(os.utime, ns=(entry.mtime_ns, entry.mtime_ns)), file)

    def _try(self, kind: str, step: Callable[..., None], *arguments: object) -> bool:
        """Take a step; note that the system refuses it, and return whether it did not."""
        try:
            step(*arguments)
        except OSError as error:
            self._notices.setdefault(kind, error.strerror or str(error))
            return False
        return True

    # --- all else

    def make_folder(self, path: bytes) -> bool:
        """Make a folder that this user can write to; return whether it was missing."""
        if not path:
            return False
        fd, name = self._beneath.parent(path, makes_folders=True)
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                raise
            if status.st_mode & 0o700 != 0o700 and not self._is_root:
                _open_up(name, fd, status.st_mode)
            return False
        return True

    def dress_folder(self, entry: Entry) -> None:
        """Give a folder its permissions and times, once nothing more will come into it."""
        if entry.path:
            fd, name = self._beneath.parent(entry.path)
            opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        else:
            opened = os.dup(self._beneath.fd)
        try:
            self._dress(opened, entry)
        finally:
            os.close(opened)

    def make_symlink(self, entry: Entry) -> None:
        """Make a symbolic link."""
        fd, temporary = self._cleared(entry.path)
        os.symlink(entry.target or b"", temporary, dir_fd=fd)
        times = (entry.mtime_ns, entry.mtime_ns)
        if self._is_root:
            set_owner = partial(os.chown, dir_fd=fd, follow_symlinks=False)
            self._try("owners", set_owner, temporary, entry.uid, entry.gid)
        self._try("times", partial(os.utime, ns=times, dir_fd=fd, follow_symlinks=False), temporary)
        self._name(entry.path, temporary)

    def make_hardlink(self, target: bytes, path: bytes) -> None:
        """Make another name of a file that is in its place."""
        fd, name = self._beneath.parent(target)
        from_fd = os.dup(fd)
        try:
            to_fd, temporary = self._cleared(path)
            os.link(name, temporary, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
            self._name(path, temporary)
        finally:
            os.close(from_fd)

    def _cleared(self, path: bytes) -> tuple[int, bytes]:
        """Return the folder of a path, and the hidden name in it, which no file has."""
        fd, _ = self._beneath.parent(path, makes_folders=True)
        temporary = temporary_name(path)
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=fd)
        return fd, temporary

    def free_space(self) -> int:
        """Return the bytes that this user may still write there."""
        status = os.fstatvfs(self._beneath.fd)
        return status.f_bavail * status.f_frsize

    def sync(self) -> None:
        """Put all that was written in this file system on disk; in any thread."""
        syncfs = find_function("syncfs")
        if syncfs is None or syncfs(self._beneath.fd) != 0:
            os.sync()


def open_up(root: bytes) -> None:
    """Let the owner into the folder at the top, which a former run has given its permissions."""
    _open_up(root, None, os.stat(root).st_mode)  # noqa: PTH116  # of any bytes


def _open_up(name: bytes, fd: int | None, mode: int) -> None:
    """Let the owner into a folder; ``dress_folder`` takes that back."""
    if sys.platform != "linux":
        os.chmod(name, stat.S_IMODE(mode) | 0o700, dir_fd=fd, follow_symlinks=False)
        return
    # Without permission to read, a folder can only be opened as a place, and changed through /proc.
    place = os.open(name, PATH_ONLY | DIRECTORY | NOFOLLOW * (fd is not None), dir_fd=fd)
    try:
        os.chmod(f"/proc/self/fd/{place}", stat.S_IMODE(mode) | 0o700)  # noqa: PTH101
    finally:
        os.close(place)


def _has_content(entry: Entry, folder: int, name: bytes) -> bool:
    """Return whether a file has the content of an entry; false if it cannot be read."""
    if not entry.size:
        return True
    hasher = TreeHash()
    with suppress(OSError), open(os.open(name, _READ, dir_fd=folder), "rb", buffering=0) as file:  # noqa: PTH123
        while block := file.read(MIB):
            hasher.update(block)
        return hasher.digest() == entry.content_hash
    return False


def _damaged(content: Content, actual: bytes) -> IntegrityError:
    expected = content.entry.content_hash or b""
    return IntegrityError(
        f"{os.fsdecode(content.path)!r} came back damaged", expected=expected, actual=actual
    )


def temporary_name(path: bytes) -> bytes:
    """Return the name that a file has beside its place until it is complete."""
    return b".aioglacier-%b.part" % hashlib.sha256(path).hexdigest()[:24].encode()


def temporary_names(paths: Sequence[bytes]) -> list[bytes]:
    """Return ``temporary_name`` of many paths: the tree hash of so few bytes is their SHA-256."""
    return [b".aioglacier-%b.part" % found.hex()[:24].encode() for found in tree_hashes(paths)]


def as_target_error(path: bytes, error: GlacierError | OSError) -> GlacierError:
    """Return a ``GlacierError`` for a path that could not be written."""
    if isinstance(error, GlacierError):
        return error
    shown = os.fsdecode(path)
    reason = "something is there" if error.errno == errno.EEXIST else error.strerror or str(error)
    failure = TargetError(f"{shown!r} cannot be written: {reason}", path=shown)
    failure.__cause__ = error
    return failure
