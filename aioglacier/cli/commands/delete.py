"""``aioglacier delete``: archives go, for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aioglacier.cli.command import command as make_command
from aioglacier.cli.confirming import confirm
from aioglacier.cli.deleting import delete_all
from aioglacier.cli.failures import failure_of, tell
from aioglacier.cli.ids import gather_ids
from aioglacier.cli.session import worst_exit
from aioglacier.cli.sizes import show_count
from aioglacier.core.checks import check_vault_name
from aioglacier.core.limits import MINIMUM_STORAGE_DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.cli.exits import Exit
    from aioglacier.cli.session import Session
    from aioglacier.client import Glacier
    from aioglacier.core.errors import GlacierError

_AT_ONCE = 4


@make_command("delete", short_help="Delete archives.")
@click.argument("vault")
@click.argument("archive_ids", metavar="ARCHIVE_ID...", nargs=-1)
@click.option("--archive-id", "more_ids", multiple=True, metavar="ID", help="May be repeated.")
@click.option("--archive-ids", "file", metavar="FILE", help="A file with one id on each line; - is stdin.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(
    session: Session,
    vault: str,
    archive_ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    file: str | None,
    yes: bool,
) -> int:
    """Delete archives of VAULT by their ids, for good.

    An archive is gone at once, though inventories list it for a day or more. One that is gone already is no
    error. Storage of an archive is charged for 90 days even if it is deleted earlier.
    """
    check_vault_name(vault)
    ids = gather_ids("archive", archive_ids, more_ids, file)
    what = f"archive {ids[0]}" if len(ids) == 1 else show_count(len(ids), "archive")
    confirm(
        f"Delete {what} from vault {vault} for good? (Less than {MINIMUM_STORAGE_DAYS} days of storage are "
        f"charged as {MINIMUM_STORAGE_DAYS}.)",
        yes=yes,
    )
    session.resume = session.command("delete", "--yes", "--", vault, *ids) if len(ids) <= 10 else None
    return session.run(lambda glacier: _delete(session, glacier, vault, ids))


async def _delete(session: Session, glacier: Glacier, vault: str, ids: list[str]) -> int:
    codes: list[Exit] = []

    async def each() -> AsyncIterator[str]:
        for archive_id in ids:
            yield archive_id

    def deleted(archive_id: str) -> None:
        session.output.record(
            {"archive_id": archive_id, "vault": vault, "deleted": True}, lambda _: f"deleted {archive_id}"
        )

    def failed(archive_id: str, error: GlacierError) -> None:
        codes.append(tell(session.output, failure_of(error, item=archive_id)))

    await delete_all(glacier.vault(vault), each(), concurrency=_AT_ONCE, deleted=deleted, failed=failed)
    return worst_exit(len(codes), len(ids), codes)
