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
import sqlite3
from base64 import b64decode
from contextlib import closing, contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aioglacier.core.models import Archive

#: The patterns of AWS's tool, faults included, or its keys would differ from ours.
_FAST_GLACIER: Final = re.compile(r"<m>.*</m>|<ArchiveMetadata>.*</ArchiveMetadata>")
_PATH: Final = re.compile(r"<(p|Path)>([^<]+)</\1>")
_JSON: Final = re.compile(r'{\s*\\*".*}\s*')

_CACHE_KIB: Final = 16 * 1024  # the counts of some half a million names

_COUNT: Final = """
    INSERT INTO counts VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count
"""


@contextmanager
def counted_aws_names() -> Iterator[Callable[[Archive], Sequence[str]]]:
    """Give a function that names the next archive, and adds its id for the case that the name is taken.

    It counts the names in a temporary file, because a million of them would take 100 MB of memory.
    """
    with closing(sqlite3.connect("")) as counts:  # SQLite removes the file of a database without a name
        counts.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        counts.execute("CREATE TABLE counts (name INTEGER PRIMARY KEY, count INTEGER)")

        def next_name(archive: Archive) -> Sequence[str]:
            name = aws_name(archive)
            # Two of a million names share one of 64 bits in one of 30 million runs.
            digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
            ((count,),) = counts.execute(_COUNT, (int.from_bytes(digest, "big", signed=True),))
            if count > 1:
                name = f"{name}-{archive.created:%Y-%m-%dT%H:%M:%SZ}-{count}"
            return name, archive.id

        yield next_name


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
