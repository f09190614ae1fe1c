"""The costs of a plan at the bucket: requests for parts, storage on both sides, and the days it takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.bulk.archives.size_rules import choose_by_size
from aioglacier.core.errors import MemoryLimitError
from aioglacier.core.limits import MIB, S3
from aioglacier.core.planning import smallest_part_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioglacier.bulk.archives.move_plan import ArchivePlan
    from aioglacier.bulk.archives.size_rules import SizeRule
    from aioglacier.core.models import Archive
    from aioglacier.core.prices import Prices
    from aioglacier.core.s3.objects import StorageClass

    #: Gives the prices of a storage class in the bucket's region.
    ClassPrices = Callable[[StorageClass], Prices]

#: Parts of this size need few requests and keep several connections busy. A smaller archive is one request.
_GOOD_PART_SIZE: Final = 64 * MIB

#: A part of at most this share of the memory leaves room for the parts of other archives. An archive with
#: larger parts is carried alone.
SHARE: Final = 16


def choose_part_size(size: int, memory: int, *, has_scratch: bool = False) -> int:
    """Return the part size for an archive: large enough for S3's limit of parts, small enough for memory.

    Raises:
        MemoryLimitError: Two parts do not fit the memory, and there is no scratch folder.
    """
    needed = smallest_part_size(size, S3)
    # One part is sent while the next is fetched.
    if needed * 2 > memory and not has_scratch:
        raise MemoryLimitError(part_size=needed, memory_limit=memory)
    wanted = _GOOD_PART_SIZE
    while wanted > S3.min_part_size and wanted * SHARE > memory:
        wanted //= 2  # so each part stays a node of the archive's tree, with a hash from the vault
    return max(needed, wanted)


class TargetCosts(NamedTuple):
    """The cost of archives beside their retrieval, by the price lists.

    Attributes:
        requests: Requests that store them in the bucket.
        request_cost: The cost of those.
        storing: Storage in the bucket for the minimum time of each class, which is charged in any case.
        month: A month of storage in the bucket.
        vault_month: A month of storage in the vault, which goes on until they are deleted there.
        early: The charge for those younger than 90 days, if they were deleted in the vault today.
        days: Days that the requests take at the pace of the plan.
    """

    requests: int
    request_cost: float
    storing: float
    month: float
    vault_month: float
    early: float
    days: float


class CostMeter:
    """Adds up the costs of archives at a bucket; call ``count`` for each archive."""

    def __init__(
        self,
        vault: Prices,
        classes: ClassPrices,
        rules: Sequence[SizeRule[StorageClass]],
        storage_class: StorageClass,
        memory: int,
        *,
        has_scratch: bool = False,
    ) -> None:
        self._vault = vault
        self._classes = classes
        self._rules = rules
        self._storage_class = storage_class
        self._memory = memory
        self._has_scratch = has_scratch
        self._now = datetime.now(UTC)
        self._sums = TargetCosts(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def count(self, archive: Archive) -> None:
        """Add an archive."""
        size, sums = archive.size, self._sums
        prices = self._classes(choose_by_size(self._rules, size, self._storage_class))
        try:
            part_size = choose_part_size(size, self._memory, has_scratch=self._has_scratch)
        except MemoryLimitError:  # the run reports it by name
            return
        requests = 1 if size <= part_size else -(-size // part_size) + 2  # one begins, one completes
        self._sums = TargetCosts(
            sums.requests + requests,
            sums.request_cost + prices.uploads(requests, 1),
            sums.storing + prices.storing(size),
            sums.month + prices.month(size, 1),
            sums.vault_month + self._vault.month(size, 1),
            sums.early + self._vault.early_deletion(size, (self._now - archive.created).days, 1),
            0.0,
        )

    def total(self, plan: ArchivePlan, per_day: int) -> TargetCosts:
        """Return the sums, and add to the plan the costs of its run."""
        # The minimum storage is charged even if the object is deleted at once.
        plan.cost += self._sums.request_cost + self._sums.storing
        return self._sums._replace(days=(plan.size - plan.asked_size) / per_day)
