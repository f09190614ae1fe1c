"""FastGlacier, and the tools with the same format: QNAP's Hybrid Backup Sync, CrushFTP.

Versions 2 to 4 read ``<m><v>4</v><p>PATH</p><lm>20120821T170824Z</lm></m>``, from version 3 on maybe with
``<ce>compressed:encrypted:md5:size</ce>`` behind; version 1 is ``<ArchiveMetadata><Path>PATH</Path>...``.
PATH is the base64 of the name in UTF-8. A name that ends in "/" is a folder, an archive of one byte. White
space between and inside the tags occurs, and so do quotes around all of it, from CSV that was read naively.
Sources: fastglacier.com/fastglacier-metadata-format.aspx; the tests of AWS's own transfer of vaults to S3.

The tags are found by pattern: the text is untrusted, and an XML parser would expand its entities.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from aioglacier.core.descriptions.decoded import DecodedName
from aioglacier.core.text import parse_utc

_OUTER: Final = re.compile(r"<m>.*</m>|<ArchiveMetadata>.*</ArchiveMetadata>", re.DOTALL)
_PATH: Final = re.compile(r"<(p|Path)>([A-Za-z0-9+/=\s]*)</\1>")
_MODIFIED: Final = re.compile(r"<lm>\s*([0-9TZ:.-]{1,40})\s*</lm>")


def decode(description: str) -> DecodedName | None:
    """Read versions 1 to 4."""
    description = description.strip("\"'").strip()
    path = _PATH.search(description)
    if path is None or not _OUTER.fullmatch(description):
        return None
    try:
        name = base64.b64decode("".join(path[2].split()), validate=True).decode(errors="replace")
    except ValueError:
        return None
    modified = _MODIFIED.search(description)
    return DecodedName(
        name=name, modified=parse_utc(modified[1]) if modified is not None else None, tool="FastGlacier"
    )
