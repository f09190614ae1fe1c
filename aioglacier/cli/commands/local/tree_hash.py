"""``aioglacier tree-hash``: the tree hashes of files, printed as ``sha256sum`` prints its own.

Leaves are hashed in threads, straight from the file: ``hashlib`` lets go of the GIL for each, so one thread
for every core keeps all of them busy, with one leaf of memory each.
"""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.session import worst_exit
from aioglacier.cli.render.escaping import escape
from aioglacier.core.errors import SourceChangedError
from aioglacier.core.limits import LEAF_SIZE, MIB
from aioglacier.core.treehash import TreeHash, combine_leaves
from aioglacier.files.open_flags import BINARY
from aioglacier.files.reading import make_block, read_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.session import Session

#: What one thread hashes at a time.
_STRETCH: Final = 32 * MIB

_SMALL: Final = 4 * MIB
_MAX_THREADS: Final = 8


@make_command("tree-hash")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(session: Session, files: tuple[str, ...]) -> int:
    """Print the SHA-256 tree hash of each FILE, as Glacier computes it; - is standard input.

    Each line has the hash, two spaces and the name, as sha256sum writes it, line breaks in names included.
    """
    codes = []
    for path in files:
        try:
            size, digest = _hash(path)
        except (OSError, SourceChangedError) as error:
            codes.append(tell(session.output, failure_of(error, item=path)))
        else:
            session.output.record({"path": path, "size": size, "tree_hash": digest.hex()}, _text)
    return worst_exit(len(codes), len(files), codes)


def _text(record: Mapping[str, Any]) -> str:
    path = record["path"]
    if sys.stdout is not None and sys.stdout.isatty():
        return f"{record['tree_hash']}  {escape(path)}"
    if any(each in path for each in "\n\r\\"):
        path = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        return f"\\{record['tree_hash']}  {path}"
    return f"{record['tree_hash']}  {path}"


def _hash(path: str) -> tuple[int, bytes]:
    fd = 0 if path == "-" else os.open(path, os.O_RDONLY | BINARY)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "Is a directory", path)
        # Threads pay for large files only.
        if path == "-" or not stat.S_ISREG(status.st_mode) or status.st_size <= _SMALL:
            return _hash_stream(fd)
        leaves = _hash_leaves(fd, status.st_size)
        after = os.fstat(fd)
    finally:
        if path != "-":
            os.close(fd)
    for field in ("size", "mtime_ns"):
        if getattr(status, f"st_{field}") != getattr(after, f"st_{field}"):
            raise SourceChangedError(
                f"its {field.removesuffix('_ns')} changed while it was read",
                path=path,
                field=field.removesuffix("_ns"),
            )
    return status.st_size, combine_leaves(leaves)


def _hash_stream(fd: int) -> tuple[int, bytes]:
    tree, size = TreeHash(), 0
    while block := os.read(fd, MIB):
        tree.update(block)
        size += len(block)
    return size, tree.digest()


def _hash_leaves(fd: int, size: int) -> bytes:
    def stretch(start: int) -> bytes:
        leaf = make_block(LEAF_SIZE)
        leaves = bytearray()
        for offset in range(start, min(start + _STRETCH, size), LEAF_SIZE):
            length = min(LEAF_SIZE, size - offset)
            filled = 0
            while filled < length:
                count = read_at(fd, leaf[filled:length], offset + filled)
                if count == 0:
                    break  # the file was cut short, which its size will show
                filled += count
            leaves += sha256(leaf[:filled]).digest()
        return bytes(leaves)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(min(_MAX_THREADS, cores)) as threads:
        try:
            return b"".join(threads.map(stretch, range(0, size, _STRETCH)))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)  # an error ends all of them at once
            raise
