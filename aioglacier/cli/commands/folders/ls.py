"""``aioglacier ls``: what one folder within a synced folder holds, from the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import PLACE
from aioglacier.cli.shared.folder_listing import (
    IN_FOLDER,
    LONG,
    Folder,
    no_such_path,
    path_within,
    print_paths,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.cli.program.session import Session


@make_command("ls")
@PLACE
@click.argument("path", required=False)
@IN_FOLDER
@LONG
async def command(
    session: Session, catalog: Catalog, place: str, path: str | None, folder: Folder, is_long: bool
) -> None:
    """List the folder PATH within a folder that 'sync' keeps in PLACE; without PATH, its top.

    Only what is stored is listed: the newest version of each path whose archive is proven. The service is
    not asked. "restore PLACE DIR PATH" brings a path back.
    """
    path = path or ""
    tree, run = await folder.find(session, catalog, place)
    name = path_within(tree, path)
    below = name + b"/" if name else b""
    itself = await catalog.entries.stored_at(tree, below, run) if below else None
    if itself is None and name:
        itself = await catalog.entries.stored_at(tree, name, run)
        if itself is None:
            raise no_such_path(session, tree, place, path)
        await print_paths(session, tree, _one(itself), is_long=is_long)
        return
    await print_paths(session, tree, catalog.entries.children(tree, below, run), is_long=is_long)


async def _one(stored: StoredEntry) -> AsyncIterator[list[StoredEntry]]:
    yield [stored]
