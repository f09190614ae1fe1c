"""The source of the compiled file functions, built again with sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc"),
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does"),
    pytest.mark.skipif(
        not Path(sysconfig.get_path("include"), "Python.h").exists(), reason="needs Python's headers"
    ),
]

SOURCE = Path(__file__).parents[2] / "aioglacier" / "files" / "native_files.c"

PROGRAM = """
import hashlib, os, sys
sys.path.insert(0, sys.argv[1])
import native_files
functions = (lambda *_: bytes(512)), (lambda content: hashlib.sha256(content).digest())
os.chdir(sys.argv[2])
folder = os.open(".", os.O_RDONLY)
for count in (0, 1, 300):
    contents = [os.urandom(number * 37 % 9000) for number in range(count)]
    files = [(b"%d.part" % at, content, 0o640, -1, -1, -at) for at, content in enumerate(contents)]
    assert native_files.write_files(folder, files) == []
    assert native_files.write_files(folder, [(b"x" * 300, b"", 0, -1, -1, 0), *files]) == [0]
    names = [(b"%d.part" % number, b"%d" % number) for number in range(count)]
    assert native_files.name_files(folder, names, False) == []
    assert native_files.name_files(folder, names, True) == list(range(count))
    paths = [b"/".join([b"a" * number] * (number // 50)) + b"b" for number in range(count)]
    wanted = [(b"%d" % at, len(content), paths[at]) for at, content in enumerate(contents)]
    found = native_files.read_members(folder, [*wanted, (b"none", 5, b""), (b".", 4096, b"")], *functions)
    assert [one[0][512:][:one[2]] for one in found[:-2]] == contents and found[-2:] == [None, None]
    assert [one[1] for one in found[:-2]] == [hashlib.sha256(content).digest() for content in contents]
    facts = native_files.look_at(folder, [name for name, *_ in wanted] + [b"none"])
    assert [each[1] for each in facts[:-1]] == [len(content) for content in contents] and facts[-1] is None
    shorter = [(name, size - 1, path) for name, size, path in wanted if size]
    assert set(native_files.read_members(folder, shorter, *functions)) <= {None}
    room = bytearray(1 << 20)
    try:
        hashes = native_files.hash_files(folder, [(name, size) for name, size, _ in wanted], room)
        assert hashes == [hashlib.sha256(content).digest() for content in contents]
    except ValueError:
        pass  # the core was not found, or this CPU lacks the instructions
    for number in range(count):
        os.unlink(b"%d" % number)
for mistake in ([1], [(b"a",)], [(b"a", -1, b"")], [("a", 1, b"")], None, [(b"a\\0", 1, b"")]):
    for name, more in (("write_files", ()), ("read_members", functions), ("look_at", ())):
        function = getattr(native_files, name)
        try:
            function(folder, mistake, *more)
        except (TypeError, ValueError):
            continue
        raise SystemExit(f"{function} took {mistake}")
print("sound")
"""


def test_the_module_trips_no_sanitizer(tmp_path: Path) -> None:
    """Hundreds of files in a call, none, and wrong arguments touch no memory but their own."""
    built, folder = tmp_path / "built", tmp_path / "folder"
    built.mkdir()
    folder.mkdir()
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-fsanitize=address,undefined"]
    flags += ["-fno-sanitize-recover=all", "-shared", "-fPIC", "-DPy_LIMITED_API=0x030B0000"]
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["gcc", *flags, include, SOURCE, "-o", built / "native_files.abi3.so"], check=True)
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, built, folder],
        env=os.environ
        | {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"},  # Python keeps memory to its end
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("sound\n", 0), done.stderr
