"""A false clock and a faulty disk for a program under test; see ``lies.c``."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUT = struct.Struct("dddqq256s")


class Lies:
    """The false clock and disk of programs; they may change while programs run.

    Attributes:
        environment: The variables that apply them to a program.
    """

    def __init__(self, library: Path, file: Path, memory: mmap.mmap) -> None:
        self.environment = {"LD_PRELOAD": str(library), "LIES": str(file)}
        self._memory = memory
        self._wall_seconds, self._speed, self._jump = 0.0, 1.0, 0.0
        self._bad: tuple[int, int, bytes] = (-1, 0, b"")
        self._tell()

    def wall(self, seconds: float) -> None:
        """Let the wall clock be this far ahead."""
        self._wall_seconds = seconds
        self._tell()

    def speed(self, times: float) -> None:
        """Let monotonic time run faster by this factor from now on."""
        self._speed = times
        self._tell()

    def jump(self, seconds: float) -> None:
        """Let monotonic time jump, as it does for a stopped program."""
        self._jump = seconds
        self._tell()

    def bad_block(self, name: str, offset: int, *, reads: int) -> None:
        """Let a number of reads of this byte of a file of this name fail with EIO."""
        self._bad = (offset, reads, name.encode())
        self._tell()

    def _tell(self) -> None:
        offset, reads, name = self._bad
        self._memory[: _LAYOUT.size] = _LAYOUT.pack(
            self._wall_seconds, self._speed, self._jump, offset, reads, name
        )


def build(folder: Path) -> Path:
    """Build the library, or skip the test."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("the false clock is a C library, and no compiler is installed")
    library, source = folder / "lies.so", Path(__file__).with_name("lies.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@contextmanager
def lying(library: Path, folder: Path) -> Iterator[Lies]:
    """Yield a clock that is right until it is changed."""
    file = folder / "lies"
    file.write_bytes(bytes(_LAYOUT.size))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
        yield Lies(library, file, memory)
