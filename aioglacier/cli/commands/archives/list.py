"""``aioglacier list``: print the archives of a vault from the catalog, without asking the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import VAULT
from aioglacier.cli.render.listing import print_all
from aioglacier.cli.render.printed_records import archive_text, known_archive_record
from aioglacier.cli.render.sizes import show_count, show_size, show_time
from aioglacier.cli.shared.vault_lookup import find_vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.cli.program.session import Session


@make_command("list")
@VAULT
async def command(session: Session, catalog: Catalog, vault: str) -> None:
    """List the archives of VAULT that the catalog knows: those uploaded from here, and those of inventories.

    The service is not asked, so this is free, immediate, and needs no credentials. "inventory VAULT" fetches
    archives that other machines have uploaded.

    "seen" is the date of the last inventory that lists an archive; a new one is not seen for a day or more.
    """
    key = await find_vault(session, catalog, vault)
    if key is None:
        session.output.note(f"nothing is on record of vault {vault}; 'inventory {vault}' fetches its list")
        return
    listed = catalog.archives.list_vault(key)
    count, size = await print_all(session.output, listed, known_archive_record, _text)
    inventoried = (await catalog.archives.totals(key)).inventoried
    seen = (
        f"the last inventory read is of {show_time(inventoried)}" if inventoried else "no inventory was read"
    )
    session.output.note(f"{show_count(count, 'archive')}, {show_size(size)}; {seen}")


def _text(record: Mapping[str, Any]) -> str:
    shown = {**record, "seen": record["seen"] or "not yet"}
    if shown["state"] == "stored":
        del shown["state"]
    return archive_text(shown)
