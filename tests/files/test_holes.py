"""Holes in files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.files.holes import dig_holes, write_sparse

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
CONTENT = b"a" * (64 * KIB) + bytes(512 * KIB) + b"b" + bytes(64 * KIB)


@pytest.mark.parametrize(
    "content", [CONTENT, bytes(128 * KIB), b"", b"c"], ids=["mixed", "zeros", "none", "one"]
)
def test_a_file_with_holes_has_the_same_bytes(tmp_path: Path, content: bytes) -> None:
    """Blocks of zeros are left out, also at the end, and read as zeros."""
    with (tmp_path / "file").open("wb+", buffering=0) as file:
        write_sparse(file.fileno(), content)
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no holes without fallocate")
def test_holes_are_dug_into_a_written_file(tmp_path: Path) -> None:
    """The bytes stay, and the zeros give their room back."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb+", buffering=0) as file:
        os.fsync(file.fileno())
        before = path.stat().st_blocks
        dig_holes(file.fileno(), len(CONTENT))
        os.fsync(file.fileno())
    assert path.read_bytes() == CONTENT
    assert path.stat().st_blocks <= before - 448 * KIB // 512
