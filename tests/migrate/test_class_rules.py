"""Rules that choose a storage class."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.s3.objects import StorageClass
from aioglacier.migrate.class_rules import choose_class, parse_class_rule

RULES = [parse_class_rule("size>1GiB:DEEP_ARCHIVE"), parse_class_rule(" size < 128 KiB : STANDARD ")]


@pytest.mark.parametrize(
    ("size", "chosen"),
    [(2**30, "GLACIER"), (2**30 + 1, "DEEP_ARCHIVE"), (131_071, "STANDARD"), (131_072, "GLACIER")],
)
def test_the_first_rule_about_a_size_counts(size: int, chosen: str) -> None:
    """A bound itself is not met."""
    assert choose_class(RULES, size, StorageClass.GLACIER) == chosen


@pytest.mark.parametrize("text", ["", "size>1GiB", "size=1:GLACIER", "size>1GiB:COLD", "age>1:GLACIER"])
def test_other_texts_are_refused(text: str) -> None:
    """The message names the form of a rule, or the classes."""
    with pytest.raises(InvalidPlanError):
        parse_class_rule(text)
