"""Rules that choose by the size of an archive: its storage class at the target, or the tier of its job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aioglacier.core.checks import check_choice
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.limits import GIB, KIB, MIB
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import StorageClass

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T", StorageClass, Tier)

_RULE: Final = re.compile(r"size\s*([<>])\s*(\d+)\s*(B|KiB|MiB|GiB|TiB)?\s*:\s*(\w+)")
_UNITS: Final = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}


@dataclass(frozen=True, slots=True)
class SizeRule(Generic[T]):
    """One rule: archives larger, or smaller, than a size get a class or a tier."""

    is_larger: bool
    size: int
    choice: T

    def meets(self, size: int) -> bool:
        """Return whether the rule applies to an archive of this size."""
        return size > self.size if self.is_larger else size < self.size


def parse_class_rule(text: str) -> SizeRule[StorageClass]:
    """Return the rule of a text such as "size>1GiB:DEEP_ARCHIVE".

    Raises:
        InvalidPlanError: It is no rule.
    """
    return _parse(text, StorageClass, "storage class", "size>1GiB:DEEP_ARCHIVE")


def parse_tier_rule(text: str) -> SizeRule[Tier]:
    """Return the rule of a text such as "size<1MiB:Expedited".

    Raises:
        InvalidPlanError: It is no rule.
    """
    return _parse(text, Tier, "tier", "size>1GiB:Bulk")


def choose_by_size(rules: Sequence[SizeRule[T]], size: int, default: T) -> T:
    """Return the choice of the first rule that applies to an archive of this size, otherwise the default."""
    return next((rule.choice for rule in rules if rule.meets(size)), default)


def _parse(text: str, choices: type[T], what: str, example: str) -> SizeRule[T]:
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise InvalidPlanError(f"{text!r} is no rule for a {what}; write it as {example}")
    sign, number, unit, name = match.groups()
    return SizeRule(sign == ">", int(number) * _UNITS[unit], check_choice(what, choices, name))
