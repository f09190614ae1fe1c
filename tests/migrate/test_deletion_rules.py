"""The age from which an archive may be deleted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from aioglacier.migrate.deletion_rules import days_until_deletable


def policy(**changes: Any) -> str:
    """Return a policy with one statement."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "glacier:DeleteArchive",
        "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}},
    }
    kept = {key: value for key, value in (statement | changes).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": kept})


def condition(test: str, value: Any, key: str = "glacier:ArchiveAgeInDays") -> dict[str, Any]:
    """Return a condition."""
    return {test: {key: value}}


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, 365),
        ({"Action": ["glacier:UploadArchive", "glacier:Delete*"]}, 365),
        ({"Principal": {"AWS": ["*"]}}, 365),
        ({"Condition": condition("NumericLessThanEquals", 10)}, 11),
        ({"Condition": condition("NumericLessThan", ["5", "9"])}, 9),
        ({"Condition": None}, math.inf),
        ({"Effect": "Allow"}, 0),
        ({"Action": "glacier:DeleteVault"}, 0),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, 0),
        ({"Condition": condition("StringLike", "x", "glacier:ResourceTag/LegalHold")}, 0),
        ({"Condition": condition("NumericLessThan", "many")}, 0),
    ],
)
def test_a_statement_denies_until_an_age(changes: dict[str, Any], days: float) -> None:
    """A statement that only the service can apply is passed over."""
    assert days_until_deletable([policy(**changes)]) == days


def test_the_longest_of_several_counts() -> None:
    """A lock and an access policy both apply; text that is no policy says nothing."""
    later = policy(Condition=condition("NumericLessThan", "700"))
    assert days_until_deletable([policy(), later, "{", "[]", '{"Statement": [1]}']) == 700
    assert days_until_deletable([]) == 0
