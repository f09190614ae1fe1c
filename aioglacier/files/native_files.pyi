# The interface of native_files.c; small_files.py describes the functions.

from collections.abc import Sequence

def write_files(
    folder: int, files: Sequence[tuple[bytes, bytes | memoryview, int, int, int, int]], /
) -> list[int]: ...
def name_files(folder: int, files: Sequence[tuple[bytes, bytes]], replaces: bool, /) -> list[int]: ...
def read_files(
    folder: int, files: Sequence[tuple[bytes, int]], /
) -> list[tuple[bytes, int, int, int, int, int, int, int, int] | None]: ...
