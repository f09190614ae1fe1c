"""File names that other tools left in archive descriptions.

Glacier has no file names, so each tool writes them into the description in its own format. ``decode`` reads
the known formats; a further one is a function here and its name in ``DECODERS``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.inventory.text import parse_utc, without_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class DecodedName:
    r"""The name that an archive had with the tool that made it.

    Attributes:
        name: As written, maybe empty. Strangers chose it: it may be absolute, climb with "..", hold "\\", a
            drive letter, NUL or terminal escapes. It is safe to encode, and neither to open nor to print
            as it is.
        modified: When the file was last changed, UTC, if the tool wrote it.
        tool: The tool whose format it is, such as "mt-aws-glacier"; "plain" for a description in no known
            format, which is its own name.
    """

    name: str
    modified: datetime | None
    tool: str


def decode(description: str) -> DecodedName:
    """Return the name in a description: decoded if a known tool wrote it, otherwise the description itself.

    It never raises. The name is unverified text, so show it, and never rely on it.
    """
    stripped = description.strip()
    for decoder in DECODERS:
        found = decoder(stripped)
        if found is not None and found.name:
            return DecodedName(without_lone_surrogates(found.name), found.modified, found.tool)
    return DecodedName(without_lone_surrogates(description), None, "plain")


def describe_name(name: str) -> str:
    """Return the description for a name: the name, or JSON if ``decode`` would not give it back."""
    if name.isascii() and name.isprintable() and decode(name).name == name:
        return name
    return json.dumps({"path": name})


def decode_mt_aws_glacier(description: str) -> DecodedName | None:
    """Read ``mt2 `` and the base64url, without padding, of ``{"filename": ..., "mtime": ...}``.

    ``mtime`` is ``YYYYMMDDTHHMMSSZ``. The JSON is UTF-8; in ``mt1``, of January 2013, it is UTF-8 encoded
    twice. Source: the format's description in that project's lib/App/MtAws/MetaData.pm.
    """
    marker, _, encoded = description.partition(" ")
    if marker not in {"mt1", "mt2"}:
        return None
    encoded = encoded.strip().rstrip("=")
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
        fields = _object(text.encode("latin-1").decode() if marker == "mt1" else text)
    except ValueError:
        return None
    return _named("mt-aws-glacier", fields.get("filename"), fields.get("mtime"))


# The tags are found by pattern: the text is untrusted, and an XML parser would expand its entities.
_OUTER: Final = re.compile(r"<m>.*</m>|<ArchiveMetadata>.*</ArchiveMetadata>", re.DOTALL)
_PATH: Final = re.compile(r"<(p|Path)>([A-Za-z0-9+/=\s]*)</\1>")
_MODIFIED: Final = re.compile(r"<lm>\s*([0-9TZ:.-]{1,40})\s*</lm>")


def decode_fastglacier(description: str) -> DecodedName | None:
    """Read FastGlacier's format, which QNAP's Hybrid Backup Sync and CrushFTP write as well.

    Versions 2 to 4 read ``<m><v>4</v><p>PATH</p><lm>20120821T170824Z</lm></m>``, from version 3 on maybe with
    ``<ce>compressed:encrypted:md5:size</ce>`` behind; version 1 is ``<ArchiveMetadata><Path>PATH</Path>...``.
    PATH is the base64 of the name in UTF-8. A name that ends in "/" is a folder, an archive of one byte.
    White space between and inside the tags occurs, and so do quotes around all of it, from CSV that was read
    naively. Sources: fastglacier.com/fastglacier-metadata-format.aspx; the tests of AWS's own transfer of
    vaults to S3.
    """
    description = description.strip("\"'").strip()
    path = _PATH.search(description)
    if path is None or not _OUTER.fullmatch(description):
        return None
    try:
        name = base64.b64decode("".join(path[2].split()), validate=True).decode(errors="replace")
    except ValueError:
        return None
    modified = _MODIFIED.search(description)
    return _named("FastGlacier", name, modified and modified[1])


def decode_cloudberry(description: str) -> DecodedName | None:
    """Read ``{"Path":"...","UTCDateModified":"20100310T110623Z","Flags":1}``.

    The path is in UTF-7, so ``c01+AF8-s0010`` is ``c01_s0010``; a path that is not UTF-7 is taken as it is.
    Flags add up 1 for compressed and 2 for encrypted; not every version writes them. Sources: its makers'
    answer on Stack Overflow; the tests of AWS's own transfer of vaults to S3, where ``path`` occurs as well.
    """
    fields = _object(description)
    modified = fields.get("UTCDateModified")
    path = fields.get("Path", fields.get("path") if "UTCDateModified" in fields else None)
    with contextlib.suppress(ValueError):  # it is no UTF-7
        path = path.encode("ascii").decode("utf-7") if isinstance(path, str) else None
    return _named("CloudBerry", path, modified)


def decode_json_path(description: str) -> DecodedName | None:
    """Read any JSON object with the name under ``path``, as QNAP's Glacier app writes it.

    Source: the notes of public tools that recover QNAP backups, with recorded inventories.
    """
    return _named("JSON", _object(description).get("path"), None)


def decode_folder_archive(description: str) -> DecodedName | None:
    """Read what ``sync`` writes: ``{"aioglacier": "bundle", "folder": "tree", "id": "93d4c0516aa7cb05"}``.

    Encrypted archives name no folder.
    """
    fields = _object(description)
    kind, unique, folder = (fields.get(key) for key in ("aioglacier", "id", "folder"))
    if kind not in {"bundle", "file"} or not isinstance(unique, str):
        return None
    if isinstance(folder, str):
        return _named("aioglacier", f"{folder}-{kind}-{unique}.tar", None)
    return _named("aioglacier", f"{kind}-{unique}{'.tar' if kind == 'bundle' else ''}.age", None)


#: Each takes a description without white space around it and returns its contents, or ``None`` if it is in
#: another format. No decoder may raise. CloudBerry's JSON is tried before other JSON.
DECODERS: Final[tuple[Callable[[str], DecodedName | None], ...]] = (
    decode_mt_aws_glacier,
    decode_fastglacier,
    decode_cloudberry,
    decode_json_path,
    decode_folder_archive,
)


def _object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for any other text."""
    try:
        fields = json.loads(text) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _named(tool: str, name: Any, modified: Any) -> DecodedName | None:
    if not isinstance(name, str):
        return None
    return DecodedName(name, parse_utc(modified) if isinstance(modified, str) else None, tool)
