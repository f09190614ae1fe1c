"""A target to download to, and bytes of six pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.transfer.conftest import DATA, MIB

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 5 * MIB + 77
BYTES = DATA[:SIZE]

#: With the resources of these tests pieces have 1 MiB.
PIECES = 6


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A path to download to, in a folder of its own."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder / "film.mkv"


def names(target: Path) -> set[str]:
    """Return the names in the folder of a target."""
    return {path.name for path in target.parent.iterdir()}


PARTIAL = {".film.mkv.aioglacier", ".film.mkv.aioglacier.journal"}
