"""The question before archives go that files of synced folders rest on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.sizes import show_count
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.cli.program.session import Session
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId

#: Files that are named; the others are counted.
_NAMED: Final = 10

#: For the question.
EARLY: Final = (
    f"Less than {VAULT.minimum_storage_days} days of storage are charged as {VAULT.minimum_storage_days}"
)

LOSE_FILES: Final = click.option(
    "--lose-files",
    is_flag=True,
    help="Go on although files that 'sync' archived would be lost with these archives.",
)


async def refuse_to_lose_files(
    session: Session, vault: Vault, archive_ids: Sequence[ArchiveId] | None, *, lose_files: bool
) -> None:
    """Name the files whose newest stored version rests on archives; go on only with ``--lose-files``.

    Args:
        session: The session.
        vault: The vault.
        archive_ids: The archives to be deleted; ``None`` for all of the vault.
        lose_files: ``--lose-files`` was given.

    Raises:
        CommandError: There are such files. Nothing was deleted.
    """
    from aioglacier.bulk import find_losses  # noqa: PLC0415  # not needed for help

    named: list[str] = []
    count = 0
    async for page in find_losses(vault, archive_ids):
        count += len(page)
        for loss in page[: _NAMED - len(named)]:
            rest = "; an older version stays" if loss.has_older else ""
            named.append(f"{loss.root}/{os.fsdecode(loss.path)}{rest}")
    if not count:
        return
    for name in named:
        session.output.warn(f"would be lost: {name}")
    if count > len(named):
        session.output.warn(f"and {show_count(count - len(named), 'more path')}")
    if not lose_files:
        raise CommandError(
            f"the newest stored version of {show_count(count, 'path')} is in these archives, so nothing was "
            "deleted; use --lose-files to delete them all the same",
            Exit.USAGE,
        )
