"""The prices of uploads, storage, retrievals and deletions in one region: of vaults, or of a class of S3.

A price that is not known is not a number (``nan``), and so is each sum that needs it: a ``Budget`` with a
limit refuses it, and ``show`` says that it is unknown. No price is taken from another region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.core.limits import GIB, MIB, VAULT
from aioglacier.core.s3.objects import ClassTerms, StorageClass

if TYPE_CHECKING:
    from aioglacier.core.models import Tier

#: Requests for an object's head or attributes while it is restored and read, without those that wait.
HEADS: Final = 4

_DAYS_OF_A_MONTH: Final = 30

#: Where the list lacks a price: the gap of a Standard job in all regions whose prices are known.
_USUAL_GAP: Final = 5 * MIB


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one region, in units of ``currency``; ``nan`` where the list has none.

    Attributes:
        region: The region that was asked for.
        seen: The date of the list.
        storage_gib_month: A GiB kept for a month.
        upload_1000: A thousand upload requests.
        part_1000: A thousand requests for parts of archives, and to begin them; ``None``: as other uploads.
        get_1000: A thousand requests that fetch an object; those of a job's output cost nothing.
        transfer_out_gib: A GiB sent to the internet, without the free allowance of an account.
        retrieval_gib: A GiB, by tier.
        retrieval_1000: A thousand retrieval requests, by tier.
        standard_gib_month: A GiB kept for a month in S3's class STANDARD, as copies of restored objects are.
        capacity_month: A unit of Expedited capacity for a month.
        storage_class: The class; ``None`` for vaults.
        terms: The terms of storage.
        standard: The prices of STANDARD, in which small objects that are read before others are kept.
    """

    region: str
    seen: str
    currency: str
    storage_gib_month: float
    upload_1000: float
    transfer_out_gib: float
    retrieval_gib: dict[Tier, float]
    retrieval_1000: dict[Tier, float]
    standard_gib_month: float = 0.0
    capacity_month: float = math.nan
    storage_class: str | None = None
    part_1000: float | None = None
    get_1000: float = 0.0
    terms: ClassTerms = ClassTerms(VAULT.minimum_storage_days, VAULT.archive_overhead)  # noqa: RUF009  # frozen
    standard: Prices | None = None

    @property
    def name(self) -> str:
        """The region, and the class if there is one."""
        return f"{self.region} ({self.storage_class})" if self.storage_class else self.region

    def of_class(self, storage_class: str | None) -> Prices:
        """Return the prices of objects that a request puts into a class: STANDARD's where they are known."""
        return self.standard or self if storage_class == StorageClass.STANDARD else self

    @property
    def missing(self) -> tuple[str, ...]:
        """The kinds of price that the list lacks for this region."""
        kinds = {
            "storage": [self.storage_gib_month],
            "upload requests": [self.upload_1000],
            "retrieval": [*self.retrieval_gib.values(), *self.retrieval_1000.values()],
            "transfer out": [self.transfer_out_gib],
        }
        return tuple(kind for kind, prices in kinds.items() if any(map(math.isnan, prices)))

    def uploads(self, requests: int, archives: int | None = None) -> float:
        """Return the cost of upload requests: each part is one, and so are initiation and completion.

        ``archives`` of them store an archive whole or complete it, by default all; the others may cost less.
        """
        making = requests if archives is None else min(archives, requests)
        parts = requests - making
        by_part = self.upload_1000 if self.part_1000 is None else self.part_1000
        return (making * self.upload_1000 + (parts and parts * by_part)) / 1000

    def looking(self, lists: int = 0, heads: int = 0) -> float:
        """Return the cost of requests that list or describe objects in S3; a vault's are free."""
        if self.storage_class is None:
            return 0.0
        at_standard = (self.standard or self).upload_1000  # a list has no class
        return ((lists and lists * at_standard) + heads * self.get_1000) / 1000

    def month(self, size: int, archives: int = 0) -> float:
        """Return the cost of a month of storage, with the overhead of each archive."""
        terms = self.terms
        billed = max(size, archives * terms.smallest) + archives * terms.overhead
        at_standard = archives * terms.standard_overhead
        cost = billed * self.storage_gib_month / GIB
        return cost + at_standard * self.standard_gib_month / GIB if at_standard else cost

    def storing(self, size: int, archives: int = 1) -> float:
        """Return the cost of keeping archives for the minimum time, which is charged in any case."""
        return self.early_deletion(size, 0, archives)

    def archive(self, size: int, part_size: int | None = None) -> float:
        """Return the cost of one archive: its requests, and its storage for the minimum time.

        Args:
            size: Its bytes.
            part_size: Bytes of a part; ``None`` for a single request.
        """
        # A request to begin, and one to complete.
        requests = 1 if part_size is None else -(-size // part_size) + 2
        return self.uploads(requests, 1) + self.storing(size)

    def early_deletion(self, size: int, age_days: float, archives: int = 0) -> float:
        """Return the charge for archives deleted at this age: the rest of the minimum time of storage."""
        rest = max(0.0, self.terms.minimum_days - age_days)
        return self.month(size, archives) * rest / _DAYS_OF_A_MONTH if rest else 0.0

    def jobs(self, tier: Tier, size: float, requests: int) -> float:
        """Return the cost of retrieval jobs alone, as for a job that is asked for again."""
        return size * self.retrieval_gib[tier] / GIB + requests * self.retrieval_1000[tier] / 1000

    def fetching(self, size: float) -> float:
        """Return the cost of a request that fetches bytes, and of those."""
        return self.transfer_out(size) + self.get_1000 / 1000

    def transfer_out(self, size: float) -> float:
        """Return the cost of downloading bytes to a machine outside of AWS."""
        return size * self.transfer_out_gib / GIB if size else 0.0

    def retrieval(self, tier: Tier, size: int, requests: int) -> float:
        """Return the cost of retrieving bytes by jobs and of downloading them."""
        return self.jobs(tier, size, requests) + self.transfer_out(size) if requests else 0.0

    def restore(self, tier: Tier, size: int, days: int) -> float:
        """Return the cost of restoring an object, of its copy, and of downloading it once."""
        return self.retrieval(tier, size, 1) + self.copy(size, days)

    def copy(self, size: float, days: int) -> float:
        """Return the cost of the copies of restored objects, which lie in STANDARD for so many days."""
        return size * self.standard_gib_month / GIB * days / _DAYS_OF_A_MONTH if days else 0.0

    def worthwhile_gap(self, tier: Tier) -> int:
        """Return the number of bytes that cost as much to retrieve as one more job."""
        price, request = self.retrieval_gib[tier], self.retrieval_1000[tier] / 1000
        if math.isnan(price) or math.isnan(request):
            return _USUAL_GAP
        return int(request / price * GIB) if price else GIB

    def show(self, amount: float) -> str:
        """Return an amount as text."""
        return show_amount(amount, self.currency)


def show_amount(amount: float, currency: str) -> str:
    """Return an amount of money as text, rounded up; small ones have more digits, ``nan`` is unknown."""
    if math.isnan(amount):
        return f"an unknown amount of {currency}"
    is_small = 0 < amount < 0.1
    digits = 1 - math.floor(math.log10(amount)) if is_small else 2  # two digits that count
    return f"{_round_up(amount, digits):,.{digits}f} {currency}"


def rounded(amount: float) -> float | None:
    """Return an amount for a JSON record, rounded up: ``None`` if it is unknown."""
    return None if math.isnan(amount) else _round_up(amount, 6)


def _round_up(amount: float, digits: int) -> float:
    """Round up, so that a cost that was shown is enough as a limit."""
    scale = 10.0**digits
    return math.ceil(amount * scale - 1e-6) / scale  # a float is a little above the number that it stands for
