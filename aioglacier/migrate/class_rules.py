"""Rules that choose the storage class of an archive by its size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.core.checks import check_choice
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.limits import GIB, KIB, MIB
from aioglacier.core.s3.objects import StorageClass

if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE: Final = re.compile(r"size\s*([<>])\s*(\d+)\s*(B|KiB|MiB|GiB|TiB)?\s*:\s*([A-Za-z_]+)")
_UNITS: Final = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}


@dataclass(frozen=True, slots=True)
class ClassRule:
    """One rule: archives larger, or smaller, than a size go into a class."""

    is_larger: bool
    size: int
    storage_class: StorageClass

    def meets(self, size: int) -> bool:
        """Whether the rule is about an archive of this size."""
        return size > self.size if self.is_larger else size < self.size


def parse_class_rule(text: str) -> ClassRule:
    """Return the rule of a text such as "size>1GiB:DEEP_ARCHIVE".

    Raises:
        InvalidPlanError: It is no rule.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise InvalidPlanError(f"{text!r} is no rule for a class; write it as size>1GiB:DEEP_ARCHIVE")
    sign, number, unit, name = match.groups()
    chosen = check_choice("storage class", StorageClass, name)
    return ClassRule(sign == ">", int(number) * _UNITS[unit], chosen)


def choose_class(rules: Sequence[ClassRule], size: int, default: StorageClass) -> StorageClass:
    """Return the class of the first rule that is about an archive of this size, otherwise the default."""
    return next((rule.storage_class for rule in rules if rule.meets(size)), default)
