"""Any JSON object with the name under ``path``.

QNAP's Glacier app writes ``{"path": "/a/b.pdf", "type": "file"}``. Source: the notes of public tools that
recover QNAP backups, with recorded inventories.
"""

from __future__ import annotations

import json

from aioglacier.core.descriptions.decoded import DecodedName


def decode(description: str) -> DecodedName | None:
    """Read the object's ``path``."""
    if not description.startswith("{"):
        return None
    try:
        fields = json.loads(description)
    except (ValueError, RecursionError):
        return None
    path = fields.get("path")
    return DecodedName(name=path, modified=None, tool="JSON") if isinstance(path, str) else None
