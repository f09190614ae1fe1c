"""The comparison of a scan with the catalog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioglacier.bulk.filters import make_filter
from aioglacier.bulk.sync.compare import Comparison, Known
from aioglacier.bulk.sync.scan import Scan
from aioglacier.catalog.folders.entry_records import Standing

if TYPE_CHECKING:
    from pathlib import Path


def test_comparison_tells_new_changed_gone_and_same_apart(tmp_path: Path) -> None:
    """Each change once, in order; the same costs nothing."""
    for name in ("a", "b", "d"):
        (tmp_path / name).write_text(name)
    before = [
        Known(*found[:10], number, None, None, Standing.PROVEN)
        for number, found in enumerate(Scan(os.fsencode(tmp_path)))
    ]
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("longer")
    (tmp_path / "c").touch()
    comparison = Comparison(Scan(os.fsencode(tmp_path)), iter(before))
    changes = [
        ((change.found or change.known or before[0]).path, change.found is None, change.known is None)
        for change in comparison
    ]
    assert changes == [(b"", False, False), (b"a", True, False), (b"b", False, False), (b"c", False, True)]
    assert comparison.unchanged == 1


def test_what_is_excluded_now_is_not_gone(tmp_path: Path) -> None:
    """The scan leaves it out, and its record stays."""
    (tmp_path / "kept").touch()
    before = [Known(*found[:10], 0, None, None, Standing.PROVEN) for found in Scan(os.fsencode(tmp_path))]
    path_filter = make_filter(["kept"])
    comparison = Comparison(Scan(os.fsencode(tmp_path), path_filter), iter(before), path_filter=path_filter)
    assert list(comparison) == []
