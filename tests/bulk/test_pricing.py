"""The price list of the package, and lists of users."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import ConfigurationError, CostLimitError
from aioglacier.core.limits import GIB, KIB
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import Budget, Charge

if TYPE_CHECKING:
    from pathlib import Path


def test_a_region_has_its_own_prices() -> None:
    """Storage, requests, retrieval by tier and transfer out are those that were published."""
    prices = load_prices("ap-southeast-2")
    assert (prices.region, prices.missing) == ("ap-southeast-2", ())
    assert prices.month(GIB) == pytest.approx(0.005)
    assert prices.uploads(1000) == pytest.approx(0.06)
    assert prices.jobs(Tier.STANDARD, GIB, 1000) == pytest.approx(0.012 + 0.06)
    assert prices.transfer_out(GIB) == pytest.approx(0.114)
    assert prices.retrieval(Tier.STANDARD, GIB, 1000) == pytest.approx(0.012 + 0.06 + 0.114)


def test_an_unknown_price_is_never_guessed() -> None:
    """A region without the prices of requests and jobs has no cost of uploads and retrievals."""
    prices = load_prices("eu-north-1")
    assert prices.missing == ("upload requests", "retrieval")
    assert prices.month(GIB) == pytest.approx(0.004)
    assert prices.transfer_out(GIB) == pytest.approx(0.09)
    assert math.isnan(prices.uploads(1))
    assert math.isnan(prices.retrieval(Tier.BULK, 1, 1))
    assert prices.retrieval(Tier.BULK, 0, 0) == 0
    assert prices.worthwhile_gap(Tier.STANDARD) > 0
    assert prices.show(prices.uploads(1)) == "an unknown amount of USD"
    assert load_prices("eu-north-7").missing == ("storage", "upload requests", "retrieval", "transfer out")


def test_a_price_that_is_partly_known_costs_an_unknown_amount() -> None:
    """Of Standard jobs in Ireland the price of a GiB is known, and that of a request is not."""
    prices = load_prices("eu-west-1")
    assert math.isnan(prices.jobs(Tier.STANDARD, GIB, 1))
    assert prices.jobs(Tier.EXPEDITED, GIB, 1000) == pytest.approx(0.03 + 11)
    assert prices.worthwhile_gap(Tier.STANDARD) == load_prices("eu-north-1").worthwhile_gap(Tier.STANDARD)


@pytest.mark.parametrize(
    ("region", "uploads", "restore"), [("eu-west-1", 0.055, 0.003), ("eu-central-1", 0.06, 0.005)]
)
def test_deep_archive_has_prices_in_europe(region: str, uploads: float, restore: float) -> None:
    """Nothing of the class is missing there: its own prices, and the overhead and the parts in STANDARD."""
    deep = load_prices(region, storage_class=StorageClass.DEEP_ARCHIVE)
    assert deep.missing == ()
    assert deep.uploads(1000) == pytest.approx(uploads)
    assert deep.jobs(Tier.BULK, GIB, 0) == pytest.approx(restore)
    assert not math.isnan(deep.archive(GIB, 1 << 25))


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


@pytest.mark.parametrize("storage_class", StorageClass)
def test_each_class_has_prices_of_its_own(storage_class: StorageClass) -> None:
    """INTELLIGENT_TIERING has none in the list, and no other region's count for it."""
    prices = load_prices("us-east-1", storage_class=storage_class)
    assert prices.name == f"us-east-1 ({storage_class})"
    assert bool(prices.missing) == (storage_class == StorageClass.INTELLIGENT_TIERING)
    assert load_prices("eu-north-7", storage_class=storage_class).missing


def test_an_object_is_charged_by_the_terms_of_its_class() -> None:
    """180 days, 32 KiB at the class's price and 8 KiB at that of STANDARD; small ones count as 128 KiB."""
    deep = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    instant = load_prices("us-east-1", storage_class=StorageClass.GLACIER_IR)
    assert deep.storing(GIB, 0) == pytest.approx(6 * 0.00099)
    assert deep.month(0, archives=1) == pytest.approx((32 * 0.00099 + 8 * 0.023) * KIB / GIB)
    assert instant.month(1, archives=1) == pytest.approx(128 * KIB * 0.004 / GIB)
    assert deep.early_deletion(GIB, 90) == pytest.approx(3 * 0.00099)


def test_a_restore_costs_its_copy_and_reading_at_once_the_bytes() -> None:
    """A copy is billed as STANDARD; a class that reads at once has no tiers."""
    glacier = load_prices("us-east-1", storage_class=StorageClass.GLACIER)
    instant = load_prices("us-east-1", storage_class=StorageClass.GLACIER_IR)
    assert glacier.restore(Tier.BULK, GIB, 3) == pytest.approx(0.09 + 3 * 0.023 / 30)
    assert instant.restore(Tier.BULK, GIB, 0) == pytest.approx(0.09 + 0.03 + 0.01 / 1000)


def test_parts_cost_as_in_standard_until_a_class_has_the_object() -> None:
    """So does the request that begins the upload; only the completion costs as the class."""
    deep = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    instant = load_prices("us-east-1", storage_class=StorageClass.GLACIER_IR)
    assert deep.uploads(12, 1) == pytest.approx((11 * 0.005 + 0.05) / 1000)
    assert instant.uploads(12, 1) == instant.uploads(12) == pytest.approx(12 * 0.02 / 1000)
    assert load_prices("us-east-1").uploads(12, 1) == load_prices("us-east-1").uploads(12)


def test_a_request_that_fetches_an_object_is_charged() -> None:
    """A copy is read as an object in STANDARD is; the output of a job costs its bytes alone."""
    deep = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    assert deep.fetching(0) == pytest.approx(0.0004 / 1000)
    assert load_prices("us-east-1").fetching(0) == 0
    budget = Budget(deep)
    budget.receive(0, "GetObject")
    assert [(each.operation, each.requests) for each in budget.take_expenses()] == [("GetObject", 1)]


def test_lists_and_heads_are_charged() -> None:
    """A list costs as in STANDARD whatever the class, a head as reading does; at a vault both are free."""
    deep = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    instant = load_prices("us-east-1", storage_class=StorageClass.GLACIER_IR)
    assert deep.looking(1, 2) == pytest.approx((0.005 + 2 * 0.0004) / 1000)
    assert instant.looking(1, 2) == pytest.approx((0.005 + 2 * 0.01) / 1000)
    assert load_prices("us-east-1").looking(1, 2) == 0
    budget = Budget(deep, limit=0.000001)
    budget.charge("HeadObject", Charge(heads=1))
    with pytest.raises(CostLimitError, match="ListObjectsV2"):
        budget.charge("ListObjectsV2", Charge(lists=1))
    assert [(each.operation, each.requests) for each in budget.take_expenses()] == [("HeadObject", 1)]


def test_a_list_of_unknown_price_is_refused_where_there_is_a_limit() -> None:
    """Without one it is sent, and the sum is unknown."""
    nowhere = load_prices("eu-north-7", storage_class=StorageClass.DEEP_ARCHIVE)
    with pytest.raises(CostLimitError, match="requests to STANDARD"):
        Budget(nowhere, limit=1).charge("ListObjectsV2", Charge(lists=1))
    Budget(nowhere).charge("ListObjectsV2", Charge(lists=1))


def test_a_restore_is_charged_with_its_copy() -> None:
    """The budget counts what the plan says: retrieval, request and the days of the copy in STANDARD."""
    glacier = load_prices("us-east-1", storage_class=StorageClass.GLACIER)
    budget = Budget(glacier)
    budget.charge("RestoreObject", Charge(tier=Tier.BULK, retrieved=GIB, days=3))
    assert budget.cost + glacier.transfer_out(GIB) == pytest.approx(glacier.restore(Tier.BULK, GIB, 3))


def test_an_object_in_standard_is_charged_as_such() -> None:
    """A sidecar beside a bundle in another class costs what its own class costs."""
    deep = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    standard = load_prices("us-east-1", storage_class=StorageClass.STANDARD)
    budget = Budget(deep)
    for storage_class in ("STANDARD", "DEEP_ARCHIVE"):
        budget.charge("PutObject", Charge(uploads=1, stored=GIB, archives=1, storage_class=storage_class))
    assert budget.cost == pytest.approx(standard.archive(GIB) + deep.archive(GIB))
