"""Give a finished file its name.

A file grows under a hidden name beside its target. It gets the target's name in one step, when it is complete
and on disk, so a crash at any moment leaves the old file, the new one, or only the hidden one. A file that
appears at the target meanwhile is replaced only if the caller asked for that. A device, FIFO or socket is
never replaced: with ``/dev/null`` as the target that would break the machine.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from aioglacier.core.errors import TargetError
from aioglacier.files.crashpoints import passing
from aioglacier.files.host import find_function
from aioglacier.files.open_flags import BINARY, NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

if sys.platform != "win32":
    import fcntl

Name: TypeAlias = "str | bytes | os.PathLike[str]"

#: What a hidden name ends with: a download, a stream of several archives, an encrypted file before it is
#: decrypted, any other file that is written from start to end.
DOWNLOAD: Final = ".aioglacier"
STREAM: Final = ".aioglacier-stream"
ENCRYPTED: Final = ".age"
WRITTEN: Final = ".aioglacier-part"

#: The longest name of common file systems, in bytes, and the room left in it for suffixes.
_LONGEST_NAME: Final = 255
_SUFFIXES: Final = 32

#: Hexadecimal digits that tell names apart which are cut.
_MARK: Final = 16

#: Bytes compared at a time.
_BLOCK: Final = 1024 * 1024

_FLAGS: Final = os.O_RDWR | os.O_CREAT | BINARY | NOFOLLOW

_NO_REPLACE: Final = 1  # RENAME_NOREPLACE
_AT_CWD: Final = -100  # AT_FDCWD

#: File systems and kernels without ``renameat2`` or hard links answer with one of these.
_UNSUPPORTED: Final = {errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP}

#: A file system without locks answers with one of these.
_NO_LOCKS: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}

#: Kinds of files that no rename may replace.
_SPECIAL: Final = {
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
}


# --- before the first byte


def hidden_name(target: Name, suffix: str) -> str:
    """Return the hidden name beside a target, cut so that a suffix always fits; no two targets share one."""
    folder, name = os.path.split(os.path.abspath(os.fsdecode(target)))  # of any bytes
    stem, longest = os.fsencode(name), _LONGEST_NAME - _SUFFIXES
    if len(stem) > longest:
        mark = sha256(stem).hexdigest()[:_MARK].encode()
        stem = stem[: longest - _MARK] + mark
    return os.path.join(folder, f".{os.fsdecode(stem)}{suffix}")


def check_target(target: str, *, overwrite: bool) -> None:
    """Refuse a target that could not get its name in the end.

    Raises:
        TargetError: The target exists, is a folder, a device, a FIFO or a socket, or its folder is missing or
            does not allow new files.
    """
    folder = os.path.dirname(os.path.abspath(target))
    if os.path.isdir(target):
        raise TargetError(f"{target!r} is a folder; name a file in it", path=target)
    _refuse_special(target)
    if not overwrite and os.path.lexists(target):
        raise TargetError(
            f"{target!r} exists; choose another name, or overwrite it (--overwrite)", path=target
        )
    if not os.path.isdir(folder):
        raise TargetError(f"{target!r} cannot be written: there is no folder {folder!r}", path=target)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetError(f"{target!r} cannot be written: {folder!r} does not allow it", path=target)


def check_download(target: str, *, overwrite: bool, is_encrypted: bool = False) -> None:
    """Refuse a target that a download could not be given, before anything is asked of the service.

    A file may be there: a run that was killed after it named its file. Its bytes tell, once their hash is
    known. A decrypted file may be there as long as the encrypted one is beside it.

    Raises:
        TargetError: As for ``check_target``.
    """
    is_kept = not is_encrypted or os.path.isfile(hidden_name(target, ENCRYPTED))
    may_be_it = is_kept and os.path.isfile(target)
    check_target(target, overwrite=overwrite or may_be_it)


def check_room(target: str, size: int, *, kept: Iterable[str] = (), note: str = "") -> None:
    """Refuse a target whose file system has too little room.

    Args:
        target: The target.
        size: Bytes that will be on disk in the end.
        kept: Files that already hold some of them.
        note: What to add to the message.

    Raises:
        TargetError: There is too little room; ``needed`` and ``free`` say how much.
    """
    there = 0
    for name in kept:
        with suppress(FileNotFoundError):
            there += getattr(os.lstat(name), "st_blocks", 0) * 512  # Windows does not count them
    try:
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(target))).free
    except OSError as error:
        raise unwritable(target, error) from error
    needed = size - there
    if needed > free:
        raise TargetError(
            f"{target!r} needs {needed} more bytes, and its file system has {free} free{note}",
            path=target,
            needed=needed,
            free=free,
        )


def check_download_room(
    target: str, size: int, suffix: str = DOWNLOAD, *, is_encrypted: bool = False
) -> None:
    """Refuse a target without room for a download, before anything is paid for; see ``check_room``.

    Args:
        target: The target.
        size: Bytes of the output.
        suffix: What the hidden name of the file that grows ends with.
        is_encrypted: Whether the output is fetched as a whole and then decrypted beside itself.
    """
    fetched = hidden_name(target, ENCRYPTED) if is_encrypted else target
    is_fetched = is_encrypted and os.path.exists(fetched)  # and not decrypted yet
    kept = fetched if is_fetched else hidden_name(fetched, suffix)
    twice = ", because an encrypted one is fetched whole and then decrypted" if is_encrypted else ""
    note = f"{twice}; no job was started"
    check_room(target, 2 * size if is_encrypted else size, kept=[kept], note=note)


def open_hidden(target: str, suffix: str) -> int:
    """Open the hidden file of a target, as it was left or new, for this process alone.

    Returns:
        A descriptor for reading and writing. Closing it lets other processes in.

    Raises:
        TargetError: Another process writes to the same target, or the file cannot be opened.
    """
    hidden = hidden_name(target, suffix)
    try:
        file = os.open(hidden, _FLAGS, 0o600)
        try:
            _lock(file, hidden, target)
        except BaseException:
            os.close(file)
            raise
    except OSError as error:
        raise unwritable(target, error) from error
    return file


def _lock(file: int, hidden: str, target: str) -> None:
    if sys.platform == "win32":
        return  # two writers of one target are not told apart there
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        # Had another process finished between our opening and our locking, this would be its finished file.
        is_ours = os.path.samestat(os.fstat(file), os.lstat(hidden))
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    if not is_ours:
        raise TargetError(
            f"another process writes to {target!r}; wait for it or choose another name", path=target
        )


# --- after the last byte


@contextmanager
def writing(target: str, *, overwrite: bool, may_be_there: bool = False) -> Iterator[int]:
    """Open a file for writing from start to end; a clean end of the block gives it its name.

    If the block raises, the target is as it was and the hidden file is removed. With ``may_be_there``, a file
    of that name may be what a killed run has written: it is compared at the end.

    Raises:
        TargetError: The target cannot be written, or has other bytes.
    """
    check_target(target, overwrite=overwrite or (may_be_there and os.path.isfile(target)))
    file = open_hidden(target, WRITTEN)
    hidden = hidden_name(target, WRITTEN)
    try:
        os.ftruncate(file, 0)
        yield file
        land(file, hidden, target, overwrite=overwrite)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(hidden)
        if isinstance(error, OSError):
            raise unwritable(target, error) from error
        raise
    finally:
        os.close(file)


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write all bytes, where the system may take only some at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def land(file: int, hidden: str, target: str, *, overwrite: bool) -> None:
    """Put a complete hidden file on disk, give it its name, and put the name on disk.

    A file that has the name already and the same bytes is left as it is, and the hidden one is removed.

    Args:
        file: A descriptor of the hidden file.
        hidden: Its name.
        target: The name that it gets.
        overwrite: Replace a file of this name.

    Raises:
        TargetError: The target has other bytes or cannot be written. The hidden file stays.
    """
    try:
        os.fsync(file)
        passing("file on disk")
        _refuse_special(target)
        try:
            rename(hidden, target, overwrite=overwrite)
        except FileExistsError:
            if not _has_bytes_of(file, target):
                raise
            os.unlink(hidden)
        passing("file renamed")
        sync_folder(os.path.dirname(hidden))
    except FileExistsError as error:
        raise TargetError(
            f"{target!r} exists with other bytes and was left as it is; all bytes are in {hidden!r}. Move it "
            "away, or overwrite it (--overwrite)",
            path=target,
        ) from error
    except OSError as error:
        raise TargetError(
            f"{target!r} cannot be written: {error.strerror}; all bytes are in {hidden!r}", path=target
        ) from error


def _has_bytes_of(file: int, target: str) -> bool:
    """Return whether a regular file of this name has the bytes of an open one."""
    with suppress(OSError), open(target, "rb", opener=_open_itself) as there:
        same = os.fstat(there.fileno()).st_size == os.fstat(file).st_size
        os.lseek(file, 0, os.SEEK_SET)
        while same and (block := os.read(file, _BLOCK)):
            same = there.read(len(block)) == block
        return same
    return False


def _open_itself(path: str, flags: int) -> int:
    """Open a file, but not what a link of this name points to."""
    return os.open(path, flags | BINARY | NOFOLLOW)


def rename(
    old: Name, new: Name, *, overwrite: bool, old_fd: int | None = None, new_fd: int | None = None
) -> None:
    """Rename, and replace an existing file only if asked; a kill leaves the old file or the new one.

    Args:
        old: The name now.
        new: The name to be.
        overwrite: Replace what has that name, but for a folder or a special file.
        old_fd: The folder that ``old`` is in, where it is no whole path.
        new_fd: The folder that ``new`` is in.

    Raises:
        FileExistsError: The new name is taken.
        TargetError: A special file has the new name.
        OSError: The file cannot be renamed.
    """
    if not overwrite:
        _rename_to_new(old, new, old_fd, new_fd)
        return
    with suppress(FileNotFoundError):
        _check_kind(new, os.stat(new, dir_fd=new_fd, follow_symlinks=False))
    os.rename(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)
    # Of two names of one file, rename(2) keeps both.
    with suppress(FileNotFoundError):
        os.unlink(old, dir_fd=old_fd)


def _rename_to_new(old: Name, new: Name, old_fd: int | None, new_fd: int | None) -> None:
    function = find_function("renameat2")
    if function is not None:
        old_folder, new_folder = (
            _AT_CWD if old_fd is None else old_fd,
            _AT_CWD if new_fd is None else new_fd,
        )
        number = function(old_folder, os.fsencode(old), new_folder, os.fsencode(new), _NO_REPLACE)
        if number == 0:
            return
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), os.fsdecode(new))
    try:
        os.link(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    else:
        os.unlink(old, dir_fd=old_fd)
        return
    # Without hard links the name is taken first, by an empty file, so that nothing else can be there.
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=new_fd))
    os.rename(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)


def sync_folder(folder: Name) -> None:
    """Put the names in a folder on disk."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unwritable(target: str, error: OSError) -> TargetError:
    """Return the error for a target that the system does not let us write."""
    return TargetError(f"{target!r} cannot be written: {error.strerror or error}", path=target)


def _refuse_special(target: str) -> None:
    # A link is followed: "/dev/stdout" leads to a device. A dangling link is replaced like a file.
    with suppress(FileNotFoundError):
        _check_kind(target, os.stat(target))


def special_kind(mode: int) -> str | None:
    """Return what kind of file no rename may replace, such as "socket"; ``None`` for all others."""
    return _SPECIAL.get(stat.S_IFMT(mode))


def _check_kind(target: Name, status: os.stat_result) -> None:
    if kind := special_kind(status.st_mode):
        shown = os.fsdecode(target)
        raise TargetError(f"{shown!r} is a {kind} and is never replaced; name a file", path=shown)
