"""``aioglacier vault empty``: delete every archive of a vault, which takes two days and this command twice.

The only list of a vault is its inventory, about a day old. So what came since is not deleted now, and the
vault cannot be deleted before the next inventory finds it empty. The command may be stopped and run again at
any time: the job is found again, and deleting an archive twice is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.command import command as make_command
from aioglacier.cli.confirming import confirm
from aioglacier.cli.deleting import delete_all
from aioglacier.cli.exits import Exit
from aioglacier.cli.failures import failure_of, tell
from aioglacier.cli.inventorying import inventory_job
from aioglacier.cli.jobwaiting import wait
from aioglacier.cli.listing import closing
from aioglacier.cli.progress import counting
from aioglacier.cli.records import as_text, plain
from aioglacier.cli.sizes import show_count
from aioglacier.core.checks import check_vault_name
from aioglacier.core.limits import MINIMUM_STORAGE_DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aioglacier.cli.session import Session
    from aioglacier.client import Glacier
    from aioglacier.core.errors import GlacierError
    from aioglacier.job import Job
    from aioglacier.vault import Vault

_AT_ONCE: Final = 8


@make_command("empty")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def empty(session: Session, name: str, yes: bool) -> int:
    """Delete every archive that the last inventory of the vault NAME lists, for good.

    Waits for an inventory job first, 3 to 5 hours, and says in the end when the vault itself can be deleted,
    or why not yet. Stop it at will: the same command goes on.
    """
    check_vault_name(name)
    confirm(
        f"Delete ALL archives of vault {name} for good? (Less than {MINIMUM_STORAGE_DAYS} days of "
        f"storage are charged as {MINIMUM_STORAGE_DAYS}.)",
        yes=yes,
    )
    session.resume = session.command("vault", "empty", "--yes", "--", name)

    async def run(glacier: Glacier) -> int:
        return await _empty(session, glacier.vault(name))

    return session.run(run)


async def _empty(session: Session, vault: Vault) -> int:
    before = await vault.describe()
    deleted = failed = 0
    if before.inventoried is not None:
        job, description = await inventory_job(session, vault)
        await wait(session, job, description)
        deleted, failed = await _delete_listed(session, vault, job, before.archive_count)
    after = await vault.describe()
    record = {
        "name": vault.name,
        "deleted": deleted,
        "failed": failed,
        "archives": after.archive_count,
        "inventoried": plain(after.inventoried),
        "can_be_deleted": after.inventoried is not None and after.archive_count == 0 and not failed,
    }
    session.output.record(record, _text)
    return Exit.SOME_FAILED if failed else Exit.DONE


async def _delete_listed(session: Session, vault: Vault, job: Job, expected: int) -> tuple[int, int]:
    """Delete what a finished inventory job lists; returns how many went, and how many did not."""
    counts = {"deleted": 0, "failed": 0}

    async def each() -> AsyncIterator[str]:
        async with closing(job.inventory()) as archives:
            async for archive in archives:
                yield archive.id

    with counting(session, f"deleting archives of {vault.name}", expected) as counter:

        def deleted(_archive_id: str) -> None:
            counts["deleted"] += 1
            counter.advance()

        def failed(archive_id: str, error: GlacierError) -> None:
            counts["failed"] += 1
            tell(session.output, failure_of(error, item=archive_id))

        session.safe = lambda: f"{show_count(counts['deleted'], 'archive')} deleted so far"
        async with closing(each()) as archive_ids:
            await delete_all(vault, archive_ids, concurrency=_AT_ONCE, deleted=deleted, failed=failed)
    return counts["deleted"], counts["failed"]


def _text(record: Mapping[str, Any]) -> str:
    name = record["name"]
    headline = f"{name}: {show_count(record['deleted'], 'archive')} deleted"
    if record["inventoried"] is None:
        advice = (
            "it has no inventory yet; if anything was ever uploaded, the first comes within a day of that: "
            "run this again then"
        )
    elif record["can_be_deleted"]:
        advice = f"its last inventory lists nothing; if nothing came since: aioglacier vault delete {name}"
    else:
        advice = (
            f"its last inventory still lists {record['archives']:,}; the next one, about a day from now, "
            "will not. Run this again then, for what has come meanwhile, and delete the vault"
        )
    return as_text(headline, {"next": advice, "failed": record["failed"] or None})
