"""Options about money, and what things cost, as records and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import folding
from aioglacier.cli.program.parameters import AMOUNT, AnyCase
from aioglacier.cli.render.printed_records import as_text
from aioglacier.cli.shared.consent import YES, confirm
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.prices import Prices
    from aioglacier.core.s3.objects import StorageClass
    from aioglacier.core.spending import Budget

_TIER: Final = click.option(
    "--tier",
    type=AnyCase([tier.value for tier in Tier]),
    default=Tier.STANDARD.value,
    show_default=True,
    help="Speed and price of retrievals: 1-5 minutes, 3-5 hours, 5-12 hours.",
)
_MAX_COST: Final = click.option(
    "--max-cost", type=AMOUNT, metavar="AMOUNT", help="Spend no more, by the price list and in its currency."
)
_PRICES: Final = click.option(
    "--prices", "price_list", metavar="FILE", help="Your own price list, instead of the built-in one."
)


@dataclass(frozen=True, slots=True)
class Spending:
    """The values of ``--tier``, ``--yes``, ``--max-cost`` and ``--prices``."""

    tier: Tier
    yes: bool
    max_cost: float | None
    price_list: str | None

    def prices(self, glacier: Glacier, storage_class: StorageClass | None = None) -> Prices:
        """Load the prices of the connection's region, of vaults or of a storage class."""
        return self.prices_of(glacier.region, storage_class)

    def prices_of(self, region: str | None, storage_class: StorageClass | None = None) -> Prices:
        """Load the prices of vaults in a region, or of a class of S3; all are unknown without a region."""
        from aioglacier.bulk.pricing import load_prices  # noqa: PLC0415  # not needed for help

        return load_prices(region or "", self.price_list, storage_class=storage_class)

    def budget(self, glacier: Glacier, storage_class: StorageClass | None = None) -> Budget:
        """Return the budget of the command, by the prices of the connection's region."""
        from aioglacier.core.spending import Budget  # noqa: PLC0415  # not needed for help

        return Budget(self.prices(glacier, storage_class), self.max_cost)


def _fold(given: dict[str, Any]) -> None:
    if given["price_list"] is not None:  # a file that is no list, before anything is opened
        from aioglacier.bulk.pricing import load_prices  # noqa: PLC0415  # not needed for help

        load_prices("", given["price_list"])
    tier, yes = Tier(given.pop("tier", Tier.STANDARD)), given.pop("yes", False)
    given["spending"] = Spending(tier, yes, given.pop("max_cost"), given.pop("price_list"))


#: Give a command ``spending``: for one that retrieves, and for one that does not.
RETRIEVING: Final = folding(_fold, _TIER, YES, _MAX_COST, _PRICES)
SPENDING: Final = folding(_fold, _MAX_COST, _PRICES)


def cost_record(prices: Prices, cost: float) -> Record:
    """Return an amount of money, ``None`` if it is unknown, and the list that it comes from."""
    from aioglacier.core.prices import rounded  # noqa: PLC0415  # not needed for help

    return {
        "cost": rounded(cost),
        "currency": prices.currency,
        "prices_of": prices.region,
        "prices_seen": prices.seen,
    }


def cost_text(record: Any) -> str:
    """Return the same as text."""
    from aioglacier.core.prices import show_amount  # noqa: PLC0415

    if record["cost"] is None:
        where = record["prices_of"] or "a region that is not named: --region"
        return f"unknown cost (no price in {where} by the list of {record['prices_seen']}, or no size or age)"
    return f"about {show_amount(record['cost'], record['currency'])} (list of {record['prices_seen']})"


def priced_text(headline: str, record: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """Return a record that has a cost as text; see ``as_text``."""
    shown = {**record, "cost": cost_text(record)}
    return as_text(headline, shown, without={*without, "currency", "prices_of", "prices_seen"})


def confirm_expedited(session: Session, spending: Spending, cost: float, prices: Prices, what: str) -> None:
    """Ask before an Expedited retrieval, which costs several times as much as the other tiers."""
    if spending.tier is not Tier.EXPEDITED or session.settings.local is not None:  # a local one costs nothing
        return
    confirm(
        session,
        f"{what} by tier Expedited for about {prices.show(cost)} (list of {prices.seen})",
        yes=spending.yes,
    )
