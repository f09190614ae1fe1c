"""The descriptions of the archives that hold folders, for the day when the catalog is lost."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.formats.bundle_format import whole_number
from aioglacier.catalog.folders.entries import Entry
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from aioglacier.core.models import Archive

_BUNDLE_FOLDER: Final = 100
_FILE_FOLDER: Final = 40


def bundle_folder(root: str) -> str:
    """Return the name of a folder as the description of a bundle has room for it."""
    return os.path.basename(root)[-_BUNDLE_FOLDER:]  # noqa: PTH119  # of any bytes


def file_folder(root: str) -> str:
    """Return the name of a folder as the description of a file has room for it."""
    return os.path.basename(root)[-_FILE_FOLDER:]  # noqa: PTH119  # of any bytes


def describe_bundle(root: str | None) -> str:
    """Return a description that no other bundle has, so that a lost upload is found again.

    ``root`` is the folder, ``None`` for an encrypted bundle, which shows nothing of it.
    """
    folder = {"folder": bundle_folder(root)} if root is not None else {}
    return json.dumps({"aioglacier": "bundle", **folder, "id": secrets.token_hex(8)})


def describe_sealed_file() -> str:
    """Return a description that no other encrypted file has, and that shows nothing of the file."""
    return json.dumps({"aioglacier": "file", "id": secrets.token_hex(8)})


def describe_file(path: bytes, root: str, tree: str, *, mode: int, mtime_ns: int, uid: int, gid: int) -> str:
    """Return all that is needed of a file, should the catalog be lost.

    Of a path that is too long the end is kept, and ``cut`` says so.
    """
    facts = {
        "aioglacier": "file",
        "folder": file_folder(root),
        "tree": tree,
        "mode": mode,
        "mtime_ns": mtime_ns,
        "uid": uid,
        "gid": gid,
    }
    shown = os.fsdecode(path)
    text = json.dumps({"path": shown, **facts})
    while len(text) > VAULT.max_description_length:
        # No character is more than 12 in JSON.
        shown = shown[max(1, (len(text) - VAULT.max_description_length) // 12) :]
        text = json.dumps({"path": shown, **facts, "cut": True})
    return text


def read_description(description: str) -> dict[str, Any]:
    """Return the fields of a description, none if another program wrote it."""
    try:
        fields = json.loads(description)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def described_file(archive: Archive, fields: dict[str, Any]) -> Entry | None:
    """Return the version that a file's description tells of; ``None`` if it lacks the whole path."""
    if "path" not in fields or "cut" in fields or not isinstance(fields.get("folder"), str):
        return None
    try:
        return Entry(
            tree=0,
            path=os.fsencode(fields["path"]),
            since=0,
            kind="file",
            size=archive.size,
            mtime_ns=whole_number(fields["mtime_ns"]),
            ctime_ns=0,
            inode=0,
            device=0,
            mode=whole_number(fields["mode"]) & 0o7777,
            uid=whole_number(fields["uid"]),
            gid=whole_number(fields["gid"]),
            target=None,
            extra=None,
            content_hash=None,
            upload=None,
            position=None,
            stored=None,
            compression=None,
            encryption=None,
        )
    except (ValueError, KeyError, TypeError):
        return None
