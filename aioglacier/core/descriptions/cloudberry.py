"""CloudBerry: ``{"Path":"...","UTCDateModified":"20100310T110623Z","Flags":1}``.

The path is in UTF-7, so ``c01+AF8-s0010`` is ``c01_s0010``; a path that is not UTF-7 is taken as it is. Flags
add up 1 for compressed and 2 for encrypted; not every version writes them. Sources: its makers' answer on
Stack Overflow; the tests of AWS's own transfer of vaults to S3, where ``path`` occurs as well.
"""

from __future__ import annotations

import json

from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.text import parse_utc


def decode(description: str) -> DecodedName | None:
    """Read CloudBerry's JSON."""
    if not description.startswith("{"):
        return None
    try:
        fields = json.loads(description)
    except (ValueError, RecursionError):
        return None
    path = fields.get("Path", fields.get("path") if "UTCDateModified" in fields else None)
    if not isinstance(path, str):
        return None
    modified = fields.get("UTCDateModified")
    return DecodedName(
        name=_from_utf7(path),
        modified=parse_utc(modified) if isinstance(modified, str) else None,
        tool="CloudBerry",
    )


def _from_utf7(path: str) -> str:
    try:
        return path.encode("ascii").decode("utf-7")
    except ValueError:
        return path
