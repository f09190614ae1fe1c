"""The descriptions of archives that hold folders; a recovery rebuilds a lost catalog from them."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats.bundle_format import kept_time, whole_number
from aioglacier.catalog.folders.entry_records import Entry
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from aioglacier.core.models import Archive

_BUNDLE_FOLDER: Final = 100
_FILE_FOLDER: Final = 40


def bundle_folder(root: str) -> str:
    """Return the end of a folder's name that fits into the description of a bundle."""
    return os.path.basename(root)[-_BUNDLE_FOLDER:]  # noqa: PTH119  # of any bytes


def file_folder(root: str) -> str:
    """Return the end of a folder's name that fits into the description of a file."""
    return os.path.basename(root)[-_FILE_FOLDER:]  # noqa: PTH119  # of any bytes


def describe_bundle(root: str | None) -> str:
    """Return a unique description for a bundle, by which a lost upload can be found.

    ``root`` is the folder; ``None`` for an encrypted bundle, which hides it.
    """
    folder = {"folder": bundle_folder(root)} if root is not None else {}
    return json.dumps({"aioglacier": "bundle", **folder, "id": secrets.token_hex(8)})


def describe_sealed_file() -> str:
    """Return a unique description for an encrypted file, which hides its path."""
    return json.dumps({"aioglacier": "file", "id": secrets.token_hex(8)})


def describe_file(entry: Entry, root: str, tree: str) -> str:
    """Return a description with all facts of a file that a recovery needs.

    A path that is too long loses its beginning, and ``cut`` is set.
    """
    facts = {
        "aioglacier": "file",
        "folder": file_folder(root),
        "tree": tree,
        "mode": entry.mode,
        "mtime_ns": entry.mtime_ns,
        "uid": entry.uid,
        "gid": entry.gid,
    }
    shown = os.fsdecode(entry.path)
    text = json.dumps({"path": shown, **facts})
    while (excess := len(text) - VAULT.max_description_length) > 0:
        shown = shown[max(1, excess // 12) :]  # one character takes up to 12 in JSON
        text = json.dumps({"path": shown, **facts, "cut": True})
    return text


def name_bundle() -> str:
    """Return a unique name for a bundle, for a place that keeps archives by name."""
    return f"bundles/{secrets.token_hex(8)}.tar"


def name_file(path: bytes | None) -> str:
    """Return a unique name for the archive of one file; without a path, the name hides it."""
    unique = secrets.token_hex(8)
    if path is None:
        return f"files/{unique}.age"
    shown = path.rpartition(b"/")[2].decode(errors="replace")
    return f"files/{unique}/{''.join(each if each.isprintable() else '_' for each in shown)}"


def read_description(description: str) -> dict[str, Any]:
    """Return the fields of a description, none if another program wrote it."""
    try:
        fields = json.loads(description)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def described_file(archive: Archive, fields: dict[str, Any]) -> Entry | None:
    """Return the version in the description of a file; ``None`` if its path is missing or cut."""
    if "path" not in fields or "cut" in fields or not isinstance(fields.get("folder"), str):
        return None
    try:
        return Entry(
            tree=0,
            path=os.fsencode(fields["path"]),
            since=0,
            kind="file",
            size=archive.size,
            mtime_ns=kept_time(fields["mtime_ns"]),
            ctime_ns=0,
            inode=0,
            device=0,
            mode=whole_number(fields["mode"]) & 0o7777,
            uid=whole_number(fields["uid"]),
            gid=whole_number(fields["gid"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
