# The interface of native_files.c; small_files.py describes the functions.

from collections.abc import Callable, Sequence

from typing_extensions import Buffer

def write_files(
    folder: int, files: Sequence[tuple[bytes, bytes | memoryview, int, int, int, int]], /
) -> list[int]: ...
def name_files(folder: int, files: Sequence[tuple[bytes, bytes]], replaces: bool, /) -> list[int]: ...
def read_members(
    folder: int,
    files: Sequence[tuple[bytes, int, bytes]],
    make_header: Callable[[bytes, int, int, int, int, int], bytes],
    tree_hash: Callable[[Buffer], bytes],
    /,
) -> list[tuple[bytes, bytes, int, int, int, int, int, int, int, int] | None]: ...
def hash_files(folder: int, files: Sequence[tuple[bytes, int]], room: Buffer, /) -> list[bytes | None]: ...
def look_at(
    folder: int, names: Sequence[bytes], /
) -> list[tuple[int, int, int, int, int, int, int, int, int, int] | None]: ...
