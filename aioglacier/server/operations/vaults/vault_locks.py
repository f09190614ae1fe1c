"""Vault locks: a policy that, once completed, stays for ever."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from aioglacier.server.operations.vaults.policies import PROGRESS_MS, is_lock_alive, parse_policy
from aioglacier.server.operations.vaults.vaults import find_vault
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import denied, invalid, not_found
from aioglacier.server.requests.call import NO_CONTENT, Answer, VaultCall, accepted, document

if TYPE_CHECKING:
    import sqlite3

_BAD_POLICY: Final = "The specified vault lock policy is invalid. Provide a valid policy."


def _has_lock(vault: sqlite3.Row, now: int) -> bool:
    return vault["lock_policy"] is not None and is_lock_alive(vault, now)


async def initiate_vault_lock(call: VaultCall) -> Answer:
    """InitiateVaultLock; a lock in progress or in place makes it fail."""
    policy = parse_policy(call, _BAD_POLICY)
    lock_id = await call.commit(partial(_initiate, call=call, policy=policy))
    return accepted({"x-amz-lock-id": lock_id})


def _initiate(db: sqlite3.Connection, call: VaultCall, policy: str) -> str:
    vault = find_vault(db, call)
    if _has_lock(vault, call.now):
        raise denied(behaviour.LOCK_EXISTS.format(arn=call.arn))
    lock_id = wire.new_id(wire.LOCK_ID_LENGTH)
    db.execute(
        "UPDATE vaults SET lock_policy = ?, lock_id = ?, lock_created = ?, is_locked = 0 WHERE number = ?",
        (policy, lock_id, call.now, vault["number"]),
    )
    return lock_id


async def complete_vault_lock(call: VaultCall) -> Answer:
    """CompleteVaultLock; a repetition with the same id succeeds."""
    await call.commit(partial(_complete, call=call))
    return NO_CONTENT


def _complete(db: sqlite3.Connection, call: VaultCall) -> None:
    vault = find_vault(db, call)
    if not _has_lock(vault, call.now):
        raise not_found(behaviour.NO_LOCK.format(arn=call.arn))
    if vault["lock_id"] != call.item:
        if vault["is_locked"]:
            raise denied(behaviour.VAULT_LOCKED.format(arn=call.arn))
        raise invalid(behaviour.BAD_LOCK_ID.format(id=call.item))
    db.execute("UPDATE vaults SET is_locked = 1 WHERE number = ?", (vault["number"],))


async def abort_vault_lock(call: VaultCall) -> Answer:
    """AbortVaultLock, also when there is none; a completed lock stays."""
    await call.commit(partial(_abort, call=call))
    return NO_CONTENT


def _abort(db: sqlite3.Connection, call: VaultCall) -> None:
    vault = find_vault(db, call)
    if vault["is_locked"]:
        raise denied(behaviour.VAULT_LOCKED.format(arn=call.arn))
    db.execute(
        "UPDATE vaults SET lock_policy = NULL, lock_id = NULL, lock_created = NULL WHERE number = ?",
        (vault["number"],),
    )


async def get_vault_lock(call: VaultCall) -> Answer:
    """GetVaultLock."""
    vault = await call.read(partial(find_vault, call=call))
    if not _has_lock(vault, call.now):
        raise not_found(behaviour.NO_LOCK.format(arn=call.arn))
    is_locked = bool(vault["is_locked"])
    return document(
        {
            "CreationDate": wire.instant(vault["lock_created"]),
            "ExpirationDate": None if is_locked else wire.instant(vault["lock_created"] + PROGRESS_MS),
            "Policy": vault["lock_policy"],
            "State": "Locked" if is_locked else "InProgress",
        }
    )
