"""``aioglacier vault``: create, list, show and delete vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aioglacier.cli.commands.vaults.vault_empty import empty
from aioglacier.cli.commands.vaults.vault_settings import lock, notifications, policy, tags
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.printed_records import vault_record, vault_text
from aioglacier.cli.shared.confirming import YES, confirm
from aioglacier.cli.shared.dry_run import DRY_RUN, tell_plan
from aioglacier.core.checks import check_vault_name

if TYPE_CHECKING:
    from aioglacier.cli.program.session import Session
    from aioglacier.client.glacier import Glacier


@click.group("vault", cls=CommandGroup)
def command() -> None:
    """Create, list, show, empty and delete vaults; tags, policies, locks, notifications."""


for _each in (empty, tags, policy, lock, notifications):
    command.add_command(_each)


@command.command("create", makes_local=True)
@click.argument("name")
@DRY_RUN
@click.pass_obj
def _create(session: Session, name: str, dry_run: bool) -> int:
    """Create the vault NAME. It is no error if it exists already."""
    check_vault_name(name)
    if dry_run:
        return tell_plan(session, "CreateVault", f"create vault {name}", name=name)

    async def create(glacier: Glacier) -> int:
        vault = await glacier.create_vault(name)
        session.output.record(vault_record(await vault.describe()), vault_text)
        return Exit.DONE

    return session.run(create, records=False)


@command.command("list")
@click.pass_obj
def _list(session: Session) -> int:
    """List all vaults of the account in this region. Numbers are of their last inventories."""

    async def list_(glacier: Glacier) -> int:
        is_empty = True
        async with closing(glacier.vaults()) as vaults:
            async for vault in vaults:
                is_empty = False
                session.output.record(vault_record(vault), vault_text)
                if session.output.is_closed:
                    break
        if is_empty:
            session.output.note(f"no vaults in {glacier.region}")
        return Exit.DONE

    return session.run(list_, records=False)


@command.command("show")
@click.argument("name")
@click.pass_obj
def _show(session: Session, name: str) -> int:
    """Show the vault NAME. Numbers are of its last inventory, about a day old."""
    check_vault_name(name)

    async def show(glacier: Glacier) -> int:
        session.output.record(vault_record(await glacier.vault(name).describe()), vault_text)
        return Exit.DONE

    return session.run(show, records=False)


@command.command("delete")
@click.argument("name")
@YES
@DRY_RUN
@click.pass_obj
def _delete(session: Session, name: str, yes: bool, dry_run: bool) -> int:
    """Delete the vault NAME, which must be empty. Asks first on a terminal.

    The service refuses while the last inventory lists archives, or archives came or went since: so it works
    about a day after the last archive was deleted.
    """
    check_vault_name(name)
    if dry_run:
        return tell_plan(session, "DeleteVault", f"delete vault {name}", name=name)
    confirm(f"Delete vault {name}, its policies and its tags?", yes=yes, is_final=False)

    async def delete(glacier: Glacier) -> int:
        await glacier.vault(name).delete()
        session.output.record({"name": name, "deleted": True}, lambda _: f"vault {name} is deleted")
        return Exit.DONE

    return session.run(delete, records=False)
