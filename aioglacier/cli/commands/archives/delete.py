"""``aioglacier delete``: delete archives for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import PLACE_NAME
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.cli.shared.id_arguments import change_each, several_ids
from aioglacier.cli.shared.losing_files import (
    LOSE_FILES,
    foresee_losses,
    price_deletions,
    refuse_to_lose_files,
)
from aioglacier.cli.shared.money import SPENDING
from aioglacier.core.models import ArchiveId

if TYPE_CHECKING:
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.exits import Exit
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.glacier import Glacier


@make_command("delete")
@click.argument("vault", metavar="PLACE", type=PLACE_NAME)
@several_ids("archive")
@YES
@LOSE_FILES
@SPENDING
@DRY_RUN
def command(
    session: Session, vault: str, ids: list[str], lose_files: bool, spending: Spending, dry_run: bool
) -> Ending:
    """Delete archives of PLACE by their ids, for good: of a vault, or objects of s3://BUCKET by their keys.

    An archive is gone at once, though inventories list it for a day or more. Deleting it twice is no error.
    At least 90 days of storage are charged, 180 in DEEP_ARCHIVE. Files that 'sync' archived and that rest on
    these archives are named, and only --lose-files deletes them.
    """
    if vault.startswith("s3://"):
        from aioglacier.cli.commands.buckets.delete_objects import delete_objects  # noqa: PLC0415

        return delete_objects(session, vault, ids, spending, lose_files=lose_files, dry_run=dry_run)
    what = f"archive {ids[0]}" if len(ids) == 1 else show_count(len(ids), "archive")
    archives = [ArchiveId(each) for each in ids]
    cost, note = price_deletions(session, vault, archives, spending)
    if dry_run:
        foresee_losses(session, vault, archives, lose_files=lose_files)
        text = f"delete {what} from vault {vault}; {note}"
        return tell_plan(session, "DeleteArchive", text, vault=vault, archive_ids=ids, **cost)
    confirm(session, f"delete {what} from vault {vault} for good", yes=spending.yes, note=note)
    session.resume = session.same_command(yes=True)  # the answer was given

    async def delete(glacier: Glacier) -> Exit:
        of = glacier.vault(vault)
        await refuse_to_lose_files(session, of, archives, lose_files=lose_files)
        async with of.spending(spending.budget(glacier)):
            return await change_each(session, "archive", vault, ids, "deleted", of.delete_archive)

    return delete
