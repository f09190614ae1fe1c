"""Rules that choose by the size of an archive."""

from __future__ import annotations

import pytest

from aioglacier.bulk.archives.size_rules import choose_by_size, parse_class_rule, parse_tier_rule
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import StorageClass

RULES = [parse_class_rule("size>1GiB:DEEP_ARCHIVE"), parse_class_rule(" size < 128 KiB : STANDARD ")]


@pytest.mark.parametrize(
    ("size", "chosen"),
    [(2**30, "GLACIER"), (2**30 + 1, "DEEP_ARCHIVE"), (131_071, "STANDARD"), (131_072, "GLACIER")],
)
def test_the_first_rule_about_a_size_counts(size: int, chosen: str) -> None:
    """A bound itself is not met."""
    assert choose_by_size(RULES, size, StorageClass.GLACIER) == chosen


@pytest.mark.parametrize("text", ["", "size>1GiB", "size=1:GLACIER", "size>1GiB:COLD", "age>1:GLACIER"])
def test_other_texts_are_refused(text: str) -> None:
    """The message names the form of a rule, or the classes."""
    with pytest.raises(InvalidPlanError):
        parse_class_rule(text)


def test_a_rule_may_be_about_tiers() -> None:
    """Small archives may come at once, and large ones at the lowest price."""
    rules = [parse_tier_rule("size<1MiB:Expedited"), parse_tier_rule("size>1GiB:Bulk")]
    chosen = [choose_by_size(rules, size, Tier.STANDARD) for size in (1, 2**20, 2**31)]
    assert chosen == [Tier.EXPEDITED, Tier.STANDARD, Tier.BULK]
    with pytest.raises(InvalidPlanError):
        parse_tier_rule("size>1GiB:DEEP_ARCHIVE")
