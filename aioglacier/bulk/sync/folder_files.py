"""Files of a folder, opened below it and never through a link.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import os
from typing import Final

from aioglacier.bulk.formats.attributes import read_attributes
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import TreeHash
from aioglacier.files.beneath import Beneath
from aioglacier.files.reading import FileIdentity

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_file(root: str, path: bytes) -> int:
    """Open a file of a folder.

    Raises:
        UnsafePathError: The path leads through a link.
        OSError: The file cannot be opened.
    """
    with Beneath(os.fsencode(root)) as beneath:
        parent, name = beneath.parent(path)
        return os.open(name, _READ, dir_fd=parent)


def hash_file(root: str, path: bytes) -> bytes:
    """Return the tree hash of a file; see ``open_file``."""
    hasher = TreeHash()
    fd = open_file(root, path)
    try:
        while block := os.read(fd, MIB):
            hasher.update(block)
    finally:
        os.close(fd)
    return hasher.digest()


def look_at_file(root: str, path: bytes) -> tuple[FileIdentity, dict[str, bytes]]:
    """Return what a file is, and its extended attributes; see ``open_file``."""
    fd = open_file(root, path)
    try:
        return FileIdentity.of(os.fstat(fd)), read_attributes(fd)
    finally:
        os.close(fd)
