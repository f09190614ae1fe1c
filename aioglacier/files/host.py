"""This machine and its user: names, the data folder, functions of the C library, and pipes."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: The most that Linux allows every user (/proc/sys/fs/pipe-max-size); by default a pipe holds a sixteenth.
PIPE_SIZE: Final = 1024 * 1024

#: Blocks from this size on get pages of their own, which go back at once when freed. Fresh pages cost
#: about 0.1 s of CPU per GiB.
_LARGE_BLOCK: Final = 256 * 1024

#: Free bytes at the end of a heap that stay for the next blocks.
_KEPT_FREE: Final = 1024 * 1024

#: Parameters of ``mallopt`` in glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def machine_name() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def user_name() -> str:
    """Return the name of this user, or its number where it has no name."""
    import getpass  # noqa: PLC0415  # for few commands

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the list of users, as in many containers
        return str(os.getuid())


def data_folder() -> Path:
    """Return ``$XDG_DATA_HOME/aioglacier``, by default in ``~/.local/share``.

    Raises:
        RuntimeError: There is no home directory.
    """
    # A relative path in the variable is to be ignored (XDG Base Directory Specification, "Basics").
    folder = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(folder):  # noqa: PTH117  # of text, which may be empty
        return Path(folder, "aioglacier")
    return Path.home() / ".local" / "share" / "aioglacier"


def prepare_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and those above it that are not there.

    Raises:
        OSError: It cannot be made.
    """
    if folder.is_dir():
        return
    prepare_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
        folder.chmod(0o700)  # whatever the umask


@cache
def find_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library that returns 0 or the error number; ``None`` if it lacks it.

    musl and older versions of glibc lack some; the caller needs another way for those. Integers are passed as
    ``int``; wrap a 64-bit offset in ``ctypes.c_int64``.
    """
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415  # 10 ms, for few commands

    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        return None

    def call(*arguments: object) -> int:
        return 0 if function(*arguments) == 0 else ctypes.get_errno()

    return call


def return_freed_memory() -> None:
    """Let the C library give freed blocks back to the system, for the whole process and from now on.

    By default glibc takes a freed large block, of up to 32 MiB, as a sign to keep blocks of that size. A
    process whose threads read files of all sizes then keeps tens of MiB that it does not use. It also gives
    each thread a heap of its own, and each heap keeps what its threads freed. Call this before the first
    thread starts, because a heap that is there stays.

    Memory for each large block then comes from the system, which clears its pages: where each file is read
    into a block of its own and nothing else is kept, as in ``verify``, that took half as long again.
    """
    change = find_function("mallopt")
    if change is not None:
        change(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        change(_M_TRIM_THRESHOLD, _KEPT_FREE)
        change(_M_ARENA_MAX, 1)


def enlarge_pipe(fd: int) -> None:
    """Let a pipe hold a MiB if the system allows it, because each time it is full or empty a process wakes.

    A descriptor of another kind, and a pipe that holds more, stay as they are.
    """
    if sys.platform != "linux":
        return
    import fcntl  # noqa: PLC0415  # not everywhere

    with suppress(OSError):  # no pipe, or the user's share of pipe memory is spent
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < PIPE_SIZE:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
