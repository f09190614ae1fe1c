"""Tree hashes of files, as sha256sum prints them."""

from __future__ import annotations

import hashlib
import os

from aioglacier.core.treehash import tree_hash
from tests.cli.conftest import MIB, Cli, data


def test_tree_hashes_look_like_sha256sum(bare: Cli) -> None:
    """The hash, two spaces, the name; up to 1 MiB it is the SHA-256 itself."""
    small, large = data(1000), data(33 * MIB + 5)
    (bare.folder / "small").write_bytes(small)
    (bare.folder / "large").write_bytes(large)
    (bare.folder / "empty").write_bytes(b"")
    assert bare("tree-hash", "small", "large", "empty").text == (
        f"{hashlib.sha256(small).hexdigest()}  small\n"
        f"{tree_hash(large).hex()}  large\n"
        f"{hashlib.sha256().hexdigest()}  empty\n"
    )
    assert bare("tree-hash", "-", stdin=large).text == f"{tree_hash(large).hex()}  -\n"
    record = bare("--json", "tree-hash", "large").record
    assert record == {"path": "large", "size": len(large), "tree_hash": tree_hash(large).hex()}


def test_tree_hashes_go_on_after_a_file_that_cannot_be_read(bare: Cli) -> None:
    """Each failure is printed; exit 3 for several files, exit 1 for one."""
    (bare.folder / "good").write_bytes(b"good")
    done = bare("tree-hash", "missing", "good", ".", code=3)
    assert done.text.endswith("  good\n")
    assert done.err.splitlines() == [
        "aioglacier: missing: No such file or directory",
        "aioglacier: .: Is a directory",
    ]
    bare("tree-hash", "missing", code=1)


def test_a_line_break_in_a_name_stays_in_its_line(bare: Cli) -> None:
    """As sha256sum has it: a backslash in front of the line, and the break escaped."""
    (bare.folder / "two\nlines").write_bytes(b"")
    (bare.folder / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert bare("tree-hash", "two\nlines").text.startswith("\\")
    assert bare("tree-hash", "two\nlines").text.endswith("  two\\nlines\n")


def test_pipes_and_devices_are_hashed_as_streams(bare: Cli) -> None:
    """A file without a size is read to its end."""
    assert bare("tree-hash", "/dev/null").text == f"{hashlib.sha256().hexdigest()}  /dev/null\n"
