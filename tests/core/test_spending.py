"""Budgets: what they count, what they refuse, and where they are in force."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.pricing import load_prices
from aioglacier.core.errors import ConnectionLostError, CostLimitError, ServiceError
from aioglacier.core.limits import GIB, MIB
from aioglacier.core.models import Archive, ArchiveId, Tier
from aioglacier.core.prices import rounded
from aioglacier.core.s3.objects import StorageClass
from aioglacier.core.spending import (
    Budget,
    Charge,
    Expense,
    budgets,
    buying_capacity,
    deleting,
    spending,
    take_expenses,
)

if TYPE_CHECKING:
    from aioglacier.core.prices import Prices

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def prices() -> Prices:
    """Return the prices of us-east-1, all of which are known."""
    return load_prices("us-east-1")


def archive(age_days: int) -> Archive:
    """Return an archive of a GiB."""
    return Archive(ArchiveId("A"), "photos", GIB, bytes(32), "", NOW - timedelta(days=age_days))


def test_looks_for_what_is_paid_are_counted_and_never_refused() -> None:
    """A wait of days needs thousands of them; before a retrieval, and for another one, the limit holds."""
    prices = load_prices("us-east-1", storage_class=StorageClass.DEEP_ARCHIVE)
    restore = Charge(tier=Tier.BULK, retrieved=GIB)
    free = Budget(prices)
    free.charge("RestoreObject", restore)
    budget = Budget(prices, free.cost + prices.fetching(GIB))
    with pytest.raises(CostLimitError):
        budget.charge("ListObjectsV2", Charge(lists=10**9))
    budget.charge("RestoreObject", restore)
    budget.charge("ListObjectsV2", Charge(lists=5760))
    assert budget.cost == pytest.approx(free.cost + prices.looking(lists=5760))
    budget.receive(GIB, "GetObject")
    with pytest.raises(CostLimitError):
        budget.charge("RestoreObject", restore)


def test_a_cost_above_the_limit_is_refused_with_both_amounts(prices: Prices) -> None:
    """A cost that equals the limit is allowed, and what was spent before counts."""
    Budget(prices).check(1e9, "this")
    budget = Budget(prices, 1.0)
    budget.check(1.0, "this")
    with pytest.raises(
        CostLimitError, match=r"this would cost 1\.50 USD .*1\.00 USD is allowed; nothing"
    ) as caught:
        budget.check(1.5, "this")
    assert (caught.value.cost, caught.value.limit) == (1.5, 1.0)
    budget.cost = 0.6
    with pytest.raises(CostLimitError, match=r"after 0\.60 USD nothing more was sent"):
        budget.check(0.5, "this")


@pytest.mark.parametrize("cost", [6.84e-5, 0.000153, 0.1249, 1.0049, 123.456])
def test_a_cost_that_was_shown_is_enough_as_a_limit(prices: Prices, cost: float) -> None:
    """Amounts are rounded up, in text and in JSON; a little less is refused."""
    text = float(prices.show(cost).split()[0])
    record = rounded(cost)
    assert record is not None
    for limit in (text, record, cost):
        Budget(prices, limit).check(cost, "this")
    with pytest.raises(CostLimitError):
        Budget(prices, cost * 0.999).check(cost, "this")


def test_a_sum_of_costs_is_not_refused_for_the_error_of_floats(prices: Prices) -> None:
    """Three times 0.1 is a little more than 0.3 in binary."""
    budget = Budget(prices, 0.3)
    for _ in range(3):
        budget.check(0.1, "this")
        budget.cost += 0.1


def test_an_unknown_cost_passes_no_limit() -> None:
    """The refusal names the region, the missing prices and the way out."""
    prices = load_prices("eu-north-1")
    Budget(prices).check(math.nan, "the sync")
    with pytest.raises(
        CostLimitError, match=r"no price for upload requests, .* in eu-north-1.*--prices FILE, or leave"
    ) as caught:
        Budget(prices, 1e9).check(prices.uploads(3), "the sync")
    assert math.isnan(caught.value.cost)
    assert caught.value.limit == 1e9


def test_a_retrieval_of_unknown_size_passes_no_limit(prices: Prices) -> None:
    """Its price depends on its size; an inventory brings that."""
    unknown = r"the cost of InitiateJob is unknown, because a size is not on record; .* Read an inventory"
    with pytest.raises(CostLimitError, match=unknown):
        Budget(prices, 1e9).charge("InitiateJob", Charge(tier=Tier.BULK, retrieved=None))


def test_an_upload_costs_requests_and_the_storage_of_its_minimum_time(prices: Prices) -> None:
    """A part sent again is one more request and stores nothing more."""
    budget = Budget(prices)
    budget.charge("InitiateMultipartUpload", Charge(uploads=1, archives=1))
    budget.charge("UploadMultipartPart", Charge(uploads=1, stored=MIB))
    budget.charge("UploadMultipartPart", Charge(uploads=1))
    budget.charge("CompleteMultipartUpload", Charge(uploads=1))
    assert budget.cost == pytest.approx(prices.uploads(4) + prices.storing(MIB))
    assert sum(each.requests for each in budget.take_expenses()) == 4


def test_a_request_needs_only_the_prices_of_what_it_does() -> None:
    """A retrieval has a cost where uploads and storage have no price."""
    prices = replace(load_prices("us-east-1"), upload_1000=math.nan, storage_gib_month=math.nan)
    budget = Budget(prices)
    budget.charge("InitiateJob", Charge(tier=Tier.BULK, retrieved=GIB))
    assert budget.cost == pytest.approx(prices.jobs(Tier.BULK, GIB, 1))


def test_parts_are_charged_as_parts_and_their_bytes_are_expenses(prices: Prices) -> None:
    """Of two parts and a completion only the completion costs as one; bytes sent add up."""
    cheap = replace(prices, part_1000=prices.upload_1000 / 10)
    budget = Budget(cheap)
    for _ in range(2):
        budget.charge("UploadMultipartPart", Charge(parts=1, stored=MIB))
    budget.charge("CompleteMultipartUpload", Charge(uploads=1))
    assert budget.cost == pytest.approx(cheap.uploads(3, 1) + cheap.storing(2 * MIB, 0))
    parts, completion = budget.take_expenses()
    assert (parts.requests, parts.sent) == (2, 2 * MIB)
    assert completion.price == pytest.approx(cheap.uploads(1))


def test_a_job_holds_the_price_of_its_output(prices: Prices) -> None:
    """A second job is refused as long as the output of the first may still come, and its bytes count once."""
    cost = prices.retrieval(Tier.STANDARD, GIB, 1)
    budget = Budget(prices, cost * 1.5)
    job = Charge(tier=Tier.STANDARD, retrieved=GIB)
    budget.charge("InitiateJob", job)
    with pytest.raises(CostLimitError):
        budget.charge("InitiateJob", job)
    assert budget.cost == pytest.approx(prices.jobs(Tier.STANDARD, GIB, 1))
    budget.receive(GIB)
    assert budget.cost == pytest.approx(cost)
    with pytest.raises(CostLimitError, match=r"^fetching would cost"):
        budget.receive(GIB)
    budget.give_back(GIB // 4)
    assert budget.cost == pytest.approx(cost - prices.transfer_out(GIB // 4))


def test_what_came_is_held_no_more(prices: Prices) -> None:
    """After the output of a job has come, all that the limit leaves may be spent."""
    cost = prices.retrieval(Tier.STANDARD, GIB, 1)
    budget = Budget(prices, cost + 1)
    budget.charge("InitiateJob", Charge(tier=Tier.STANDARD, retrieved=GIB))
    budget.receive(GIB)
    budget.check(0.999, "more")
    with pytest.raises(CostLimitError):
        budget.check(1.001, "more")


def test_every_sum_of_a_request_counts_against_the_limit(prices: Prices) -> None:
    """The parts and the storage of an upload count, and so do the outputs of two jobs that may still come."""
    charge = Charge(uploads=1, parts=2, stored=MIB, archives=1)
    cost = prices.uploads(3, 1) + prices.storing(MIB)
    Budget(prices, cost * 1.001).charge("UploadArchive", charge)
    with pytest.raises(CostLimitError):
        Budget(prices, cost * 0.999).charge("UploadArchive", charge)
    budget = Budget(prices, 2.001 * prices.retrieval(Tier.STANDARD, GIB, 1))
    for _ in range(2):
        budget.charge("InitiateJob", Charge(tier=Tier.STANDARD, retrieved=GIB))
    with pytest.raises(CostLimitError):
        budget.check(0.01, "more")


def test_expenses_name_what_came_and_what_was_deleted(prices: Prices) -> None:
    """Bytes that did not come and deletions that were refused are taken back, with their price."""
    budget = Budget(prices)
    for _ in range(2):
        budget.receive(GIB)
    budget.give_back(GIB)
    with spending(budget):
        for _ in range(2):
            with deleting(archive(1), NOW):
                pass
        with pytest.raises(ServiceError), deleting(archive(1), NOW):
            raise ServiceError("locked", operation="DeleteArchive", code="", status=400)
    came, deleted = budget.take_expenses()
    assert came.price is not None
    assert deleted.price is not None
    assert came == Expense("GetJobOutput", 2, received=GIB, price=came.price, currency="USD")
    assert came.price == pytest.approx(prices.fetching(GIB))
    assert deleted == Expense("DeleteArchive", 2, price=deleted.price, currency="USD")
    assert deleted.price == pytest.approx(2 * prices.early_deletion(GIB, 1, 1))


@pytest.mark.parametrize(("age_days", "is_charged"), [(1, True), (90, False)])
def test_an_early_deletion_is_charged_unless_it_is_refused(
    prices: Prices, age_days: int, *, is_charged: bool
) -> None:
    """A refused deletion costs nothing; an old archive neither."""
    budget = Budget(prices)
    with spending(budget):
        with pytest.raises(ServiceError), deleting(archive(age_days), NOW):
            raise ServiceError("locked", operation="DeleteArchive", code="", status=400)
        assert budget.cost == 0
        with deleting(archive(age_days), NOW):
            pass
    assert (budget.cost > 0) is is_charged
    unknown = pytest.raises(CostLimitError, match="the cost of the early deletion of an archive is unknown")
    with spending(Budget(prices, 1.0)), unknown, deleting(None, NOW):
        pytest.fail("an archive of unknown size may cost anything")


def test_capacity_is_charged_unless_the_service_refuses_it(prices: Prices) -> None:
    """A refused purchase costs nothing; one whose answer was lost stays counted; a price may be unknown."""
    priced = replace(prices, capacity_month=100.0)
    budget = Budget(priced, 250.0)
    with spending(budget):
        with pytest.raises(ServiceError), buying_capacity():
            raise ServiceError("two", operation="PurchaseProvisionedCapacity", code="", status=400)
        assert budget.cost == 0
        with pytest.raises(ConnectionLostError), buying_capacity():
            raise ConnectionLostError("lost", operation="", may_have_taken_effect=True)
        with buying_capacity():
            pass
        with pytest.raises(CostLimitError, match="a unit of Expedited capacity would cost 300"):
            budget.charge_capacity()
    assert budget.take_expenses() == [Expense("PurchaseProvisionedCapacity", 2, price=200.0, currency="USD")]
    unknown = Budget(replace(prices, capacity_month=math.nan), 250.0)
    with pytest.raises(CostLimitError, match="no price for Expedited capacity in"):
        unknown.charge_capacity()


async def test_a_budget_is_in_force_in_the_tasks_of_its_block(prices: Prices) -> None:
    """Nested budgets all count; one that is entered twice counts once."""
    outer, inner = Budget(prices), Budget(prices)
    seen: list[tuple[Budget, ...]] = []

    async def look() -> None:
        seen.append(budgets())

    with spending(outer), spending(inner), spending(outer):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
    assert seen == [(outer, inner)]
    assert budgets() == ()


def test_an_expense_is_taken_once(prices: Prices) -> None:
    """One operation can be taken alone; an unknown price is none."""
    budget = Budget(load_prices("eu-north-7"))
    assert take_expenses("InitiateJob") == []
    with spending(budget):
        budget.charge("InitiateJob", Charge(tier=Tier.BULK, retrieved=MIB))
        budget.receive(MIB)
        assert take_expenses("InitiateJob") == [Expense("InitiateJob", 1, currency="USD")]
        assert take_expenses("InitiateJob") == []
    assert budget.take_expenses() == [Expense("GetJobOutput", 1, received=MIB, currency="USD")]
    known = Budget(prices)
    known.receive(GIB)
    assert known.take_expenses()[0].price == pytest.approx(prices.transfer_out(GIB))
