"""The price list that comes with the package, or one of the user's own.

The list is JSON: the date on which it was seen, a currency, and the prices of each region. A price that the
list lacks is ``nan`` in ``Prices``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.models import Tier
from aioglacier.core.prices import Prices

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_BUILT_IN: Final = Path(__file__).with_name("prices.json")


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
