"""What things cost by a price list, which anybody can replace by one of his own.

The list is JSON: when it was seen, a currency, and for each region the price of a GiB kept for a month, of a
thousand upload requests, and of each tier's GiB and thousand requests. A region that it lacks is counted as
its default one, and whoever prints the figure says so.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import ConfigurationError, CostLimitError
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    import os

_BUILT_IN: Final = Path(__file__).with_name("prices.json")
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one region, in units of ``currency``.

    Attributes:
        region: Whose prices they are.
        is_other_region: Whether the list has none for the region that was asked for.
        seen: The date of the list.
        storage_gib_month: A GiB kept for a month.
        upload_1000: A thousand upload requests.
        retrieval_gib: A GiB, by tier.
        retrieval_1000: A thousand retrieval requests, by tier.
    """

    region: str
    is_other_region: bool
    seen: str
    currency: str
    storage_gib_month: float
    upload_1000: float
    retrieval_gib: dict[Tier, float]
    retrieval_1000: dict[Tier, float]

    def uploads(self, requests: int) -> float:
        """What so many upload requests cost."""
        return requests * self.upload_1000 / 1000

    def month(self, size: int) -> float:
        """What so many bytes cost each month."""
        return size * self.storage_gib_month / _GIB

    def retrieval(self, tier: Tier, size: int, requests: int) -> float:
        """What it costs to retrieve so many bytes by so many jobs."""
        return size * self.retrieval_gib[tier] / _GIB + requests * self.retrieval_1000[tier] / 1000

    def worthwhile_gap(self, tier: Tier) -> int:
        """Bytes that cost as much to retrieve as one more job."""
        price = self.retrieval_gib[tier]
        return int(self.retrieval_1000[tier] / 1000 / price * _GIB) if price else _GIB

    def show(self, amount: float) -> str:
        """An amount, for people."""
        return show_amount(amount, self.currency)


def show_amount(amount: float, currency: str) -> str:
    """An amount of money, for people; small ones with more digits."""
    return f"{amount:,.2f} {currency}" if amount >= 0.1 or not amount else f"{amount:.4f} {currency}"


def load_prices(region: str, path: str | os.PathLike[str] | None = None) -> Prices:
    """The prices of a region, from a file or the list that comes with the package.

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
    """Refuse what costs more than is allowed.

    Raises:
        CostLimitError: It does.
    """
    if limit is not None and not cost <= limit:  # whatever is no number is no permission, either
        raise CostLimitError(
            f"{what} would cost {prices.show(cost)} by the price list of {prices.seen}, and "
            f"{prices.show(limit)} is allowed; nothing was sent. Allow more, or choose less",
            cost=cost,
            limit=limit,
        )


def _read(document: Any, region: str) -> Prices:
    regions = document["regions"]
    chosen = region if region in regions else document["default"]
    values = regions[chosen]
    tiers = {tier: values["retrieval"][tier.value] for tier in Tier}
    return Prices(
        region=chosen,
        is_other_region=chosen != region,
        seen=str(document["seen"]),
        currency=str(document["currency"]),
        storage_gib_month=_price(values["storage_gib_month"]),
        upload_1000=_price(values["upload_1000"]),
        retrieval_gib={tier: _price(price["gib"]) for tier, price in tiers.items()},
        retrieval_1000={tier: _price(price["request_1000"]) for tier, price in tiers.items()},
    )


def _price(value: Any) -> float:
    price = float(value)
    if not 0 <= price < math.inf:
        raise ValueError(f"a price is 0 or more, not {value}")
    return price
