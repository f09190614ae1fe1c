"""The age from which the policies of a vault let an archive be deleted."""

from __future__ import annotations

import json
import math
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_AGE: Final = "glacier:archiveageindays"

#: Days to add to the bound of a condition, for the age from which the condition no longer holds.
_BEYOND: Final = {"NumericLessThan": 0.0, "NumericLessThanEquals": 1.0}


def days_until_deletable(policies: Iterable[str]) -> float:
    """Return the age in days before which a vault lock or an access policy forbids to delete an archive.

    The result is infinite if they always forbid it, and 0 if they do not mention it. Statements about single
    principals, or with other conditions than the age, are skipped: only the service can apply them.
    """
    return max((_days_of(statement) for policy in policies for statement in _statements(policy)), default=0.0)


def _statements(policy: str) -> list[Any]:
    try:
        document = json.loads(policy)
    except (ValueError, RecursionError):
        return []
    return _as_list(document.get("Statement")) if isinstance(document, dict) else []


def _days_of(statement: Any) -> float:
    if not isinstance(statement, dict) or statement.get("Effect") != "Deny":
        return 0.0
    if statement.get("Principal", "*") not in ("*", {"AWS": "*"}, {"AWS": ["*"]}):
        return 0.0
    actions = [str(each).lower() for each in _as_list(statement.get("Action"))]
    if not any(fnmatchcase("glacier:deletearchive", action) for action in actions):
        return 0.0
    conditions = statement.get("Condition") or {}
    if not conditions:
        return math.inf
    if not isinstance(conditions, dict) or not conditions.keys() <= _BEYOND.keys():
        return 0.0
    bounds: list[float] = []
    for test, keys in conditions.items():
        if not isinstance(keys, dict) or {str(key).lower() for key in keys} != {_AGE}:
            return 0.0
        try:
            # Of several values of one key, any that holds is enough.
            bounds += (max(map(float, _as_list(value))) + _BEYOND[test] for value in keys.values())
        except (TypeError, ValueError):
            return 0.0
    return min(bounds)  # all conditions of a statement must hold for it to deny


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
