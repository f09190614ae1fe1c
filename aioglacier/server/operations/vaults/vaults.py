"""Vaults: creating, describing, listing and deleting them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.server.operations.vaults import snapshots
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import invalid, limit_exceeded, vault_not_found
from aioglacier.server.requests.call import NO_CONTENT, Answer, VaultCall, accepted, document
from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.state.server_settings import Settings

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")


def find_vault(db: sqlite3.Connection, call: VaultCall) -> sqlite3.Row:
    """Return the record of the vault in the path.

    Raises:
        RefusalError: There is no such vault.
    """
    row: sqlite3.Row | None = db.execute("SELECT * FROM vaults WHERE name = ?", (call.vault,)).fetchone()
    if row is None:
        raise vault_not_found(call.arn)
    return row


async def set_column(call: VaultCall, column: str, value: str | None) -> Answer:
    """Change one column of the vault in the path: a configuration, or ``None`` to remove it."""

    def change(db: sqlite3.Connection) -> None:
        number = find_vault(db, call)["number"]
        db.execute(f"UPDATE vaults SET {column} = ? WHERE number = ?", (value, number))  # noqa: S608  # our names

    await call.commit(change)
    return NO_CONTENT


async def create_vault(call: VaultCall) -> Answer:
    """CreateVault; an existing vault is not changed."""
    if not _NAME.fullmatch(call.vault):
        raise invalid(f"Invalid vault name: {call.vault}")
    await call.commit(partial(_create, name=call.vault, now=call.now))
    return accepted({"Location": call.location()})


def _create(db: sqlite3.Connection, name: str, now: int) -> None:
    if db.execute("SELECT 1 FROM vaults WHERE name = ?", (name,)).fetchone():
        return
    (count,) = db.execute("SELECT COUNT(*) FROM vaults").fetchone()
    if count >= VAULT.max_vaults:
        raise limit_exceeded(behaviour.TOO_MANY_VAULTS.format(limit=VAULT.max_vaults))
    db.execute("INSERT INTO vaults (name, created) VALUES (?, ?)", (name, now))


async def describe_vault(call: VaultCall) -> Answer:
    """DescribeVault, with the numbers of the last inventory."""
    await snapshots.catch_up(call.site)
    row = await call.read(partial(find_vault, call=call))
    return document(_describe(row, call.site.settings))


def _describe(row: sqlite3.Row, settings: Settings) -> dict[str, Any]:
    return {
        "CreationDate": wire.instant(row["created"]),
        "LastInventoryDate": wire.instant_or_null(row["inventoried"]),
        "NumberOfArchives": row["listed_archives"],
        "SizeInBytes": row["listed_size"],
        "VaultARN": settings.vault_arn(row["name"]),
        "VaultName": row["name"],
    }


async def list_vaults(call: VaultCall) -> Answer:
    """ListVaults, in ASCII order of names; a marker is the ARN of the last vault before the page."""
    limit = call.faults.page_limit(wire.parse_limit(call.query.get("limit"), VAULT.max_vaults_per_page))
    marker = call.query.get("marker") or call.site.settings.vault_arn("")
    if not marker.startswith(call.site.settings.vault_arn("")):
        raise invalid(behaviour.BAD_MARKER.format(marker=marker))
    after = marker.removeprefix(call.site.settings.vault_arn(""))
    await snapshots.catch_up(call.site)
    rows = await call.read(partial(_page, after=after, limit=limit + 1))
    page = [_describe(row, call.site.settings) for row in rows[:limit]]
    return document({"Marker": page[-1]["VaultARN"] if len(rows) > limit else None, "VaultList": page})


def _page(db: sqlite3.Connection, after: str, limit: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM vaults WHERE name > ? ORDER BY name LIMIT ?", (after, limit)).fetchall()


async def delete_vault(call: VaultCall) -> Answer:
    """DeleteVault: only a vault that was empty at the last inventory and unchanged since."""
    await snapshots.catch_up(call.site)
    return await call.remove(partial(_delete, call=call))


def _delete(db: sqlite3.Connection, call: VaultCall) -> None:
    row = db.execute("SELECT * FROM vaults WHERE name = ?", (call.vault,)).fetchone()
    if row is None:
        return  # a success was reported in 2013; the model lists 404 (unconfirmed)
    if row["listed_archives"] or row["changed"] is not None:
        raise invalid(f"Vault not empty or recently written to: {call.arn}")
    _forget(db, row["number"])


def _forget(db: sqlite3.Connection, vault: int) -> None:
    held = db.execute(
        "SELECT body FROM uploads WHERE vault = :vault "
        "UNION SELECT body FROM archives WHERE vault = :vault "
        "UNION SELECT body FROM jobs WHERE vault = :vault AND body IS NOT NULL",
        {"vault": vault},
    ).fetchall()
    db.execute(
        "INSERT OR IGNORE INTO doomed "
        "SELECT output_file FROM jobs WHERE vault = ? AND output_file IS NOT NULL",
        (vault,),
    )
    for table in ("tags", "uploads", "archives", "jobs"):
        db.execute(f"DELETE FROM {table} WHERE vault = ?", (vault,))  # noqa: S608  # the names above
    # After the rows, which hold the bodies.
    for (body,) in held:
        bodies.release(db, body)
    db.execute("DELETE FROM vaults WHERE number = ?", (vault,))
