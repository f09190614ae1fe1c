"""Files of a folder are reached below it only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.scan import Scan
from aioglacier.bulk.sync.sync import FolderSync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aioglacier.bulk.sync.scan import Found
    from tests.bulk.conftest import Place


@pytest.mark.parametrize("size", [100, 5000])
async def test_a_folder_that_is_swapped_for_a_link_as_a_whole_leads_nowhere(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The run reads the folder that it scanned, and nothing of what takes its place."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder, content in ((tree, b"i" * size), (outside, b"o" * size)):
        folder.mkdir()
        (folder / "f").write_bytes(content)
    (tree / "f").touch()
    scanned = Scan.__iter__

    def swap(scan: Scan) -> Iterator[Found]:
        yield from scanned(scan)
        tree.rename(tmp_path / "was")
        tree.symlink_to(outside)

    monkeypatch.setattr(Scan, "__iter__", swap)
    async with place.vault() as vault:
        sync = FolderSync(vault, tree, SyncOptions(largest_member=1000))
        await sync.run()
    await place.restore(tmp_path / "back")
    back = tmp_path / "back" / "f"
    assert not back.exists() or back.read_bytes() == b"i" * size
