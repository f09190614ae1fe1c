"""Prices: overheads, early deletion, tiers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aioglacier.bulk.pricing import load_prices
from aioglacier.core.limits import GIB, KIB, MIB
from aioglacier.core.models import Tier
from aioglacier.core.prices import show_amount
from aioglacier.core.s3.objects import StorageClass

#: Regions whose prices were all found published.
COMPLETE = ("ap-southeast-2", "us-east-1", "us-west-2")


@pytest.mark.parametrize("region", COMPLETE)
def test_faster_tiers_cost_more(region: str) -> None:
    """Expedited costs more than Standard, and Standard more than Bulk."""
    prices = load_prices(region)
    costs = [prices.jobs(tier, GIB, 1) for tier in (Tier.BULK, Tier.STANDARD, Tier.EXPEDITED)]
    assert costs == sorted(costs)
    assert len({*costs}) == 3


def test_each_archive_has_an_overhead() -> None:
    """32 KiB are billed with each archive, as DescribeVault counts them."""
    prices = load_prices("us-east-1")
    assert prices.month(0, archives=GIB // (32 * KIB)) == pytest.approx(prices.month(GIB))


@pytest.mark.parametrize(("age_days", "months"), [(0, 3), (30, 2), (89, 1 / 30), (90, 0), (400, 0)])
def test_early_deletion_costs_the_rest_of_ninety_days(age_days: float, months: float) -> None:
    """The charge is pro rata, and ends after 90 days."""
    prices = load_prices("us-east-1")
    assert prices.early_deletion(GIB, age_days) == pytest.approx(months * prices.month(GIB))


def test_an_archive_costs_its_requests_and_its_minimum_time() -> None:
    """Three parts are five requests; storage is charged for 90 days in any case, with 32 KiB besides."""
    prices = load_prices("us-east-1")
    kept = 3 * prices.month(3 * MIB, archives=1)
    assert prices.archive(3 * MIB, MIB) == pytest.approx(prices.uploads(5) + kept)
    assert prices.archive(3 * MIB) == pytest.approx(prices.uploads(1) + kept)


def test_a_part_that_is_not_full_is_a_request() -> None:
    """Two parts and a half are five requests with the beginning and the end."""
    prices = load_prices("us-east-1")
    kept = prices.storing(5 * MIB // 2)
    assert prices.archive(5 * MIB // 2, MIB) == pytest.approx(prices.uploads(5) + kept)


def test_no_bytes_cost_nothing_even_without_a_price() -> None:
    """A plan without retrievals has a cost in every region."""
    prices = load_prices("eu-north-7")
    assert (prices.transfer_out(0), prices.retrieval(Tier.BULK, 0, 0)) == (0, 0)


def test_a_gap_costs_as_much_as_another_job() -> None:
    """A gap of a GiB is worth reading where bytes cost nothing."""
    prices = load_prices("us-east-1")
    gap = prices.worthwhile_gap(Tier.STANDARD)
    assert prices.jobs(Tier.STANDARD, gap, 0) == pytest.approx(prices.jobs(Tier.STANDARD, 0, 1), rel=1e-6)
    free = replace(prices, retrieval_gib=dict.fromkeys(Tier, 0.0))
    assert free.worthwhile_gap(Tier.STANDARD) == GIB


def test_a_price_that_is_not_needed_may_be_unknown() -> None:
    """Sums without early deletions, copies or overheads at STANDARD's price do not need those prices."""
    prices = replace(load_prices("us-east-1"), standard_gib_month=math.nan)
    assert prices.month(GIB, 1) > 0
    assert prices.restore(Tier.BULK, GIB, 0) == prices.retrieval(Tier.BULK, GIB, 1)
    assert replace(prices, storage_gib_month=math.nan).early_deletion(GIB, 90) == 0


def test_parts_of_an_object_cost_less_than_its_completion() -> None:
    """Of three requests for a part in GLACIER, the completion costs as GLACIER and two as STANDARD."""
    prices = load_prices("us-east-1", storage_class=StorageClass.GLACIER)
    assert prices.part_1000 is not None
    assert prices.part_1000 < prices.upload_1000
    requests = (prices.upload_1000 + 2 * prices.part_1000) / 1000
    assert prices.archive(MIB, MIB) == pytest.approx(requests + prices.storing(MIB))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0.00 USD"),
        (0.1, "0.10 USD"),
        (1234.5, "1,234.50 USD"),
        (0.099, "0.099 USD"),
        (0.00012345, "0.00013 USD"),
        (0.00015, "0.00015 USD"),
        (0.3 - 0.2, "0.10 USD"),
        (0.121, "0.13 USD"),
        (math.nan, "an unknown amount of USD"),
    ],
)
def test_small_amounts_have_two_digits_that_count(amount: float, text: str) -> None:
    """From ten cents on, amounts have two decimals; an unknown one is named so."""
    assert show_amount(amount, "USD") == text
