"""``aioglacier vault``: create, list, show and delete vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aioglacier.cli.commands.vaults.vault_empty import empty
from aioglacier.cli.commands.vaults.vault_settings import lock, notifications, policy, tags
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.parameters import NAME
from aioglacier.cli.render.listing import print_all
from aioglacier.cli.render.printed_records import vault_record, vault_text
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.client.glacier import Glacier


@click.group("vault", cls=CommandGroup)
def command() -> None:
    """Create, list, show, empty and delete vaults; tags, policies, locks, notifications."""


for _each in (empty, tags, policy, lock, notifications):
    command.add_command(_each)


@command.command("create", makes_local=True, records=False)
@NAME
@DRY_RUN
def _create(session: Session, name: str, dry_run: bool) -> Ending:
    """Create the vault NAME. It is no error if it exists already."""
    if dry_run:
        return tell_plan(session, "CreateVault", f"create vault {name}", name=name)

    async def create(glacier: Glacier) -> None:
        vault = await glacier.create_vault(name)
        session.output.record(vault_record(await vault.describe()), vault_text)

    return create


@command.command("list", records=False)
async def _list(session: Session, glacier: Glacier) -> None:
    """List all vaults of the account in this region. Numbers are of their last inventories."""
    count, _ = await print_all(session.output, glacier.vaults(), vault_record, vault_text)
    if not count:
        session.output.note(f"no vaults in {glacier.region}")


@command.command("show", records=False)
@NAME
async def _show(session: Session, glacier: Glacier, name: str) -> None:
    """Show the vault NAME. Numbers are of its last inventory, about a day old."""
    session.output.record(vault_record(await glacier.vault(name).describe()), vault_text)


@command.command("delete", records=False)
@NAME
@YES
@DRY_RUN
def _delete(session: Session, name: str, yes: bool, dry_run: bool) -> Ending:
    """Delete the vault NAME, which must be empty. Asks first on a terminal.

    The service refuses while the last inventory lists archives, or archives came or went since: so it works
    about a day after the last archive was deleted.
    """
    if dry_run:
        return tell_plan(session, "DeleteVault", f"delete vault {name}", name=name)
    confirm(session, f"delete vault {name}, its policies and its tags", yes=yes, is_final=False)

    async def delete(glacier: Glacier) -> None:
        try:
            await glacier.vault(name).delete()
        except InvalidParameterError as error:
            emptying = session.command("vault", "empty", name)
            error.add_note(f"to delete its archives: {emptying}; the vault can be deleted about a day later")
            raise
        session.output.record({"name": name, "deleted": True}, lambda _: f"vault {name} is deleted")

    return delete
