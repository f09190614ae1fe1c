"""The money that a program spends at the service, and the limit that it keeps.

A ``Budget`` is in force in the block that ``Vault.spending`` opens, and in the tasks that begin inside it.
The layer that sends requests asks it before each attempt, so repetitions count, and no method has to pass it
on. A job's output is charged when it comes, but its share of the limit is held from the start of the job:
otherwise a job could be paid for whose output may not be fetched. LIST and HEAD requests that follow the
first retrieval are counted and never refused: they wait for something that is paid for, for days if need be.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import CostLimitError, GlacierError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from aioglacier.core.models import Archive, Tier
    from aioglacier.core.prices import Prices

_DAY: Final = timedelta(days=1)

#: Sums of floats are off by less, and no request costs so little.
_TOLERANCE: Final = 1e-9


class Charge(NamedTuple):
    """The things that one request is charged for."""

    uploads: int = 0  # requests that store an archive whole, or complete it
    parts: int = 0  # other upload requests
    stored: int = 0  # bytes of archives that come into a vault by it
    archives: int = 0  # archives that it begins
    tier: Tier | None = None  # of the job that it starts; ``None`` for none
    retrieved: int | None = 0  # bytes that the job retrieves; ``None`` if they are not known
    days: int = 0  # of the life of a restored copy, which is stored beside its object
    storage_class: str | None = None  # of the object that it makes or begins
    lists: int = 0  # requests that list objects, parts or uploads in S3
    heads: int = 0  # requests for facts about an object or a bucket


@dataclass(frozen=True, slots=True)
class Expense:
    """Requests of one kind, and their price.

    Attributes:
        operation: The kind of request that is paid for.
        requests: How many.
        sent, received: Bytes.
        price: In ``currency``, by a price list; ``None`` if it is not known.
    """

    operation: str
    requests: int
    sent: int = 0
    received: int = 0
    price: float | None = None
    currency: str | None = None


class Budget:
    """Counts what is spent by a price list, and refuses what would exceed a limit.

    Attributes:
        prices: The price list.
        limit: The most that may be spent, in the currency of the prices; ``None`` for no limit.
        cost: The cost so far: requests, jobs, bytes received, early deletions, and the storage of new
            archives for the minimum time. ``nan`` if a price is not known.
    """

    def __init__(self, prices: Prices, limit: float | None = None) -> None:
        self.prices = prices
        self.limit = limit
        self.cost = 0.0
        self._held = 0.0
        self._awaits = False  # a retrieval was bought
        self._looks = 0.0  # the cost of requests that the limit does not concern
        self._expenses: dict[str, Expense] = {}

    def __repr__(self) -> str:
        allowed = f" of {self.prices.show(self.limit)}" if self.limit is not None else ""
        return f"<Budget {self.prices.show(self.cost)}{allowed} spent>"

    @property
    def prices_now(self) -> Prices:
        """The prices of the next request: those of the ``charging`` block around it, or its own."""
        return _PRICES.get() or self.prices

    def check(self, cost: float, what: str, needs: tuple[str, ...] | None = None) -> None:
        """Refuse a cost that would exceed the limit, or a cost that is unknown where there is a limit.

        Args:
            cost: The cost to come.
            what: Its cause, for the message: "this restore".
            needs: The kinds of price that the list lacks; by default all of them.

        Raises:
            CostLimitError: It would. Nothing is counted.
        """
        total = self.cost - self._looks + self._held + cost
        if self.limit is None or total <= self.limit + _TOLERANCE:
            return
        prices, limit = self.prices, self.limit
        lacking = prices.missing if needs is None else needs
        done = f"after {prices.show(self.cost)} nothing more was sent" if self.cost else "nothing was sent"
        if math.isnan(total):
            raise CostLimitError(
                f"the cost of {what} is unknown: the price list of {prices.seen} has no price for "
                f"{', '.join(lacking)} in {prices.name}; {done}. Give a list of your own with "
                "--prices FILE, or leave out the limit"
                if lacking
                else f"the cost of {what} is unknown, because a size is not on record; {done}. Read an "
                "inventory first, or leave out the limit",
                cost=total,
                limit=limit,
            )
        raise CostLimitError(
            f"{what} would cost {prices.show(total)} by the price list of {prices.seen}, and "
            f"{prices.show(limit)} is allowed; {done}. Allow more, or choose less",
            cost=total,
            limit=limit,
        )

    def charge(self, operation: str, charge: Charge) -> None:
        """Count a request that is about to be sent.

        Raises:
            CostLimitError: It would exceed the limit. It is not counted, and must not be sent.
        """
        prices = self.prices_now.of_class(charge.storage_class)
        requests, held = charge.uploads + charge.parts, 0.0
        price = prices.uploads(requests, charge.uploads) if requests else 0.0
        if charge.tier is not None:
            size = math.nan if charge.retrieved is None else charge.retrieved
            price += prices.jobs(charge.tier, size, 1) + prices.copy(size, charge.days)
            held = prices.fetching(size)
        needs = None
        if charge.lists or charge.heads:
            price, needs = price + prices.looking(charge.lists, charge.heads), ("requests to STANDARD",)
        stored = prices.storing(charge.stored, charge.archives) if charge.stored or charge.archives else 0.0
        if needs is not None and self._awaits:
            self._looks += price
        else:  # before anything is counted, as a refused request costs nothing
            self.check(price + stored + held, operation, needs)
        self.cost += stored
        self._held += held  # the output will cost when it is fetched, and must be affordable then
        self._awaits = self._awaits or charge.tier is not None
        self._spend(operation, price, requests=1, sent=charge.stored)

    def charge_deletion(self, archive: Archive | None, now: datetime) -> float:
        """Count and return the charge for the early deletion of an archive; ``None`` if it is not known.

        Raises:
            CostLimitError: It would exceed the limit. It is not counted, and must not be sent.
        """
        price = math.nan  # the size of an archive that is not on record is unknown
        if archive is not None:
            price = self.prices_now.early_deletion(archive.size, (now - archive.created) / _DAY, 1)
        self.check(price, "the early deletion of an archive")
        self._spend("DeleteArchive", price, requests=1)
        return price

    def charge_capacity(self) -> float:
        """Count and return the price of a unit of Expedited capacity.

        Raises:
            CostLimitError: It would exceed the limit. It is not counted, and must not be bought.
        """
        price = self.prices.capacity_month
        self.check(price, "a unit of Expedited capacity", ("Expedited capacity",))
        self._spend("PurchaseProvisionedCapacity", price, requests=1)
        return price

    def receive(self, size: int, operation: str = "GetJobOutput") -> None:
        """Count a request for bytes that are about to come.

        Raises:
            CostLimitError: They would exceed the limit. They are not counted, and must not be fetched.
        """
        price = self.prices.fetching(size)
        from_held = min(price, self._held)  # what was held for it is not refused
        self.check(price - from_held, "fetching")
        self._held -= from_held
        self._spend(operation, price, requests=1, received=size)

    def give_back(self, size: int, operation: str = "GetJobOutput") -> None:
        """Take back bytes that were counted and did not come."""
        self._spend(operation, -self.prices.transfer_out(size), requests=0, received=-size)

    def undo(self, operation: str, price: float) -> None:
        """Take back the charge for a request that had no effect."""
        self._spend(operation, -price, requests=-1)

    def _spend(
        self, operation: str, price: float, *, requests: int, sent: int = 0, received: int = 0
    ) -> None:
        self.cost += price
        had = self._expenses.get(operation, Expense(operation, 0, price=0.0, currency=self.prices.currency))
        self._expenses[operation] = replace(
            had,
            requests=had.requests + requests,
            sent=had.sent + sent,
            received=had.received + received,
            price=(had.price or 0.0) + price,
        )

    def take_expenses(self, *operations: str) -> list[Expense]:
        """Return what was spent since the last call, by these operations or by all, for a record."""
        names = operations or list(self._expenses)
        # Each expense is recorded once.
        taken = [self._expenses.pop(name) for name in names if name in self._expenses]
        return [replace(each, price=None if math.isnan(each.price or 0.0) else each.price) for each in taken]


class RequestCounter(Budget):
    """Counts requests and refuses none, for a process that spends what another one answers for.

    Attributes:
        requests: How many were billed.
    """

    def __init__(self) -> None:
        self.requests = 0

    def charge(self, operation: str, charge: Charge) -> None:
        """Count a request."""
        del operation, charge
        self.requests += 1

    def receive(self, size: int, operation: str = "GetJobOutput") -> None:
        """Count nothing: the other process counts what is fetched for it."""

    def give_back(self, size: int, operation: str = "GetJobOutput") -> None:
        """See ``receive``."""


_BUDGETS: Final[ContextVar[tuple[Budget, ...]]] = ContextVar("aioglacier budgets", default=())
_PRICES: Final[ContextVar[Prices | None]] = ContextVar("aioglacier prices", default=None)


def budgets() -> tuple[Budget, ...]:
    """Return the budgets in force, the outermost first."""
    return _BUDGETS.get()


def take_expenses(*operations: str) -> list[Expense]:
    """Return what operations cost and no record has yet, by the innermost budget; nothing without one."""
    found = budgets()
    return found[-1].take_expenses(*operations) if found else []


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Put a budget in force for the block, and for the tasks that begin in it."""
    before = budgets()
    if budget not in before:  # else each request would count twice
        _BUDGETS.set((*before, budget))
    try:
        yield
    finally:
        _BUDGETS.set(before)  # a token would fail where another task ends the block


@contextmanager
def charging(prices: Prices) -> Iterator[None]:
    """Charge the requests of the block by these prices: those of another place than the budget's."""
    before = _PRICES.get()
    _PRICES.set(prices)
    try:
        yield
    finally:
        _PRICES.set(before)


@contextmanager
def deleting(archive: Archive | None, now: datetime) -> Iterator[None]:
    """Charge the budgets in force for an early deletion; not if the block fails."""
    charged = [(budget, budget.charge_deletion(archive, now)) for budget in budgets()]
    try:
        yield
    except GlacierError:
        for budget, price in charged:
            budget.undo("DeleteArchive", price)
        raise


@contextmanager
def buying_capacity() -> Iterator[None]:
    """Charge the budgets in force for a unit of Expedited capacity; not if the service refuses it."""
    charged = [(budget, budget.charge_capacity()) for budget in budgets()]
    try:
        yield
    except ServiceError:  # after a lost answer the unit may be bought, and stays counted
        for budget, price in charged:
            budget.undo("PurchaseProvisionedCapacity", price)
        raise
