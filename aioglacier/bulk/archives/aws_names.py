"""The keys that AWS's own tool gives to the archives of a vault that it transfers to S3.

Source: aws-solutions/data-transfer-from-amazon-s3-glacier-vaults-to-amazon-s3, archive_naming.py:

- FastGlacier's path, the ``Path`` or ``path`` of JSON, or else the whole description, stripped.
- ``00undefined/ID`` without a name, ``00error/ID`` where FastGlacier's format cannot be read.
- Two backslashes become "/".
- The first of several archives of one name keeps it; the second gets ``NAME-DATE-2``, and so on.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.core.models import Archive

#: The patterns of AWS's tool, faults included, or its keys would differ from ours.
_FAST_GLACIER: Final = re.compile(r"<m>.*</m>|<ArchiveMetadata>.*</ArchiveMetadata>")
_PATH: Final = re.compile(r"<(p|Path)>([^<]+)</\1>")
_JSON: Final = re.compile(r'{\s*\\*".*}\s*')


class AwsNames:
    """Names archives in the order of the inventory; it keeps some 100 bytes for each name in memory."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def __call__(self, archive: Archive) -> Sequence[str]:
        """Return the name of the next archive, and its id, for the case that the name is taken."""
        name = aws_name(archive)
        # Hashes take less memory: two of a million names share one of 64 bits in one of 30 million runs.
        count = self._counts[hash(name)] = self._counts.get(hash(name), 0) + 1
        if count > 1:
            name = f"{name}-{archive.created:%Y-%m-%dT%H:%M:%SZ}-{count}"
        return name, archive.id


def aws_name(archive: Archive) -> str:
    """Return the name of an archive, without the suffix that tells archives of one name apart."""
    try:
        name = _read(archive.description.strip()).strip() or f"00undefined/{archive.id}"
    except ValueError:
        name = f"00error/{archive.id}"
    return name.replace("\\\\", "/")


def _read(description: str) -> str:
    if _FAST_GLACIER.search(description):
        path = _PATH.search(description)
        if path is None or not _FAST_GLACIER.fullmatch(description.strip("'").strip('"')):
            raise ValueError(description)
        return b64decode(path[2]).decode(errors="ignore")
    if _JSON.search(description):
        try:
            fields = json.loads(description)
        except (ValueError, RecursionError):
            return description
        path = (fields.get("Path") or fields.get("path")) if isinstance(fields, dict) else None
        return path if isinstance(path, str) else description
    return description
