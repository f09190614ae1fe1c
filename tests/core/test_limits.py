"""The limits of the service fit together."""

from __future__ import annotations

from aioglacier.core import limits, planning, treehash


def test_limits_hang_together() -> None:
    """Limits that follow from others have the value that follows."""
    assert limits.LEAF_SIZE == limits.VAULT.min_part_size == treehash.TreeHash.block_size
    assert limits.VAULT.max_archive_size == 40_000 * limits.GIB
    assert limits.VAULT.max_part_size == limits.LEAF_SIZE << 12
    assert limits.VAULT.max_single_upload_size <= limits.VAULT.max_part_size
    planning.check_part_size(planning.DEFAULT_PART_SIZE)
    planning.check_part_size(planning.DEFAULT_STREAM_PART_SIZE)
