"""The scan of a folder: every path with what ``lstat`` says of it, in the order that the catalog has, too.

A folder's path ends in "/" and the top is "". In each folder names are taken in the order of their bytes, a
folder's with its "/", and a folder is gone through where its name stands: so paths come in the order of
their bytes, and a scan and a catalog can be compared in one pass.

- Memory does not grow with the number of files. A folder of more names than ``NAMES_AT_ONCE`` is listed
  several times, each time for the names that come next. (What does grow is the list of inodes of which not
  every link was met yet.)
- Folders are opened one below the other by their descriptors, never through a link, so a scan stays inside
  whatever is moved about meanwhile, and no loop of links ends it.
- A path that cannot be looked at is reported, and the scan goes on.

It blocks: it is for a thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.bulk.filters import PathFilter

#: Names of one folder held at once. Of 100 bytes each they take 13 MB, and listing a million ten times over
#: takes as long as looking at them does.
NAMES_AT_ONCE: Final = 100_000

#: Folders held open, one in the other; those above are opened again, through "..", when the scan comes back.
_OPEN_AT_ONCE: Final = 64

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "character",
}

_HALF: Final = 1 << 63

#: Kinds that are not archived.
SPECIAL_KINDS: Final = frozenset({"fifo", "socket", "block", "character"})


class Found(NamedTuple):
    """One path, as it was looked at. The first ten say what a comparison is about.

    Attributes:
        path: Below the folder; a folder's ends in "/", the top's is empty.
        kind: As in the catalog.
        size: Bytes of a file; 0 of anything else.
        ctime_ns: 0 of a folder, and so is ``inode``: they change with what is in it.
        target: Of a hard link, the path of the same file that came first.
        blocks: Units of 512 bytes that the file takes on disk.
    """

    path: bytes
    kind: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int
    uid: int
    gid: int
    target: bytes | None
    device: int
    blocks: int


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """Something that could not be looked at.

    Attributes:
        path: Below the folder; one that ends in "/" stands for all that is below it.
        errno: Of the system.
        reason: In words.
    """

    path: bytes
    errno: int | None
    reason: str


class Scan:
    """One pass over a folder; iterate over it once.

    Attributes:
        failures: What could not be looked at so far.
        linked: Files met so far that have more names than one.
    """

    def __init__(
        self, root: bytes, path_filter: PathFilter | None = None, *, names_at_once: int = NAMES_AT_ONCE
    ) -> None:
        self.failures: list[ScanFailure] = []
        self.linked: set[bytes] = set()
        self._root = root
        self._filter = path_filter
        self._names_at_once = names_at_once
        self._links: dict[tuple[int, int], tuple[bytes, int]] = {}

    def __iter__(self) -> Iterator[Found]:
        """Look at everything.

        Raises:
            SourceUnreadableError: The folder itself cannot be opened.
        """
        fd = open_top(self._root)
        folders = [_Folder(fd, b"", self._names_at_once)]
        try:
            yield _found(b"", os.fstat(fd))
            while folders:
                yield from self._next(folders)
        finally:
            for folder in folders:
                folder.close()

    def _next(self, folders: list[_Folder]) -> Iterator[Found]:
        """Yield the next paths of the innermost folder, up to a folder in it or to its end."""
        folder = folders[-1]
        fd, prefix, path_filter = folder.fd, folder.path, self._filter
        lstat = os.stat
        try:
            for name in folder.names:
                path = prefix + name
                is_folder = name.endswith(b"/")
                is_passage = False
                if path_filter is not None and (
                    not path_filter.names(path) if folder.is_passage else path_filter.excludes(path)
                ):
                    is_passage = is_folder and path_filter.leads_on(path)
                    if not is_passage:
                        continue
                try:
                    status = lstat(name[:-1] if is_folder else name, dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it is gone since it was listed
                except OSError as error:
                    self._fail(path, error)
                    continue
                if is_folder is not stat.S_ISDIR(status.st_mode):
                    continue  # it became something else since it was listed; the next scan meets it
                found = _found(path, status)
                if status.st_nlink > 1 and found.kind == "file":
                    found = self._link(found, status.st_nlink)
                if is_passage:
                    self._enter(folders, name, path, found)
                    return
                for above in folders:
                    if above.passage is not None:
                        yield above.passage
                        above.passage = None
                yield found
                if is_folder:
                    self._enter(folders, name, path)
                    return
        except OSError as error:
            self._fail(prefix, error)
        self._leave(folders)

    def _enter(self, folders: list[_Folder], name: bytes, path: bytes, passage: Found | None = None) -> None:
        try:
            fd = os.open(name[:-1], _FOLDER, dir_fd=folders[-1].fd)
        except OSError as error:
            self._fail(path, error)
            return
        folders.append(_Folder(fd, path, self._names_at_once, passage))
        if len(folders) > _OPEN_AT_ONCE:
            folders[-_OPEN_AT_ONCE].close()

    def _leave(self, folders: list[_Folder]) -> None:
        left = folders.pop()
        try:
            if folders and folders[-1].fd < 0:
                folders[-1].open_again(left.fd)
        except OSError as error:
            self._fail(folders[-1].path, error)
            folders[-1].names = iter(())
        finally:
            left.close()

    def _link(self, found: Found, links: int) -> Found:
        key = (found.device, found.inode)
        first, left = self._links.get(key, (None, links))
        if left > 1:
            self._links[key] = (first or found.path, left - 1)
        else:
            self._links.pop(key, None)
        if first is None:
            self.linked.add(found.path)
        return found if first is None else found._replace(kind="hardlink", target=first, size=0)

    def _fail(self, path: bytes, error: OSError) -> None:
        self.failures.append(ScanFailure(path, error.errno, error.strerror or str(error)))


def open_top(root: bytes) -> int:
    """Open the folder itself; of all paths this one may be a link.

    Raises:
        SourceUnreadableError: It cannot be opened.
    """
    try:
        return os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    except OSError as error:
        name = os.fsdecode(root)
        raise SourceUnreadableError(
            f"the folder {name!r} cannot be read: {error.strerror}", path=name, errno=error.errno
        ) from error


class _Folder:
    """A folder that the scan is in.

    Attributes:
        is_passage: It is excluded, and only what an include names is looked for in it.
        passage: Such a folder itself, which is given before the first path in it that is.
    """

    __slots__ = ("fd", "identity", "is_passage", "names", "passage", "path")

    def __init__(self, fd: int, path: bytes, names_at_once: int, passage: Found | None = None) -> None:
        self.fd = fd
        self.path = path
        self.is_passage = passage is not None
        self.passage = passage
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.names: Iterator[bytes] = self._list(names_at_once)

    def _list(self, names_at_once: int) -> Iterator[bytes]:
        last = b""
        while True:
            names, is_rest = _names_after(self.fd, last, names_at_once)
            yield from names
            if is_rest:
                return
            last = names[-1]

    def open_again(self, below: int) -> None:
        """Open the folder that was closed, from one that is in it."""
        self.fd = os.open(b"..", _FOLDER, dir_fd=below)
        status = os.fstat(self.fd)
        if (status.st_dev, status.st_ino) != self.identity:
            raise FileNotFoundError(2, "it was moved while it was being looked at")

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _names_after(fd: int, last: bytes, at_once: int) -> tuple[list[bytes], bool]:
    """The names of a folder that come after ``last``, in order, and whether they are all."""
    names: list[bytes] = []
    is_rest = True
    encode = os.fsencode
    with os.scandir(fd) as entries:
        for entry in entries:
            name = encode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                name += b"/"
            if name > last:
                names.append(name)
                if len(names) >= 2 * at_once:
                    names.sort()
                    del names[at_once:]
                    is_rest = False
    names.sort()
    if not is_rest:
        del names[at_once:]
    return names, is_rest


def signed(number: int) -> int:
    """An unsigned 64-bit number as a database has it."""
    return number if number < _HALF else number - 2 * _HALF


def _found(path: bytes, status: os.stat_result) -> Found:
    mode = status.st_mode
    kind = _KINDS.get(stat.S_IFMT(mode), "character")
    is_folder = kind == "directory"
    inode, device = status.st_ino, status.st_dev
    # Made as the class itself would, without its detour: this is done for each of a million files.
    return tuple.__new__(
        Found,
        (
            path,
            kind,
            status.st_size if kind == "file" else 0,
            status.st_mtime_ns,
            0 if is_folder else status.st_ctime_ns,
            0 if is_folder else inode if inode < _HALF else signed(inode),
            mode & 0o7777,
            status.st_uid,
            status.st_gid,
            None,
            device if device < _HALF else signed(device),
            status.st_blocks,
        ),
    )
