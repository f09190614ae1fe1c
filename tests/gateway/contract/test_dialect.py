"""Errors by their codes."""

from __future__ import annotations

import pytest

from aioglacier.core import errors
from aioglacier.gateway.contract.dialect import SENTENCES, Dialect, by_code
from aioglacier.gateway.s3.dialect import BUCKETS
from aioglacier.gateway.vaults.dialect import VAULTS


def test_each_code_of_a_text_means_its_error() -> None:
    """Codes are separated by spaces or lines."""
    found = by_code({errors.ThrottledError: "SlowDown Throttling", errors.AccessDeniedError: "Denied"})
    assert found == {
        "SlowDown": errors.ThrottledError,
        "Throttling": errors.ThrottledError,
        "Denied": errors.AccessDeniedError,
    }


@pytest.mark.parametrize("dialect", [VAULTS, BUCKETS], ids=["vaults", "buckets"])
def test_services_agree_on_the_codes_that_both_have(dialect: Dialect) -> None:
    """No code has the word that is removed before the look-up, and common codes mean the same."""
    assert not any(code.endswith("Exception") for code in dialect.kinds)
    assert dialect.sentences.items() >= SENTENCES.items()
    for code in VAULTS.kinds.keys() & BUCKETS.kinds.keys():
        assert VAULTS.kinds[code] is BUCKETS.kinds[code]


@pytest.mark.parametrize("dialect", [VAULTS, BUCKETS], ids=["vaults", "buckets"])
def test_no_code_is_listed_for_two_errors(dialect: Dialect) -> None:
    """The table of a service gives one error for each code."""
    assert len(dialect.kinds) == len(set(dialect.kinds))
    assert all(issubclass(kind, errors.GlacierError) for kind in dialect.kinds.values())
    filled = [text.format(action="a", message="m") for text in dialect.sentences.values()]
    assert all("m" in text for text in filled)
