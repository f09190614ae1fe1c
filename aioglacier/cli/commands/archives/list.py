"""``aioglacier list``: print the archives of a vault from the catalog, without asking the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.printed_records import archive_record, archive_text, plain
from aioglacier.cli.render.sizes import show_count, show_size, show_time
from aioglacier.cli.shared.vault_lookup import find_vault
from aioglacier.core.checks import check_vault_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog import ArchiveRecord, Catalog, VaultKey
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record


@make_command("list")
@click.argument("vault")
@click.pass_obj
def command(session: Session, vault: str) -> int:
    """List the archives of VAULT that the catalog knows: those uploaded from here, and those of inventories.

    The service is not asked, so this is free, immediate, and needs no credentials. "inventory VAULT" fetches
    archives that other machines have uploaded.

    "seen" is the date of the last inventory that lists an archive; a new one is not seen for a day or more.
    """
    check_vault_name(vault)

    async def list_() -> int:
        async with session.open_catalog() as catalog:
            key = await find_vault(session, catalog, vault)
            if key is None:
                session.output.note(
                    f"nothing is on record of vault {vault}; 'inventory {vault}' fetches its list"
                )
            else:
                await _print(session, catalog, key)
        return Exit.DONE

    return session.run_async(list_)


async def _print(session: Session, catalog: Catalog, key: VaultKey) -> None:
    count = size = 0
    async with closing(catalog.archives.list_vault(key)) as archives:
        async for archive in archives:
            session.output.record(_record(archive), _text, is_last=False)
            if session.output.is_closed:
                return
            count, size = count + 1, size + archive.archive.size
    session.output.flush()
    inventoried = (await catalog.archives.totals(key)).inventoried
    seen = (
        f"; the last inventory read is of {show_time(inventoried)}"
        if inventoried
        else "; no inventory was read"
    )
    session.output.note(f"{show_count(count, 'archive')}, {show_size(size)}{seen}")


def _record(record: ArchiveRecord) -> Record:
    return {
        **archive_record(record.archive),
        "state": record.state.value,
        "source": record.source,
        "seen": plain(record.seen),
    }


def _text(record: Mapping[str, Any]) -> str:
    shown = {**record, "seen": record["seen"] or "not yet"}
    if shown["state"] == "stored":
        del shown["state"]
    return archive_text(shown)
