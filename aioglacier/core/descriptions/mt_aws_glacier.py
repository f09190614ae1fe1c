"""mt-aws-glacier: ``mt2 `` and the base64url, without padding, of ``{"filename": ..., "mtime": ...}``.

``mtime`` is ``YYYYMMDDTHHMMSSZ``. The JSON is UTF-8; in ``mt1``, of January 2013, it is UTF-8 encoded twice.
Source: the format's description in that project's lib/App/MtAws/MetaData.pm.
"""

from __future__ import annotations

import base64
import json

from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.text import parse_utc


def decode(description: str) -> DecodedName | None:
    """Read ``mt1`` and ``mt2``."""
    marker, _, encoded = description.partition(" ")
    if marker not in {"mt1", "mt2"}:
        return None
    encoded = encoded.strip().rstrip("=")
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
        if marker == "mt1":
            text = text.encode("latin-1").decode()
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("filename"), str):
        return None
    modified = fields.get("mtime")
    return DecodedName(
        name=fields["filename"],
        modified=parse_utc(modified) if isinstance(modified, str) else None,
        tool="mt-aws-glacier",
    )
