r"""Safe names for archives at a target, made from their descriptions.

Any program may have written a description, so each step of a path is made safe:

- Folders are separated by "/"; in a name without one, by "\", as Windows writes it. Empty steps, "." and
  the colon of a drive letter are dropped.
- ".." and control characters are written as percent escapes, and so is a "/" at the end, which marks a
  folder.
- A step longer than 200 bytes is cut, and gets the beginning of the archive's id.
- An archive without a name gets its id.

If several archives have one name, the first of the inventory has it. Each later one gets its creation date,
as ``photo (20140506T070809Z).jpg``; if that is taken, too, its date and id.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aioglacier.core.inventory.descriptions import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.core.models import Archive

#: Bytes of a step that is kept whole: file systems allow 255, and a suffix must fit.
_LONGEST_STEP: Final = 200

#: Bytes of a whole name: S3 allows keys of 1,024, and a prefix must fit.
_LONGEST_NAME: Final = 800

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")

#: Characters of an id that tell cut names apart.
_ID_START: Final = 12


def names_of(archive: Archive) -> Sequence[str]:
    """Return the names to try for an archive, the best first; the last is unique."""
    name = safe_name(archive)
    date = f"{archive.created:%Y%m%dT%H%M%SZ}"
    # A whole id has 138 characters, and would make a long step longer than file systems allow.
    return name, _with(name, date), _with(name, f"{date} {archive.id[:40]}"), archive.id


def safe_name(archive: Archive) -> str:
    """Return the safe form of the name in the description of an archive; its id if there is no name."""
    raw = decode(archive.description).name
    steps = [_safe_step(step, archive) for step in _split(raw)]
    name = "/".join(steps)
    if raw.endswith(("/", "\\")) and name:
        name += "%2F"
    if len(name.encode()) > _LONGEST_NAME:
        name = _cut(name, _LONGEST_NAME, archive)
    return name or archive.id


def is_escaped(archive: Archive, name: str) -> bool:
    """Return whether the name of an archive at its target differs from that in its description."""
    said = decode(archive.description).name
    return bool(said) and said.removeprefix("/") != name


def _split(name: str) -> list[str]:
    separator = "/" if "/" in name or "\\" not in name else "\\"
    steps = [step for step in name.split(separator) if step not in {"", "."}]
    if steps and _DRIVE.fullmatch(steps[0]):
        steps[0] = steps[0][0]
    return steps


def _safe_step(step: str, archive: Archive) -> str:
    if step == "..":
        return "%2E%2E"
    safe = _CONTROL.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), step)
    return safe if len(safe.encode()) <= _LONGEST_STEP else _cut(safe, _LONGEST_STEP, archive)


def _cut(text: str, size: int, archive: Archive) -> str:
    # The cut may halve a character, or end in "/" and make the id a step of its own.
    return f"{text.encode()[:size].decode(errors='ignore').rstrip('/')}~{archive.id[:_ID_START]}"


def _with(name: str, remark: str) -> str:
    """Return a name with a remark before its suffix."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    if not stem:
        stem, dot, suffix = last, "", ""
    return f"{folder}{slash}{stem} ({remark}){dot}{suffix}"
