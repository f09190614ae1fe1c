"""A vault's access policy, and the one rule of policies that is enforced here.

Policies are stored and returned unchanged. Of both the access and the lock policy, exactly one kind of
statement has an effect: Deny on DeleteArchive with a condition on ``glacier:ArchiveAgeInDays``, or with no
condition at all. The rest of the policy language is not evaluated.
"""

from __future__ import annotations

import json
import operator
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.server.operations.vaults.vaults import find_vault, set_column
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import RefusalError, denied, invalid, missing, not_found
from aioglacier.server.requests.call import Answer, VaultCall, document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

PROGRESS_MS: Final = VAULT.vault_lock_seconds * 1000
_DAY_MS: Final = 24 * 3600 * 1000
_AGE_KEY: Final = "glacier:archiveageindays"
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "numericequals": operator.eq,
    "numericnotequals": operator.ne,
    "numericlessthan": operator.lt,
    "numericlessthanequals": operator.le,
    "numericgreaterthan": operator.gt,
    "numericgreaterthanequals": operator.ge,
}


async def set_vault_access_policy(call: VaultCall) -> Answer:
    """SetVaultAccessPolicy."""
    policy = parse_policy(call, behaviour.BAD_ACCESS_POLICY)
    return await set_column(call, "access_policy", policy)


async def delete_vault_access_policy(call: VaultCall) -> Answer:
    """DeleteVaultAccessPolicy, also when there is none."""
    return await set_column(call, "access_policy", None)


async def get_vault_access_policy(call: VaultCall) -> Answer:
    """GetVaultAccessPolicy."""
    vault = await call.read(partial(find_vault, call=call))
    if vault["access_policy"] is None:
        raise not_found(behaviour.NO_ACCESS_POLICY.format(arn=call.arn))
    return document({"Policy": vault["access_policy"]})


def parse_policy(call: VaultCall, refusal: str) -> str:
    """Return the policy text of the request if it is valid: JSON with statements, 20 KB at most."""
    policy = call.document().get("Policy")
    if policy is None:
        raise missing("Policy")
    if not isinstance(policy, str) or len(policy.encode()) > VAULT.max_policy_size:
        raise invalid(refusal)
    statements = _statements(policy)
    if not statements or not all(_is_statement(statement) for statement in statements):
        raise invalid(refusal)
    return policy


def _is_statement(statement: Any) -> bool:
    return isinstance(statement, dict) and statement.get("Effect") in {"Allow", "Deny"}


def _statements(policy: str) -> list[Any]:
    try:
        parsed = json.loads(policy)
    except (ValueError, RecursionError):
        return []
    return _as_list(parsed.get("Statement")) if isinstance(parsed, dict) else []


def check_delete(call: VaultCall, vault: sqlite3.Row, archive: sqlite3.Row) -> None:
    """Refuse a DeleteArchive that a policy of the vault denies.

    Raises:
        RefusalError: 403 AccessDeniedException.
    """
    lock_policy = vault["lock_policy"]
    # A lock that was not completed within a day.
    if lock_policy is not None and not is_lock_alive(vault, call.now):
        lock_policy = None
    age_days = (call.now - archive["created"]) / _DAY_MS
    for policy in filter(None, (lock_policy, vault["access_policy"])):  # a denial in either counts
        if any(_denies(statement, age_days) for statement in _statements(policy)):
            raise _delete_denied(call)


def is_lock_alive(vault: sqlite3.Row, now: int) -> bool:
    """Return whether the vault's lock is in place, or in progress and not yet expired."""
    return bool(vault["is_locked"]) or vault["lock_created"] + PROGRESS_MS > now


def _delete_denied(call: VaultCall) -> RefusalError:
    return denied(behaviour.DELETE_DENIED.format(account=call.site.settings.account_id, arn=call.arn))


def _denies(statement: dict[str, Any], age_days: float) -> bool:
    if statement["Effect"] != "Deny" or not _covers_delete(statement):
        return False
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, dict):
        return False
    return all(_holds(test, keys, age_days) for test, keys in conditions.items())


def _covers_delete(statement: dict[str, Any]) -> bool:
    return any(
        isinstance(action, str) and fnmatchcase("glacier:deletearchive", action.lower())
        for action in _as_list(statement.get("Action"))
    )


def _holds(test: str, keys: Any, age_days: float) -> bool:
    """Return whether a condition on the archive's age holds; any other condition does not."""
    compare = _COMPARISONS.get(test.lower())
    if compare is None or not isinstance(keys, dict) or not keys:
        return False
    for key, values in keys.items():
        if key.lower() != _AGE_KEY:  # a condition that this server cannot judge denies nothing
            return False
        try:
            bounds = [float(value) for value in _as_list(values)]
        except (TypeError, ValueError):
            return False
        # Values of one key are alternatives (IAM, "Condition").
        if not any(compare(age_days, bound) for bound in bounds):
            return False
    return True


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
