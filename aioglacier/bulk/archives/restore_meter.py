"""The cost of bringing archives back from a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aioglacier.bulk.archives.object_origin import ObjectOrigin
from aioglacier.core.prices import HEADS
from aioglacier.core.s3.object_checks import check_restore
from aioglacier.core.s3.objects import RESTORE_TIERS, StorageClass

if TYPE_CHECKING:
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.core.models import Tier
    from aioglacier.core.prices import Prices


class ClassPrices(Protocol):
    """Returns the prices of a storage class in the bucket's region, or of vaults."""

    def __call__(self, *, storage_class: StorageClass | None) -> Prices:
        """Return them."""
        ...


class RestoreMeter:
    """Adds up the cost of restoring and fetching archives of a bucket.

    Attributes:
        cost: The sum so far.
    """

    def __init__(self, prices: ClassPrices, days: int) -> None:
        self.cost = 0.0
        self._prices = prices
        self._days = days
        self._bundle = ""

    def count(self, record: ArchiveRecord, tier: Tier | None) -> bool:
        """Add an archive; return whether it takes a restore of its own. See ``Meter``.

        Raises:
            InvalidPlanError: Its class has no such tier.
        """
        origin, size = ObjectOrigin.of(record), record.archive.size
        storage_class = class_of(origin)
        prices = self._prices(storage_class=storage_class)
        self.cost += prices.fetching(size) + prices.looking(heads=HEADS)
        if tier is None or storage_class not in RESTORE_TIERS:
            return False
        is_copied = storage_class is not StorageClass.INTELLIGENT_TIERING
        check_restore(tier, self._days if is_copied else None, storage_class)
        if origin.position is not None and origin.key == self._bundle:
            return False  # one restore brings all members; their records follow one another
        self._bundle = origin.key
        self.cost += prices.restore(tier, origin.size, self._days) - prices.transfer_out(origin.size)
        return True


def class_of(origin: ObjectOrigin) -> StorageClass | None:
    """Return the class of an object for its prices, ``None`` for one that is not known here."""
    known = origin.storage_class in set(StorageClass)
    return StorageClass(origin.storage_class) if known else None
