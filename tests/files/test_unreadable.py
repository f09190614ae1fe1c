"""The errors for files that changed or cannot be read."""

from __future__ import annotations

import errno

from aioglacier.files.unreadable import source_changed, source_unreadable


def test_errors_carry_their_facts() -> None:
    """A program reads path, field, offset and number; the sentence names the next step."""
    changed = source_changed("/film", "size")
    assert (changed.path, changed.field) == ("/film", "size")
    assert "archive it again" in str(changed)
    broken = source_unreadable("/film", 5, OSError(errno.EIO, "Input/output error"))
    assert (broken.path, broken.errno, broken.offset) == ("/film", errno.EIO, 5)
    assert "at byte 5 or after: Input/output error" in str(broken)
