"""``aioglacier delete``: delete archives for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.failures import failure_of, tell
from aioglacier.cli.program.session import worst_exit
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.confirming import YES, confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.cli.shared.id_arguments import gather_ids, several_ids
from aioglacier.cli.shared.losing_files import LOSE_FILES, refuse_to_lose_files
from aioglacier.cli.shared.uploading import run_side_by_side
from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import GlacierError, ServiceError, TemporaryServiceError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import ArchiveId

if TYPE_CHECKING:
    from aioglacier.cli.program.exits import Exit
    from aioglacier.cli.program.session import Session
    from aioglacier.client.glacier import Glacier

_AT_ONCE: Final = 4


@make_command("delete")
@click.argument("vault")
@several_ids("archive")
@YES
@LOSE_FILES
@DRY_RUN
@click.pass_obj
def command(
    session: Session,
    vault: str,
    given: tuple[str, ...],
    more_ids: tuple[str, ...],
    file: str | None,
    yes: bool,
    lose_files: bool,
    dry_run: bool,
) -> int:
    """Delete archives of VAULT by their ids, for good.

    An archive is gone at once, though inventories list it for a day or more. Deleting it twice is no error.
    At least 90 days of storage are charged. Files that 'sync' archived and that rest on these archives are
    named, and only --lose-files deletes them.
    """
    check_vault_name(vault)
    ids = gather_ids("archive", given, more_ids, file)
    what = f"archive {ids[0]}" if len(ids) == 1 else show_count(len(ids), "archive")
    if dry_run:
        return tell_plan(
            session, "DeleteArchive", f"delete {what} from vault {vault}", vault=vault, archive_ids=ids
        )
    confirm(
        f"Delete {what} from vault {vault} for good? (Less than {VAULT.minimum_storage_days} days of storage "
        f"are charged as {VAULT.minimum_storage_days}.)",
        yes=yes,
    )
    session.resume = session.same_command(yes=True) if file != "-" else None

    async def delete(glacier: Glacier) -> int:
        archives = [ArchiveId(each) for each in ids]
        await refuse_to_lose_files(session, glacier.vault(vault), archives, lose_files=lose_files)
        return await _delete(session, glacier, vault, ids)

    return session.run(delete)


async def _delete(session: Session, glacier: Glacier, vault: str, ids: list[str]) -> int:
    """Delete archives, several at once. One that is refused does not keep the others.

    Trouble that concerns all of them ends the run, after deletions under way have been answered.
    """
    codes: list[Exit] = []
    waiting = iter(ids)
    trouble: list[GlacierError] = []

    async def delete_waiting() -> None:
        for archive_id in waiting:
            if trouble:
                return
            try:
                await glacier.vault(vault).delete_archive(archive_id)
            except GlacierError as error:
                if not isinstance(error, ServiceError) or isinstance(error, TemporaryServiceError):
                    trouble.append(error)
                    return
                if len(ids) == 1:
                    raise
                codes.append(tell(session.output, failure_of(error, item=archive_id)))
            else:
                record = {"archive_id": archive_id, "vault": vault, "deleted": True}
                session.output.record(record, lambda record: f"deleted {record['archive_id']}")

    await run_side_by_side(delete_waiting, _AT_ONCE)
    if trouble:
        raise trouble[0]
    return worst_exit(len(codes), len(ids), codes)
