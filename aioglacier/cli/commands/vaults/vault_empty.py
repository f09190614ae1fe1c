"""``aioglacier vault empty``: delete every archive of a vault, which takes two days and this command twice.

The only list of a vault is its inventory, about a day old. So what came since is not deleted now, and the
vault cannot be deleted before the next inventory finds it empty. The command may be stopped and run again at
any time: the job is found again, and deleting an archive twice is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.parameters import NAME
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.progress import counting
from aioglacier.cli.render.sizes import show_count, show_size
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.cli.shared.job_waiting import inventory_job, wait
from aioglacier.cli.shared.losing_files import (
    LOSE_FILES,
    foresee_losses,
    price_deletions,
    refuse_to_lose_files,
)
from aioglacier.cli.shared.money import SPENDING, cost_record, cost_text
from aioglacier.client.emptying import why_not_deletable
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import VaultDescription
    from aioglacier.core.prices import Prices
    from aioglacier.core.spending import Budget


@make_command("empty", short_help="Delete every archive of a vault.")
@NAME
@YES
@LOSE_FILES
@SPENDING
@DRY_RUN
def empty(session: Session, name: str, lose_files: bool, spending: Spending, dry_run: bool) -> Ending:
    """Delete every archive that the last inventory of the vault NAME lists, for good.

    Waits for an inventory job first, 3 to 5 hours, and says in the end when the vault itself can be deleted,
    or why not yet. Stop it at will: the same command goes on.
    """
    cost, note = price_deletions(session, name, None, spending)
    if dry_run:
        foresee_losses(session, name, None, lose_files=lose_files)
        return lambda glacier: _plan(session, glacier.vault(name), spending.prices(glacier), cost, note)
    confirm(session, f"delete ALL archives of vault {name} for good", yes=spending.yes, note=note)
    session.resume = session.same_command(yes=True)  # the answer was given

    async def run(glacier: Glacier) -> int:
        await refuse_to_lose_files(session, glacier.vault(name), None, lose_files=lose_files)
        budget = spending.budget(glacier)
        async with glacier.vault(name).spending(budget):
            return await _empty(session, glacier.vault(name), budget)

    return run


async def _plan(session: Session, vault: Vault, prices: Prices, cost: Record, note: str) -> int:
    found = await vault.describe()
    job = await vault.retrievals.find_useful_inventory() if found.inventoried is not None else None
    what = (
        f"delete what the next inventory of vault {vault.name} lists; the last one has "
        f"{show_count(found.archive_count, 'archive')}, {show_size(found.size)}; {note}"
    )
    if job is None and found.inventoried is not None:
        listing = cost_record(prices, prices.jobs(Tier.STANDARD, 0, 1))
        what = f"start an inventory job, {cost_text(listing)}; {what}"
        is_known = listing["cost"] is not None and cost["cost"] is not None
        cost = {**cost, "cost": listing["cost"] + cost["cost"] if is_known else None}
    return tell_plan(
        session,
        "DeleteArchive",
        what,
        name=vault.name,
        archives=found.archive_count,
        size=found.size,
        inventoried=plain(found.inventoried),
        job_id=job.id if job is not None else None,
        **cost,
    )


async def _empty(session: Session, vault: Vault, budget: Budget) -> int:
    before = await vault.describe()  # its numbers are those of the list that is deleted
    emptying = vault.prepare_emptying()
    if before.inventoried is not None:  # the service has no list of the vault before its first inventory
        job, description = await inventory_job(session, vault, budget)
        await wait(session, job, description)
        session.safe = lambda: f"{show_count(emptying.snapshot().deleted, 'archive')} deleted so far"
        async with (
            counting(
                session.output,
                f"deleting archives of {vault.name}",
                before.archive_count,
                lambda: emptying.snapshot().deleted,
            ),
            closing(job.inventory()) as archives,
        ):
            await emptying.run(archives)
        for archive_id, error in emptying.failures:
            tell(session.output, failure_of(error, item=archive_id))
    after = await vault.describe()  # it may have had an inventory meanwhile
    counts = emptying.snapshot()
    record = {
        "name": vault.name,
        "deleted": counts.deleted,
        "size": counts.bytes_deleted,
        "refused": counts.refused,
        "archives": after.archive_count,
        "inventoried": plain(after.inventoried),
        "why_not_deletable": _why_not(after),
    }
    session.output.record(record, _text)
    return Exit.SOME_FAILED if counts.refused else Exit.DONE


def _why_not(vault: VaultDescription) -> str | None:
    if vault.inventoried is None:
        return (
            "it has no inventory yet; if anything was ever uploaded, the first comes within a day of that: "
            "empty it again then"
        )
    return why_not_deletable(vault)


def _text(record: Mapping[str, Any]) -> str:
    name = record["name"]
    next_ = record["why_not_deletable"] or (
        f"its last inventory lists nothing; if nothing came since: aioglacier vault delete {name}"
    )
    headline = f"{name}: {show_count(record['deleted'], 'archive')} deleted, {show_size(record['size'])}"
    return as_text(headline, {"refused": record["refused"] or None, "next": next_})
