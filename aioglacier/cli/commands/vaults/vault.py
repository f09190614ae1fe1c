"""``aioglacier vault``: create, list, show and delete vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.commands.vaults.vault_empty import empty
from aioglacier.cli.commands.vaults.vault_settings import lock, notifications, policy, tags
from aioglacier.cli.program.command import CommandGroup
from aioglacier.cli.program.parameters import LONG, NAME
from aioglacier.cli.render.listing import print_all
from aioglacier.cli.render.printed_records import vault_record, vault_text
from aioglacier.cli.render.sizes import show_count, show_short_size, show_size
from aioglacier.cli.render.table import SIZE, Column, Table, show_date
from aioglacier.cli.shared.consent import DRY_RUN, YES, confirm, tell_plan
from aioglacier.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aioglacier.cli.program.command import Ending
    from aioglacier.cli.program.session import Session
    from aioglacier.client.glacier import Glacier
    from aioglacier.core.models import VaultDescription

_COLUMNS: Final = (
    Column("CREATED", 10, 0),
    Column("ARCHIVES", 9, 9, is_number=True),
    SIZE,
    Column("INVENTORY", 10, 0),
)


@click.group("vault", cls=CommandGroup)
def command() -> None:
    """Create, list, show, empty and delete vaults; tags, policies, locks, notifications."""


for _each in (empty, tags, policy, lock, notifications):
    command.add_command(_each)


@command.command("create", makes_local=True)
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
@LONG
async def _list(session: Session, glacier: Glacier, is_long: bool) -> None:
    """List all vaults of the account in this region. Numbers are of their last inventories."""
    archives = 0

    async def vaults() -> AsyncIterator[VaultDescription]:
        nonlocal archives
        async for vault in glacier.vaults():
            archives += vault.archive_count
            yield vault

    text = vault_text if is_long else _line_of(Table(session.output, *_COLUMNS, last="NAME"))
    count, size = await print_all(session.output, vaults(), vault_record, text)
    if count:
        total = f"{show_count(count, 'vault')}, {show_count(archives, 'archive')}, {show_size(size)}"
        session.output.note(f"{total}, counted by the last inventories")
    else:
        session.output.note(f"no vaults in {glacier.region}")


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        inventory = show_date(record["inventoried"])[:10] or "none yet"
        count, size = f"{record['archives']:,}", show_short_size(record["size"])
        return table.row(show_date(record["created"])[:10], count, size, inventory, record["name"])

    return line


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
