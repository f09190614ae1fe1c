"""The name and facts that were found in a description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class DecodedName:
    r"""The name an archive had with the tool that made it.

    Attributes:
        name: As written, maybe empty. Strangers chose it: it may be absolute, climb with "..", hold "\\", a
            drive letter, NUL or terminal escapes. It is safe to encode, and neither to open nor to print
            as it is.
        modified: When the file was last changed, UTC, where the tool says it.
        tool: Whose way of writing it is, such as "mt-aws-glacier"; "plain" for a description that is in none,
            which is its own name.
    """

    name: str
    modified: datetime | None
    tool: str
