"""The known name that is nearest to a mistyped one, for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the known name that is nearest, nothing if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  # only for an error

    found = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {found[0]!r}?" if found else ""
