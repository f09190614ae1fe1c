"""A folder of many paths to a bucket and back; ``bucket_folder.py`` has the run of 50,000."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bulk.conftest import MIB
from tests.endurance.bucket_folder import travel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("storage_class", "restored"), [("GLACIER_IR", 0), ("DEEP_ARCHIVE", 1)])
async def test_many_paths_come_back_and_one_member_costs_a_range(
    tmp_path: Path, storage_class: str, restored: int
) -> None:
    """Each path comes back, and one member takes at most 3 MiB of the server, and one restore if any."""
    done = await travel(tmp_path, 1500, storage_class)
    assert done.restored == restored
    assert done.is_same
    assert done.findings == 0
    assert 0 < done.member_sent <= 3 * MIB
