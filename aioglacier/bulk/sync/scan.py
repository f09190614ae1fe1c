"""The scan of a folder: every path with its ``lstat`` facts, in the order of the catalog.

The path of a folder ends in "/", and the top is "". In each folder the scan takes names in the order of their
bytes, folders with their "/", and enters a folder where its name stands. So paths come in the order of their
bytes, and a scan and a catalog can be compared in one pass.

- Memory does not grow with the number of files: the scan lists a folder of more than ``NAMES_AT_ONCE`` names
  several times, each time for the names that come next. Only the list of inodes of which not every link was
  met yet grows.
- The scan opens each folder from the descriptor of the one above, and never follows a link. So it stays
  inside the folder whatever another program moves meanwhile, and no loop of links traps it.
- The scan reports a path that it cannot read, and goes on.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from aioglacier.catalog.folders.entry_records import storable_time
from aioglacier.core.errors import SourceUnreadableError
from aioglacier.files.open_flags import DIRECTORY, NOFOLLOW, refuse_without_folders
from aioglacier.files.small_files import look_at, path_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aioglacier.bulk.filters import NamedPaths, PathFilter
    from aioglacier.files.small_files import PathFacts

    #: Name, path, whether it is a passage (see ``_Folder``), and facts, if there were any.
    _Look: TypeAlias = tuple[tuple[bytes, bytes, bool], PathFacts | None]

#: Names of one folder held at once. With 100 bytes each they take 13 MB. Listing a million names ten times
#: takes as long as reading their facts once.
NAMES_AT_ONCE: Final = 100_000

#: Names whose facts come from one call.
_LOOKS_AT_ONCE: Final = 256

#: Nested folders held open. The scan opens those above again, through "..", when it comes back.
_OPEN_AT_ONCE: Final = 64

_FOLDER: Final = os.O_RDONLY | DIRECTORY | NOFOLLOW

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

#: How a file CACHEDIR.TAG begins (Cache Directory Tagging Specification 0.6).
_CACHE_TAG: Final = b"Signature: 8a477f597d28d172789f06886806bc55"

#: Kinds that are not archived, as messages call them.
SPECIAL_KINDS: Final = {
    "fifo": "FIFO",
    "socket": "socket",
    "block": "block device",
    "character": "character device",
}


class Found(NamedTuple):
    """One path with its facts. The first ten are compared with the catalog.

    Attributes:
        path: Below the folder; the path of a folder ends in "/", and the top is empty.
        kind: As in the catalog.
        size: Bytes of a file; 0 for anything else.
        ctime_ns, inode: 0 for a folder, because they change with its content.
        target: For a hard link, the path of the same file that came first.
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
    """A path that could not be read."""

    path: bytes  # below the folder; one that ends in "/" stands for everything below it
    errno: int | None  # the system's error number
    reason: str  # the system's message


@dataclass(frozen=True, slots=True)
class ScanRules:
    """Rules that leave out paths, besides patterns.

    Attributes:
        one_file_system: Leave out the content of mount points, but not the mount points themselves.
        exclude_caches: Leave out the content of folders with a ``CACHEDIR.TAG``
            (https://bford.info/cachedir/).
        exclude_larger_than: Leave out files with more bytes than this.
    """

    one_file_system: bool = False
    exclude_caches: bool = False
    exclude_larger_than: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ScanRules:
        """Return the rules of a recorded run; runs of older versions recorded none."""
        return cls(**{each.name: settings.get(each.name, each.default) for each in fields(cls)})


class Scan:
    """One pass over a folder; iterate over it once.

    Attributes:
        root: The folder.
        failures: Paths that could not be read so far.
        misdated: Paths with a date that ``storable_time`` had to change so far.
        linked: Files met so far that have more than one name.
        left_out: Files that the rules left out so far, and folders of which they left out the content.
    """

    def __init__(
        self,
        root: bytes,
        path_filter: PathFilter | NamedPaths | None = None,
        rules: ScanRules = ScanRules(),  # frozen
        *,
        names_at_once: int = NAMES_AT_ONCE,
    ) -> None:
        self.failures: list[ScanFailure] = []
        self.misdated: list[bytes] = []
        self.linked: set[bytes] = set()
        self.root = root
        self.left_out: set[bytes] = set()
        self._filter = path_filter
        self._rules = rules if rules != ScanRules() else None
        self._device = 0
        self._names_at_once = names_at_once
        self._links: dict[tuple[int, int], tuple[bytes, int]] = {}

    def __iter__(self) -> Iterator[Found]:
        """Yield every path.

        Raises:
            SourceUnreadableError: The folder itself cannot be opened.
        """
        fd = open_top(self.root)
        folders = [_Folder(fd, b"", self._names_at_once)]
        try:
            status = os.fstat(fd)
            self._device = status.st_dev
            yield _found(b"", path_facts(status))
            while folders:
                yield from self._next(folders)
        finally:
            for folder in folders:
                folder.close()

    def _look(self, folder: _Folder) -> Iterator[Iterable[_Look]]:
        """Yield the names of a folder that no pattern excludes, with their facts, in groups.

        The facts of many names come from one call, but never those of names behind a folder: the scan may be
        in that for hours.
        """
        prefix, path_filter = folder.path, self._filter
        chosen: list[tuple[bytes, bytes, bool]] = []
        names: list[bytes] = []
        for name in folder.names:
            path = prefix + name
            is_folder, is_passage = name.endswith(b"/"), False
            if path_filter is not None and (
                not path_filter.names(path) if folder.is_passage else path_filter.excludes(path)
            ):
                is_passage = is_folder and path_filter.leads_on(path)
                if not is_passage:
                    continue
            chosen.append((name, path, is_passage))
            names.append(name[:-1] if is_folder else name)
            if is_folder or len(names) >= _LOOKS_AT_ONCE:
                yield zip(chosen, look_at(folder.fd, names), strict=True)
                chosen, names = [], []
        if names:
            yield zip(chosen, look_at(folder.fd, names), strict=True)

    def _look_again(self, fd: int, name: bytes, path: bytes) -> PathFacts | None:
        """Return facts that ``look_at`` did not; ``None`` if there are none, which is noted."""
        try:
            return path_facts(os.stat(name.removesuffix(b"/"), dir_fd=fd, follow_symlinks=False))
        except FileNotFoundError:
            return None  # removed since it was listed
        except OSError as error:
            self._fail(path, error)
            return None

    def _next(self, folders: list[_Folder]) -> Iterator[Found]:
        """Yield the next paths of the innermost folder, up to a folder in it or to its end."""
        folder = folders[-1]
        fd = folder.fd
        if folder.looks is None:
            folder.looks = self._look(folder)
        try:
            # A folder is the last of its group, so nothing is left of a group when the scan enters one.
            for (name, path, is_passage), known_facts in chain.from_iterable(folder.looks):
                facts = known_facts or self._look_again(fd, name, path)
                if facts is None:
                    continue
                is_folder = name.endswith(b"/")
                if is_folder is not stat.S_ISDIR(facts[0]):
                    continue  # it became something else since it was listed; the next scan meets it
                is_closed = False
                if self._rules is not None and self._leaves_out(self._rules, fd, name, facts):
                    self.left_out.add(path)
                    if is_passage or not is_folder:
                        continue
                    is_closed = True
                found = _found(path, facts)
                if found[3] != facts[2]:
                    self.misdated.append(path)
                if facts[6] > 1 and found[1] == "file":
                    found = self._link(found, facts[6])
                if is_passage:
                    self._enter(folders, name, path, found)
                    return
                for above in folders:
                    if above.passage is not None:
                        yield above.passage
                        above.passage = None
                yield found
                if is_folder and not is_closed:
                    self._enter(folders, name, path)
                    return
        except OSError as error:
            self._fail(folder.path, error)
        self._leave(folders)

    def _leaves_out(self, rules: ScanRules, fd: int, name: bytes, facts: PathFacts) -> bool:
        """Return whether the rules leave out a file, or the content of a folder."""
        mode, size, _, _, _, device, *_ = facts
        if not name.endswith(b"/"):
            most = rules.exclude_larger_than
            return most is not None and stat.S_ISREG(mode) and size > most
        if rules.one_file_system and device != self._device:
            return True
        return rules.exclude_caches and _is_cache(fd, name)

    def _enter(self, folders: list[_Folder], name: bytes, path: bytes, passage: Found | None = None) -> None:
        try:
            fd = os.open(name[:-1], _FOLDER, dir_fd=folders[-1].fd)
        except OSError as error:
            self._fail(path, error)
            return
        folders.append(_Folder(fd, path, self._names_at_once, passage))
        if len(folders) > _OPEN_AT_ONCE:
            folders[-_OPEN_AT_ONCE].close()  # opened again on the way back

    def _leave(self, folders: list[_Folder]) -> None:
        left = folders.pop()
        try:
            if folders and folders[-1].fd < 0:
                folders[-1].open_again(left.fd)
        except OSError as error:
            self._fail(folders[-1].path, error)
            folders[-1].looks = iter(())
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


def _is_cache(fd: int, name: bytes) -> bool:
    try:
        tag = os.open(name + b"CACHEDIR.TAG", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
    except OSError:
        return False
    try:
        return os.read(tag, len(_CACHE_TAG)) == _CACHE_TAG
    except OSError:
        return False
    finally:
        os.close(tag)


def open_top(root: bytes) -> int:
    """Open the folder itself; only this path may be a link.

    Raises:
        SourceUnreadableError: The folder cannot be opened.
        ConfigurationError: This system cannot archive folders.
    """
    refuse_without_folders()
    try:
        return os.open(root, _FOLDER & ~NOFOLLOW)
    except OSError as error:
        name = os.fsdecode(root)
        raise SourceUnreadableError(
            f"the folder {name!r} cannot be read: {error.strerror}", path=name, errno=error.errno
        ) from error


class _Folder:
    """A folder that the scan is in.

    Attributes:
        is_passage: The folder is excluded, and the scan only looks for paths in it that an include names.
        names: The names in it, in order.
        looks: Those that the scan comes to with their facts, once it has begun.
        passage: Such a folder's own facts, until the scan yields them before the first such path.
    """

    __slots__ = ("fd", "identity", "is_passage", "looks", "names", "passage", "path")

    def __init__(self, fd: int, path: bytes, names_at_once: int, passage: Found | None = None) -> None:
        self.fd = fd
        self.path = path
        self.is_passage = passage is not None
        self.passage = passage
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.names: Iterator[bytes] = self._list(names_at_once)
        self.looks: Iterator[Iterable[_Look]] | None = None

    def _list(self, names_at_once: int) -> Iterator[bytes]:
        last = b""
        while True:
            names, is_rest = _names_after(self.fd, last, names_at_once)
            yield from names
            if is_rest:
                return
            last = names[-1]

    def open_again(self, below: int) -> None:
        """Open the closed folder again, from a folder in it."""
        self.fd = os.open(b"..", _FOLDER, dir_fd=below)
        status = os.fstat(self.fd)
        if (status.st_dev, status.st_ino) != self.identity:
            raise FileNotFoundError(2, "the folder was moved during the scan")

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _names_after(fd: int, last: bytes, at_once: int) -> tuple[list[bytes], bool]:
    """Return the names of a folder after ``last``, in order, and whether they are all."""
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
    """Return an unsigned 64-bit number as a database keeps it."""
    return number if number < _HALF else number - 2 * _HALF


def _found(path: bytes, facts: PathFacts) -> Found:
    mode, size, mtime_ns, ctime_ns, inode, device, _, uid, gid, blocks = facts
    kind = _KINDS.get(stat.S_IFMT(mode), "character")
    is_folder = kind == "directory"
    # The class's own constructor takes twice as long, and this runs for each of a million files.
    return tuple.__new__(
        Found,
        (
            path,
            kind,
            size if kind == "file" else 0,
            mtime_ns if -_HALF <= mtime_ns < _HALF else storable_time(mtime_ns),
            0 if is_folder else ctime_ns,
            0 if is_folder else inode if inode < _HALF else signed(inode),
            mode & 0o7777,
            uid,
            gid,
            None,
            device if device < _HALF else signed(device),
            blocks,
        ),
    )
