"""Expenses are recorded by day and operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog.expenses import add_up
from aioglacier.core.spending import Expense
from tests.catalog.conftest import FILMS, PHOTOS

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog


async def test_the_expenses_of_a_day_are_one_row_for_each_operation(catalog: Catalog) -> None:
    """Vaults, operations and unknown prices stay apart, in either database."""
    part = Expense("UploadMultipartPart", 2, sent=10, price=0.5, currency="USD")
    unpriced = Expense("UploadMultipartPart", 1, sent=1, currency="USD")
    for _ in range(3):
        await catalog.expenses.record(PHOTOS, [part, Expense("InitiateJob", 1, price=2.0, currency="USD")])
        await catalog.expenses.record(PHOTOS, [unpriced])
    await catalog.expenses.record(FILMS, [part])
    rows = await catalog._database.read(
        lambda connection: connection.rows(
            "SELECT operation, requests, sent, price FROM spent ORDER BY number", ()
        )
    )
    assert rows == [
        ("UploadMultipartPart", 6, 30, 1_500_000),
        ("InitiateJob", 3, 0, 6_000_000),
        ("UploadMultipartPart", 3, 3, None),
        ("UploadMultipartPart", 2, 10, 500_000),
    ]


def test_expenses_of_one_kind_are_added_up() -> None:
    """Operations, currencies and unknown prices stay apart, and come in the order of the first of each."""
    parts = [Expense("UploadMultipartPart", 2, sent=10, received=1, price=0.5, currency="USD")] * 3
    unpriced = [Expense("UploadMultipartPart", 1, sent=4, received=2, currency="USD")] * 2
    euros = [Expense("UploadMultipartPart", 1, price=1.0, currency="EUR")]
    jobs = [Expense("InitiateJob", 1, price=2.0, currency="USD")]
    assert add_up([*parts, *unpriced, *euros, *jobs]) == [
        Expense("UploadMultipartPart", 6, sent=30, received=3, price=1.5, currency="USD"),
        Expense("UploadMultipartPart", 2, sent=8, received=4, currency="USD"),
        *euros,
        *jobs,
    ]
