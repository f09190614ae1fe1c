"""The native core's source, built again: under sanitizers, and for the other kind of CPU in an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from aioglacier.core.treehash import hash_core

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "tests" / "fuzz"
SOURCE = ROOT / "aioglacier" / "core" / "native.c"
INCLUDES = sysconfig.get_path("include")
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

needs_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
needs_instructions = pytest.mark.skipif(
    hash_core() == "hashlib", reason="the core is not built here, or this CPU has no SHA instructions"
)


def run(*command: str | Path, **environment: str) -> str:
    """Return the output of a command, which must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_compiler
@needs_instructions
def test_random_bytes_at_the_very_end_of_memory_trip_no_sanitizer(tmp_path: Path) -> None:
    """The C half against a plain SHA-256: right hashes, and no byte read or written where none is."""
    program = tmp_path / "native"
    run("gcc", *STRICT, *SANITIZERS, FUZZ / "native.c", "-o", program)
    assert run(program, "12", str(os.getpid())).startswith("12 rounds with ")


@needs_compiler
@needs_instructions
@pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does")
@pytest.mark.skipif(not Path(INCLUDES, "Python.h").exists(), reason="needs Python's headers")
def test_the_module_trips_no_sanitizer(tmp_path: Path) -> None:
    """Python with the sanitized module hashes random buffers of all kinds rightly."""
    flags = ("-shared", "-fPIC", "-DPy_LIMITED_API=0x030B0000", f"-I{INCLUDES}")
    run("gcc", *STRICT, *SANITIZERS, *flags, SOURCE, "-o", tmp_path / "native.abi3.so")
    # Python keeps memory to its end, which is no leak.
    answer = run(
        sys.executable,
        FUZZ / "native.py",
        "1",
        tmp_path,
        LD_PRELOAD=run("gcc", "-print-file-name=libasan.so").strip(),
        ASAN_OPTIONS="detect_leaks=0",
    )
    assert "archives with" in answer


@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="needs gcc-aarch64-linux-gnu")
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-user")
def test_the_arm_instructions_give_the_right_hashes(tmp_path: Path) -> None:
    """The same random bytes through the Arm half of the source, built by gcc and run by an emulated CPU."""
    program = tmp_path / "native"
    run("aarch64-linux-gnu-gcc", *STRICT, "-O2", "-static", FUZZ / "native.c", "-o", program)
    assert run("qemu-aarch64", program, "15", str(os.getpid())) == "15 rounds with Armv8 SHA-2\n"
