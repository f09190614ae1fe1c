"""The service's numbers hang together."""

from __future__ import annotations

from aioglacier.core import limits, planning, treehash


def test_limits_hang_together() -> None:
    """The numbers that follow from others do."""
    assert limits.LEAF_SIZE == limits.MIN_PART_SIZE == treehash.TreeHash.block_size
    assert limits.MAX_ARCHIVE_SIZE == 40_000 * limits.GIB
    assert limits.MAX_PART_SIZE == limits.LEAF_SIZE << 12
    assert limits.MAX_SINGLE_UPLOAD_SIZE <= limits.MAX_PART_SIZE
    planning.check_part_size(planning.DEFAULT_PART_SIZE)
    planning.check_part_size(planning.DEFAULT_STREAM_PART_SIZE)
