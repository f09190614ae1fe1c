"""Tags of a vault."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.server.operations.vaults.vaults import find_vault
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import invalid, limit_exceeded, missing
from aioglacier.server.requests.call import NO_CONTENT, Answer, VaultCall, document

if TYPE_CHECKING:
    import sqlite3

_TEXT: Final = re.compile(r"[\w\s.:/=+\-@]*")


async def add_tags_to_vault(call: VaultCall) -> Answer:
    """AddTagsToVault: all of them, or none if they would be too many."""
    tags = call.document().get("Tags")
    if tags is None:
        raise missing("Tags")
    if not isinstance(tags, dict) or not 1 <= len(tags) <= VAULT.max_tags_per_request:
        raise invalid(behaviour.BAD_TAG_COUNT.format(limit=VAULT.max_tags_per_request))
    for key, value in tags.items():
        if not _is_tag(key, value):
            raise invalid(behaviour.BAD_TAG.format(tag=key))
    await call.commit(partial(_add, call=call, tags=tags))
    return NO_CONTENT


def _is_tag(key: str, value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(key) <= VAULT.max_tag_key_length
        and len(value) <= VAULT.max_tag_value_length
        and bool(_TEXT.fullmatch(key) and _TEXT.fullmatch(value))
        and not key.lower().startswith("aws:")
    )


def _add(db: sqlite3.Connection, call: VaultCall, tags: dict[str, str]) -> None:
    vault = find_vault(db, call)["number"]
    db.executemany(
        "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [(vault, key, value) for key, value in tags.items()]
    )
    (count,) = db.execute("SELECT COUNT(*) FROM tags WHERE vault = ?", (vault,)).fetchone()
    if count > VAULT.max_tags:
        raise limit_exceeded(behaviour.TOO_MANY_TAGS.format(limit=VAULT.max_tags))


async def remove_tags_from_vault(call: VaultCall) -> Answer:
    """RemoveTagsFromVault; a missing key is not an error."""
    keys = call.document().get("TagKeys")
    if keys is None:
        raise missing("TagKeys")
    if (
        not isinstance(keys, list)
        or not 1 <= len(keys) <= VAULT.max_tags_per_request
        or not all(isinstance(key, str) for key in keys)
    ):
        raise invalid(behaviour.BAD_TAG_COUNT.format(limit=VAULT.max_tags_per_request))
    await call.commit(partial(_remove, call=call, keys=keys))
    return NO_CONTENT


def _remove(db: sqlite3.Connection, call: VaultCall, keys: list[str]) -> None:
    vault = find_vault(db, call)["number"]
    db.executemany("DELETE FROM tags WHERE vault = ? AND key = ?", [(vault, key) for key in keys])


async def list_tags_for_vault(call: VaultCall) -> Answer:
    """ListTagsForVault."""
    return document({"Tags": await call.read(partial(_tags, call=call))})


def _tags(db: sqlite3.Connection, call: VaultCall) -> dict[str, str]:
    vault = find_vault(db, call)["number"]
    return dict(map(tuple, db.execute("SELECT key, value FROM tags WHERE vault = ?", (vault,))))
