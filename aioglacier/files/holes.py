"""Holes in files: blocks of zeros that take no room on disk."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from aioglacier.files.host import find_function

#: The blocks of common file systems; a hole is one or more of them.
_BLOCK: Final = 4096

#: Blocks of a written file that are looked at together: each look is a read.
_AT_ONCE: Final = 16 * _BLOCK

_PUNCH_HOLE: Final = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE


def write_sparse(file: int, content: bytes | memoryview) -> None:
    """Write the content of a new file, and leave out its blocks of zeros."""
    zeros = bytes(_BLOCK)
    for at in range(0, len(content), _BLOCK):
        block = bytes(content[at : at + _BLOCK])
        if block != zeros[: len(block)]:
            os.pwrite(file, block, at)
    os.ftruncate(file, len(content))  # a hole at the end was not written


def dig_holes(file: int, size: int) -> None:
    """Give the blocks of zeros of a file back to the file system if it can take them."""
    fallocate = find_function("fallocate")
    if fallocate is None:
        return
    zeros = bytes(_AT_ONCE)
    for at in range(0, size - size % _AT_ONCE, _AT_ONCE):
        if os.pread(file, _AT_ONCE, at) == zeros:
            fallocate(file, _PUNCH_HOLE, ctypes.c_int64(at), ctypes.c_int64(_AT_ONCE))
