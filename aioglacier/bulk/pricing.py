"""The cost of uploads, storage and retrievals by a price list, which a list of the user's own can replace.

The list is JSON: the date on which it was seen, a currency, and the prices of each region. A price that the
list lacks is not a number (``nan``), and so is each sum that needs it: ``check_cost`` refuses it under any
limit, and ``show`` says that it is unknown. No price is taken from another region.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import ConfigurationError, CostLimitError
from aioglacier.core.limits import GIB, MIB, VAULT
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_BUILT_IN: Final = Path(__file__).with_name("prices.json")
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
        transfer_out_gib: A GiB sent to the internet, without the free allowance of an account.
        retrieval_gib: A GiB, by tier.
        retrieval_1000: A thousand retrieval requests, by tier.
    """

    region: str
    seen: str
    currency: str
    storage_gib_month: float
    upload_1000: float
    transfer_out_gib: float
    retrieval_gib: dict[Tier, float]
    retrieval_1000: dict[Tier, float]

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

    def uploads(self, requests: int) -> float:
        """Return the cost of upload requests: each part is one, and so are initiation and completion."""
        return requests * self.upload_1000 / 1000

    def month(self, size: int, archives: int = 0) -> float:
        """Return the cost of a month of storage, with the overhead of each archive."""
        return (size + archives * VAULT.archive_overhead) * self.storage_gib_month / GIB

    def early_deletion(self, size: int, age_days: float, archives: int = 0) -> float:
        """Return the charge for archives deleted at this age: the rest of the minimum time of storage."""
        rest = max(0.0, VAULT.minimum_storage_days - age_days)
        return self.month(size, archives) * rest / _DAYS_OF_A_MONTH if rest else 0.0

    def jobs(self, tier: Tier, size: int, requests: int) -> float:
        """Return the cost of retrieval jobs alone, as for a job that is asked for again."""
        return size * self.retrieval_gib[tier] / GIB + requests * self.retrieval_1000[tier] / 1000

    def transfer_out(self, size: int) -> float:
        """Return the cost of downloading bytes to a machine outside of AWS."""
        return size * self.transfer_out_gib / GIB if size else 0.0

    def retrieval(self, tier: Tier, size: int, requests: int) -> float:
        """Return the cost of retrieving bytes by jobs and of downloading them."""
        return self.jobs(tier, size, requests) + self.transfer_out(size) if requests else 0.0

    def worthwhile_gap(self, tier: Tier) -> int:
        """Return the number of bytes that cost as much to retrieve as one more job."""
        price = self.retrieval_gib[tier]
        if math.isnan(price):
            return _USUAL_GAP
        return int(self.retrieval_1000[tier] / 1000 / price * GIB) if price else GIB

    def show(self, amount: float) -> str:
        """Return an amount as text."""
        return show_amount(amount, self.currency)


def show_amount(amount: float, currency: str) -> str:
    """Return an amount of money as text; small ones have more digits, ``nan`` is unknown."""
    if math.isnan(amount):
        return f"an unknown amount of {currency}"
    return f"{amount:,.2f} {currency}" if amount >= 0.1 or not amount else f"{amount:.4f} {currency}"


def rounded(amount: float) -> float | None:
    """Return an amount for a JSON record: ``None`` if it is unknown."""
    return None if math.isnan(amount) else round(amount, 6)


def load_prices(region: str, path: str | os.PathLike[str] | None = None) -> Prices:
    """Return the prices of a region, from a file or the list that comes with the package.

    Raises:
        ConfigurationError: The file cannot be read, or is no price list.
    """
    source = _BUILT_IN if path is None else Path(path)
    try:
        return _read(json.loads(source.read_text(encoding="utf-8")), region)
    except OSError as error:
        raise ConfigurationError(
            f"the price list {str(source)!r} cannot be read: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{str(source)!r} is no price list ({type(error).__name__}: {error}); {str(_BUILT_IN)!r} is one"
        ) from error


def check_cost(cost: float, limit: float | None, prices: Prices, what: str) -> None:
    """Refuse a cost above the limit, or a cost that is unknown where there is a limit.

    Raises:
        CostLimitError: The cost is above the limit, or not known.
    """
    if limit is None or cost <= limit:
        return
    if math.isnan(cost):
        raise CostLimitError(
            f"the cost of {what} is unknown: the price list of {prices.seen} has no price for "
            f"{', '.join(prices.missing)} in {prices.region}; nothing was sent. Give a list of your own with "
            "--prices FILE, or leave out the limit",
            cost=cost,
            limit=limit,
        )
    raise CostLimitError(
        f"{what} would cost {prices.show(cost)} by the price list of {prices.seen}, and "
        f"{prices.show(limit)} is allowed; nothing was sent. Allow more, or choose less",
        cost=cost,
        limit=limit,
    )


def _read(document: Any, region: str) -> Prices:
    values = document["regions"].get(region, {})
    tiers = {tier: values.get("retrieval", {}).get(tier.value, {}) for tier in Tier}
    return Prices(
        region=region,
        seen=str(document["seen"]),
        currency=str(document["currency"]),
        storage_gib_month=_price(values, "storage_gib_month"),
        upload_1000=_price(values, "upload_1000"),
        transfer_out_gib=_price(values, "transfer_out_gib"),
        retrieval_gib={tier: _price(prices, "gib") for tier, prices in tiers.items()},
        retrieval_1000={tier: _price(prices, "request_1000") for tier, prices in tiers.items()},
    )


def _price(values: Mapping[str, Any], name: str) -> float:
    if name not in values:
        return math.nan
    price = float(values[name])
    if not 0 <= price < math.inf:
        raise ValueError(f"{name} is 0 or more, not {values[name]}")
    return price
