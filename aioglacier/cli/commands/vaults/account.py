"""``aioglacier account``: settings of the account in one region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.parameters import SIZE, Words
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.cli.shared.vault_lookup import find_region
from aioglacier.core.models import RetrievalPolicy, RetrievalStrategy
from aioglacier.core.spending import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier

_STRATEGIES = {
    "none": RetrievalStrategy.NONE,
    "free-tier": RetrievalStrategy.FREE_TIER,
    "bytes-per-hour": RetrievalStrategy.BYTES_PER_HOUR,
}


@click.group("account", cls=CommandGroup)
def command() -> None:
    """The account's retrieval policy and Expedited capacity."""


@command.group("policy")
def _policy() -> None:
    """The data retrieval policy of the account: a limit on the cost of Standard retrievals."""


@_policy.command("show", records=False)
async def _show(session: Session, glacier: Glacier) -> None:
    """Show the data retrieval policy."""
    _print(session, await glacier.get_data_retrieval_policy())


@_policy.command("set", records=False)
@click.argument("strategy", type=Words(list(_STRATEGIES)))
@click.argument("size", type=SIZE, required=False)
@DRY_RUN
def _set(session: Session, strategy: str, size: int | None, dry_run: bool) -> Ending:
    """Set the data retrieval policy; bytes-per-hour goes with a SIZE."""
    if (strategy == "bytes-per-hour") != (size is not None):
        raise click.UsageError("SIZE goes with bytes-per-hour, and with nothing else")
    policy = RetrievalPolicy(_STRATEGIES[strategy], size)
    if dry_run:
        what = f"make the account's data retrieval policy {strategy}"
        return tell_plan(session, "SetDataRetrievalPolicy", what, **_policy_record(policy))

    async def set_(glacier: Glacier) -> None:
        await glacier.set_data_retrieval_policy(policy)
        _print(session, policy)

    return set_


def _print(session: Session, policy: RetrievalPolicy) -> None:
    def text(record: Mapping[str, Any]) -> str:
        return as_text(f"data retrieval policy: {record['strategy']}", record, without={"strategy"})

    session.output.record(_policy_record(policy), text)


def _policy_record(policy: RetrievalPolicy) -> dict[str, Any]:
    return {"strategy": policy.strategy.value, "bytes_per_hour": policy.bytes_per_hour}


@command.group("capacity")
def _capacity() -> None:
    """Units of Expedited capacity: with one, Expedited retrievals are always accepted."""


@_capacity.command("list", records=False)
async def _list(session: Session, glacier: Glacier) -> None:
    """List the units that the account has bought."""

    def text(record: Mapping[str, Any]) -> str:
        return as_text(f"capacity {record['capacity_id']}", record, without={"capacity_id"})

    for unit in await glacier.list_provisioned_capacity():
        record = {"capacity_id": unit.id, "started": plain(unit.started), "expires": plain(unit.expires)}
        session.output.record(record, text)


@_capacity.command("purchase")
@YES
@SPENDING
@DRY_RUN
def _purchase(session: Session, spending: Spending, dry_run: bool) -> Ending:
    """Buy one unit of Expedited capacity for a month, which costs money at once."""
    prices = spending.prices_of(find_region(session.settings))
    cost = cost_record(prices, prices.capacity_month)
    what = f"one unit of Expedited capacity for a month, {cost_text(cost)}"
    if dry_run:
        return tell_plan(session, "PurchaseProvisionedCapacity", f"buy {what}", **cost)
    Budget(prices, spending.max_cost).charge_capacity()  # refuses before anybody is asked
    confirm(session, f"buy {what}", yes=spending.yes)

    async def purchase(glacier: Glacier) -> None:
        async with glacier.spending(spending.budget(glacier)):
            record = {"capacity_id": await glacier.purchase_provisioned_capacity()}
        session.output.record(record, lambda record: f"bought capacity {record['capacity_id']}")

    return purchase
