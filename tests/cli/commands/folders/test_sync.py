"""``aioglacier sync``: files of patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.commands.folders.sync import read_patterns
from aioglacier.cli.program.session import CommandError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark"])
def test_patterns_are_read_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    """B11: a byte order mark and UTF-16, as editors write them, change no pattern."""
    text = "*.o\r\n/caf\N{LATIN SMALL LETTER E WITH ACUTE}/\n"
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}"
    if encoding.endswith("-mark"):
        content = (mark + text).encode(encoding.removesuffix("-mark"))
    else:
        content = text.encode(encoding)
    (tmp_path / "patterns").write_bytes(content)
    assert read_patterns([str(tmp_path / "patterns")]) == text.split()


def test_names_of_any_bytes_stay_as_they_are(tmp_path: Path) -> None:
    """A name that is not UTF-8 can be excluded, too."""
    (tmp_path / "patterns").write_bytes(b"\xff.o\n")
    assert read_patterns([str(tmp_path / "patterns")]) == ["\udcff.o"]


@pytest.mark.parametrize("content", [b"a\0b\n", b"\xff\xfeabc"])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes) -> None:
    """Patterns that match nothing would archive what was to be left out."""
    (tmp_path / "patterns").write_bytes(content)
    with pytest.raises(CommandError, match="not text"):
        read_patterns([str(tmp_path / "patterns")])
