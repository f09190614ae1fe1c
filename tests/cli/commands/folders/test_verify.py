"""A folder is compared by the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.bulk.conftest import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def test_verify_tells_rot_from_change_by_its_exit_code(program: Cli, tmp_path: Path) -> None:
    """3 for a folder that has changed, 4 for a disk that has."""
    tree = make_tree(tmp_path / "tree")
    program("sync", "tree", "photos")
    status = (tree / "private").stat()
    (tree / "private").write_bytes(b"changed")
    assert "changed: private" in program("verify", "tree", "photos", code=3).text
    (tree / "private").write_bytes(b"secreT")
    os.utime(tree / "private", ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert "rotten: private" in program("verify", "tree", "photos", code=4).text
