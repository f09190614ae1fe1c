"""The price list that comes with the package, or one of the user's own.

The list is JSON: the date on which it was seen, a currency, and the prices of each region. A price that the
list lacks is ``nan`` in ``Prices``.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import ConfigurationError
from aioglacier.core.models import Tier
from aioglacier.core.prices import Prices
from aioglacier.core.s3.objects import CLASS_TERMS, RESTORE_TIERS, StorageClass

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_BUILT_IN: Final = Path(__file__).with_name("prices.json")


def load_prices(
    region: str, path: str | os.PathLike[str] | None = None, *, storage_class: StorageClass | None = None
) -> Prices:
    """Return the prices of a region, from a file or the list that comes with the package.

    They are those of vaults, or of a storage class of S3.

    Raises:
        ConfigurationError: The file cannot be read, or is no price list.
    """
    source = _BUILT_IN if path is None else Path(path)
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
        values = document["regions"].get(region, {})  # a region that the list lacks has unknown prices
        prices = _read(document, region, values)
        return prices if storage_class is None else _read_class(prices, values, storage_class)
    except OSError as error:
        raise ConfigurationError(
            f"the price list {str(source)!r} cannot be read: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{str(source)!r} is no price list ({type(error).__name__}: {error}); {str(_BUILT_IN)!r} is one"
        ) from error


def _read(document: Any, region: str, values: Mapping[str, Any]) -> Prices:
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
        capacity_month=_price(values, "capacity_month"),
    )


def _read_class(vaults: Prices, region: Mapping[str, Any], storage_class: StorageClass) -> Prices:
    """Return the prices of a class. One that reads at once has no tiers; its bytes cost as they come."""
    classes = region.get("classes", {})
    values = classes.get(storage_class.value, {})
    read, tiers = values.get("read", {}), RESTORE_TIERS.get(storage_class)
    if tiers is None:
        reading, by_gib = _price(read, "gib"), dict.fromkeys(Tier, 0.0)
        by_request = dict.fromkeys(Tier, _price(read, "request_1000"))
    else:
        retrieval, reading = values.get("retrieval", {}), 0.0
        by_gib = {tier: _price(retrieval.get(tier.value, {}), "gib") for tier in tiers}
        by_request = {tier: _price(retrieval.get(tier.value, {}), "request_1000") for tier in tiers}
    standard = classes.get("STANDARD", {})
    # Parts, and the beginning of an upload, are billed as in STANDARD until such a class has the object.
    is_restored = "retrieval" in values
    getting = standard.get("read", {}) if tiers is not None else read
    is_standard = storage_class is StorageClass.STANDARD
    return replace(
        vaults,
        standard=None if is_standard else _read_class(vaults, region, StorageClass.STANDARD),
        part_1000=_price(standard, "upload_1000") if is_restored else None,
        get_1000=_price(getting, "request_1000") if getting else 0.0,
        storage_gib_month=_price(values, "storage_gib_month"),
        upload_1000=_price(values, "upload_1000"),
        transfer_out_gib=vaults.transfer_out_gib + reading,
        retrieval_gib=by_gib,
        retrieval_1000=by_request,
        standard_gib_month=_price(standard, "storage_gib_month"),
        storage_class=storage_class.value,
        terms=CLASS_TERMS[storage_class],
    )


def _price(values: Mapping[str, Any], name: str) -> float:
    if name not in values:  # unknown, and not free
        return math.nan
    price = float(values[name])
    if not 0 <= price < math.inf:
        raise ValueError(f"{name} is 0 or more, not {values[name]}")
    return price
