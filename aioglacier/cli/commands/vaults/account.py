"""``aioglacier account``: settings of the account in one region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import SIZE
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.shared.confirming import YES, confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.core.models import RetrievalPolicy, RetrievalStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.session import Session
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


@_policy.command("show")
@click.pass_obj
def _show(session: Session) -> int:
    """Show the data retrieval policy."""

    async def show(glacier: Glacier) -> int:
        policy = await glacier.get_data_retrieval_policy()
        session.output.record(_policy_record(policy), _policy_text)
        return Exit.DONE

    return session.run(show, records=False)


@_policy.command("set")
@click.argument("strategy", type=click.Choice(list(_STRATEGIES)))
@click.argument("size", type=SIZE, required=False)
@DRY_RUN
@click.pass_obj
def _set(session: Session, strategy: str, size: int | None, dry_run: bool) -> int:
    """Set the data retrieval policy; bytes-per-hour goes with a SIZE."""
    if (strategy == "bytes-per-hour") != (size is not None):
        raise click.UsageError("SIZE goes with bytes-per-hour, and with nothing else")
    policy = RetrievalPolicy(_STRATEGIES[strategy], size)
    if dry_run:
        what = f"make the account's data retrieval policy {strategy}"
        return tell_plan(session, "SetDataRetrievalPolicy", what, **_policy_record(policy))

    async def set_(glacier: Glacier) -> int:
        await glacier.set_data_retrieval_policy(policy)
        session.output.record(_policy_record(policy), _policy_text)
        return Exit.DONE

    return session.run(set_, records=False)


def _policy_record(policy: RetrievalPolicy) -> dict[str, Any]:
    return {"strategy": policy.strategy.value, "bytes_per_hour": policy.bytes_per_hour}


def _policy_text(record: Mapping[str, Any]) -> str:
    return as_text(f"data retrieval policy: {record['strategy']}", record, without={"strategy"})


@command.group("capacity")
def _capacity() -> None:
    """Units of Expedited capacity: with one, Expedited retrievals are always accepted."""


@_capacity.command("list")
@click.pass_obj
def _list(session: Session) -> int:
    """List the units that the account has bought."""

    async def list_(glacier: Glacier) -> int:
        for unit in await glacier.list_provisioned_capacity():
            record = {"capacity_id": unit.id, "started": plain(unit.started), "expires": plain(unit.expires)}
            session.output.record(
                record,
                lambda record: as_text(f"capacity {record['capacity_id']}", record, without={"capacity_id"}),
            )
        return Exit.DONE

    return session.run(list_, records=False)


@_capacity.command("purchase")
@YES
@DRY_RUN
@click.pass_obj
def _purchase(session: Session, yes: bool, dry_run: bool) -> int:
    """Buy one unit of Expedited capacity for a month, which costs money at once."""
    if dry_run:
        what = "buy one unit of Expedited capacity for a month, for about 100 US dollars"
        return tell_plan(session, "PurchaseProvisionedCapacity", what, cost=100, currency="USD")
    confirm("Buy one unit of Expedited capacity for a month, for about 100 US dollars?", yes=yes)

    async def purchase(glacier: Glacier) -> int:
        capacity_id = await glacier.purchase_provisioned_capacity()
        session.output.record(
            {"capacity_id": capacity_id}, lambda record: f"bought capacity {record['capacity_id']}"
        )
        return Exit.DONE

    return session.run(purchase, records=False)
