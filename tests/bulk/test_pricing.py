"""The price list: known prices, unknown ones, and limits."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.pricing import check_cost, load_prices
from aioglacier.core.errors import ConfigurationError, CostLimitError
from aioglacier.core.limits import GIB, KIB
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from pathlib import Path

#: Regions whose prices were all found published.
COMPLETE = ("ap-southeast-2", "us-east-1", "us-west-2")


def test_a_region_has_its_own_prices() -> None:
    """Storage, requests, retrieval by tier and transfer out are those that were published."""
    prices = load_prices("ap-southeast-2")
    assert (prices.region, prices.missing) == ("ap-southeast-2", ())
    assert prices.month(GIB) == pytest.approx(0.005)
    assert prices.uploads(1000) == pytest.approx(0.06)
    assert prices.jobs(Tier.STANDARD, GIB, 1000) == pytest.approx(0.012 + 0.06)
    assert prices.transfer_out(GIB) == pytest.approx(0.114)
    assert prices.retrieval(Tier.STANDARD, GIB, 1000) == pytest.approx(0.012 + 0.06 + 0.114)


@pytest.mark.parametrize("region", COMPLETE)
def test_faster_tiers_cost_more(region: str) -> None:
    """Expedited costs more than Standard, and Standard more than Bulk."""
    prices = load_prices(region)
    costs = [prices.jobs(tier, GIB, 1) for tier in (Tier.BULK, Tier.STANDARD, Tier.EXPEDITED)]
    assert costs == sorted(costs)
    assert len({*costs}) == 3


def test_an_unknown_price_is_never_guessed() -> None:
    """A region of which only the storage price is known has no cost of uploads and retrievals."""
    prices = load_prices("eu-west-1")
    assert prices.missing == ("upload requests", "retrieval", "transfer out")
    assert prices.month(GIB) == pytest.approx(0.004)
    assert math.isnan(prices.uploads(1))
    assert math.isnan(prices.retrieval(Tier.BULK, 1, 1))
    assert prices.retrieval(Tier.BULK, 0, 0) == 0
    assert prices.worthwhile_gap(Tier.STANDARD) > 0
    assert prices.show(prices.uploads(1)) == "an unknown amount of USD"
    assert load_prices("eu-north-7").missing == ("storage", "upload requests", "retrieval", "transfer out")


def test_an_unknown_cost_passes_no_limit() -> None:
    """The refusal names the region, the missing prices and the way out."""
    prices = load_prices("eu-west-1")
    check_cost(math.nan, None, prices, "the sync")
    with pytest.raises(CostLimitError, match=r"no price for upload requests, .* in eu-west-1.*--prices FILE"):
        check_cost(prices.uploads(3), 1e9, prices, "the sync")


def test_each_archive_has_an_overhead() -> None:
    """32 KiB are billed with each archive, as DescribeVault counts them."""
    prices = load_prices("us-east-1")
    assert prices.month(0, archives=GIB // (32 * KIB)) == pytest.approx(prices.month(GIB))


@pytest.mark.parametrize(("age_days", "months"), [(0, 3), (30, 2), (89, 1 / 30), (90, 0), (400, 0)])
def test_early_deletion_costs_the_rest_of_ninety_days(age_days: float, months: float) -> None:
    """The charge is pro rata, and ends after 90 days."""
    prices = load_prices("us-east-1")
    assert prices.early_deletion(GIB, age_days) == pytest.approx(months * prices.month(GIB))


def test_a_list_of_ones_own_replaces_the_one_of_the_package(tmp_path: Path) -> None:
    """It also decides which gap between two ranges is retrieved with them."""
    tiers = {tier.value: {"gib": 1.0, "request_1000": 1000.0} for tier in Tier}
    region = {"storage_gib_month": 1.0, "upload_1000": 1000.0, "transfer_out_gib": 0, "retrieval": tiers}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"seen": "x", "currency": "EUR", "regions": {"r": region}}))
    prices = load_prices("r", path)
    assert prices.uploads(3) == 3
    assert prices.retrieval(Tier.BULK, GIB, 2) == 3
    assert prices.worthwhile_gap(Tier.BULK) == GIB
    assert prices.show(5) == "5.00 EUR"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"regions": {}}', '{"seen": "x", "currency": "EUR", "regions": {"us-east-1": 1}}'],
)
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """A file that is no price list is named with the reason."""
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.json"):
        load_prices("us-east-1", path)


@pytest.mark.parametrize("price", [-1, "NaN", "Infinity", "x"])
def test_a_price_that_is_no_amount_is_refused(tmp_path: Path, price: object) -> None:
    """A negative or endless price would pass every limit, or none."""
    path = tmp_path / "prices.json"
    regions = {"r": {"upload_1000": price}}
    path.write_text(json.dumps({"seen": "x", "currency": "EUR", "regions": regions}))
    with pytest.raises(ConfigurationError, match=r"prices\.json"):
        load_prices("r", path)


def test_a_cost_above_the_limit_is_refused_with_both_amounts() -> None:
    """A cost that equals the limit is allowed."""
    prices = load_prices("us-east-1")
    check_cost(1.0, 1.0, prices, "this")
    check_cost(1.0, None, prices, "this")
    with pytest.raises(CostLimitError) as caught:
        check_cost(1.5, 1.0, prices, "this")
    assert (caught.value.cost, caught.value.limit) == (1.5, 1.0)
    assert "1.50 USD" in str(caught.value)
