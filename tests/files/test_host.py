"""The machine and its user: a name in any case, and a folder for that user alone."""

from __future__ import annotations

import getpass
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aioglacier.files import host
from aioglacier.files.host import data_folder, find_function, prepare_folder, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "linux":
    import fcntl

linux = pytest.mark.skipif(sys.platform != "linux", reason="pipes have one size elsewhere")


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often run as a number that no list of users knows."""

    def fail() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", fail)
    assert user_name() == str(os.getuid())


@pytest.mark.parametrize(
    ("variable", "expected"), [("/data", "/data/aioglacier"), ("data", None), ("", None), (None, None)]
)
def test_the_data_folder_is_where_the_variable_says(
    variable: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path in it is ignored, as the specification has it."""
    if variable is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", variable)
    assert data_folder() == Path(expected or Path.home() / ".local" / "share" / "aioglacier")


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """A folder that is there keeps its mode."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    prepare_folder(folder)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent, tmp_path)] == [
        0o700,
        0o700,
        0o755,
    ]


def test_a_function_that_the_c_library_lacks_is_none() -> None:
    """The caller then takes another way."""
    assert find_function("no_function_of_this_name") is None


# --- memory

_FREE_BLOCKS = """
import sys
from pathlib import Path
from aioglacier.files.host import return_freed_memory

def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines()
                if line.startswith("VmRSS:"))

if sys.argv[1:]:
    return_freed_memory()
large = bytes(bytearray(b"1") * 2**22)
del large  # from now on glibc keeps blocks of up to 4 MiB
before = resident()
blocks = [bytearray(b"1") * 300_000 for _ in range(200)]
last = bytearray(b"1") * 100_000  # the heap cannot shrink below it
del blocks
print(resident() - before)
"""


@linux
@pytest.mark.skipif(find_function("mallopt") is None, reason="only glibc keeps freed blocks")
def test_freed_blocks_go_back_to_the_system() -> None:
    """A process that freed a large block keeps later ones, unless it asks for their return."""
    kept, returned = (
        int(
            subprocess.run(
                [sys.executable, "-c", _FREE_BLOCKS, *words], capture_output=True, check=True
            ).stdout
        )
        for words in ([], ["return"])
    )
    assert kept > 50_000  # of 58,594 KiB; or the other figure would show nothing
    assert returned < 2_000


_HEAPS = """
import ctypes, sys, threading
from aioglacier.files.host import return_freed_memory

if sys.argv[1:]:
    return_freed_memory()
together = threading.Barrier(4)

def take():
    block = bytearray(100_000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
library.malloc_info(0, ctypes.c_void_p(library.fdopen(1, b"w")))
library.fflush(None)
"""


@linux
@pytest.mark.skipif(find_function("malloc_info") is None, reason="only glibc has several heaps")
def test_threads_share_one_heap() -> None:
    """By default each thread gets its own, and each heap keeps what its threads freed."""
    several, one = (
        subprocess.run([sys.executable, "-c", _HEAPS, *words], capture_output=True, check=True).stdout.count(
            b"<heap nr="
        )
        for words in ([], ["return"])
    )
    assert several > 1  # or the other figure would show nothing
    assert one == 1


# --- pipes


@pytest.fixture
def pipe() -> Iterator[int]:
    """One end of a pipe."""
    ends = os.pipe()
    yield ends[1]
    for end in ends:
        os.close(end)


@linux
def test_a_pipe_is_made_to_hold_a_mib(pipe: int) -> None:
    """Every user may enlarge a pipe to this size."""
    host.enlarge_pipe(pipe)
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == host.PIPE_SIZE == 1024 * 1024


@linux
def test_a_larger_pipe_stays_as_it_is(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that made the pipe larger had a reason."""
    size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    monkeypatch.setattr(host, "PIPE_SIZE", size // 2)
    host.enlarge_pipe(pipe)
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == size


@linux
def test_what_is_no_pipe_is_left_alone() -> None:
    """A socket or a terminal takes what it takes."""
    with Path(os.devnull).open("rb") as file:
        host.enlarge_pipe(file.fileno())
