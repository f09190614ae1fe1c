"""The account: its data retrieval policy and its provisioned capacity."""

from __future__ import annotations

import calendar
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.limits import VAULT
from aioglacier.server.protocol import behaviour, wire_format as wire
from aioglacier.server.protocol.refusal import RefusalError, invalid, limit_exceeded, missing
from aioglacier.server.requests.call import NO_CONTENT, Answer, VaultCall, accepted, document

if TYPE_CHECKING:
    import sqlite3

_STRATEGIES: Final = ("None", "FreeTier", "BytesPerHour")
_POLICY: Final = "data_retrieval_rule"


async def set_data_retrieval_policy(call: VaultCall) -> Answer:
    """SetDataRetrievalPolicy."""
    rule = _parse_rule(call.document().get("Policy"))
    await call.commit(partial(_set_rule, rule=rule))
    return NO_CONTENT


def _parse_rule(policy: Any) -> dict[str, Any]:
    if policy is None:
        raise missing("Policy")
    rules = policy.get("Rules") if isinstance(policy, dict) else None
    if not isinstance(rules, list) or len(rules) != 1 or not isinstance(rules[0], dict):
        raise invalid("The policy must have exactly one rule.")
    strategy, rate = rules[0].get("Strategy"), rules[0].get("BytesPerHour")
    if strategy not in _STRATEGIES:
        raise invalid(f"Invalid Strategy: {strategy}")
    if strategy != "BytesPerHour":
        if rate is not None:
            raise invalid("BytesPerHour goes with the strategy BytesPerHour only.")
    # In Python True is an int.
    elif isinstance(rate, bool) or not isinstance(rate, int) or not 1 <= rate < 2**63:
        raise invalid(f"Invalid BytesPerHour: {rate}")
    return {"BytesPerHour": rate, "Strategy": strategy}


def _set_rule(db: sqlite3.Connection, rule: dict[str, Any]) -> None:
    db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_POLICY, json.dumps(rule)))


def _rule(db: sqlite3.Connection) -> dict[str, Any]:
    row = db.execute("SELECT value FROM settings WHERE name = ?", (_POLICY,)).fetchone()
    rule: dict[str, Any] = dict(behaviour.DEFAULT_RULE) if row is None else json.loads(row[0])
    return rule


async def get_data_retrieval_policy(call: VaultCall) -> Answer:
    """GetDataRetrievalPolicy."""
    return document({"Policy": {"Rules": [await call.read(_rule)]}})


def check_retrieval(db: sqlite3.Connection, call: VaultCall, *, tier: str, size: int) -> None:
    """Refuse a retrieval that would exceed the policy's limit; it applies to the Standard tier only.

    Raises:
        RefusalError: 400 PolicyEnforcedException.
    """
    rule = _rule(db)
    if tier != "Standard" or rule["Strategy"] == "None":
        return
    allowed = rule["BytesPerHour"] or behaviour.FREE_TIER_BYTES_PER_HOUR
    (running,) = db.execute(
        "SELECT COALESCE(SUM(range_stop - range_start), 0) FROM jobs "
        "WHERE status = 'InProgress' AND tier = 'Standard' AND due > ?",
        (call.now,),
    ).fetchone()
    if running + size > allowed * behaviour.JOB_RATE_HOURS:
        raise RefusalError(
            400, "PolicyEnforcedException", "InitiateJob request denied by current data retrieval policy."
        )


async def purchase_provisioned_capacity(call: VaultCall) -> Answer:
    """PurchaseProvisionedCapacity: one more unit for a month."""
    capacity_id = await call.commit(partial(_purchase, now=call.now))
    return accepted({"x-amz-capacity-id": capacity_id})


def _purchase(db: sqlite3.Connection, now: int) -> str:
    if len(_units(db, now)) >= VAULT.max_capacity_units:
        raise limit_exceeded(behaviour.TOO_MUCH_CAPACITY.format(limit=VAULT.max_capacity_units))
    capacity_id = wire.new_id(wire.CAPACITY_ID_LENGTH)
    started = now // 1000 * 1000
    db.execute(
        "INSERT INTO capacity (id, started, expires) VALUES (?, ?, ?)",
        (capacity_id, started, _a_month_later(started)),
    )
    return capacity_id


def _a_month_later(started: int) -> int:
    """Return the same day and time in the next month, or its last day."""
    moment = datetime.fromtimestamp(started / 1000, UTC)
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp() * 1000)


async def list_provisioned_capacity(call: VaultCall) -> Answer:
    """ListProvisionedCapacity: the units that have not expired."""
    rows = await call.read(partial(_units, now=call.now))
    units = [
        {
            "CapacityId": row["id"],
            "ExpirationDate": wire.instant(row["expires"]),
            "StartDate": wire.instant(row["started"]),
        }
        for row in rows
    ]
    return document({"ProvisionedCapacityList": units})


def _units(db: sqlite3.Connection, now: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM capacity WHERE expires > ? ORDER BY number", (now,)).fetchall()
