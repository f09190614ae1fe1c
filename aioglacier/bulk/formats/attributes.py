"""Extended attributes and holes, which few files have: read from disk and kept as ``Entry.extra``."""

from __future__ import annotations

import base64
import binascii
import json
import os
from contextlib import suppress
from typing import Any, Final, NamedTuple

#: Only attributes that users set are kept; others belong to the system.
_PREFIX: Final = "user."


class Extra(NamedTuple):
    """The decoded ``Entry.extra``."""

    attributes: dict[str, bytes]  # extended attributes by name; all names begin with ``user.``
    is_sparse: bool  # whether the file had holes


def read_attributes(fd: int) -> dict[str, bytes]:
    """Return the extended attributes that users gave to an open file."""
    found: dict[str, bytes] = {}
    try:
        names = os.listxattr(fd)
    except (OSError, AttributeError):  # the file system, or the system, has none
        return found
    for name in names:
        if name.startswith(_PREFIX):
            with suppress(OSError):  # removed since it was listed
                found[name] = os.getxattr(fd, name)
    return found


def encode_extra(attributes: dict[str, bytes], *, has_holes: bool = False) -> bytes | None:
    """Return attributes and holes as ``Entry.extra`` keeps them, ``None`` for a file without either."""
    extra: dict[str, Any] = {}
    if attributes:
        extra["xattrs"] = {name: base64.b64encode(value).decode() for name, value in attributes.items()}
    if has_holes:
        extra["sparse"] = True
    return json.dumps(extra).encode() if extra else None


def decode_extra(extra: bytes | None) -> Extra:
    """Return the attributes and holes that ``Entry.extra`` holds.

    An index from a vault may hold anything here, so attributes that ``encode_extra`` would not write are left
    out.
    """
    if not extra:  # nearly all files have none
        return Extra({}, is_sparse=False)
    try:
        fields = json.loads(extra)
    except (ValueError, RecursionError):
        fields = {}
    given = fields.get("xattrs") if isinstance(fields, dict) else None
    attributes: dict[str, bytes] = {}
    for name, text in given.items() if isinstance(given, dict) else ():
        if name.startswith(_PREFIX) and "\0" not in name and isinstance(text, str):
            with suppress(binascii.Error, ValueError):
                attributes[name] = base64.b64decode(text, validate=True)
    return Extra(attributes, isinstance(fields, dict) and fields.get("sparse") is True)
