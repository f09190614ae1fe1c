"""``aioglacier find``: the paths of a synced folder that match, from the catalog."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from aioglacier.cli.program.command import command as make_command, folding, take_options
from aioglacier.cli.program.parameters import PLACE
from aioglacier.cli.shared.folder_listing import EXCLUDE, IN_FOLDER, LONG, Folder, of_files, print_paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.bulk.restore.selection import Selection, SelectionOptions
    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entry_records import StoredEntry
    from aioglacier.cli.program.session import Session


def _fold(given: dict[str, Any]) -> None:
    from aioglacier.bulk.restore.selection import SelectionOptions  # noqa: PLC0415  # not needed for help

    given["options"] = take_options(SelectionOptions, given)


@make_command("find")
@PLACE
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True)
@EXCLUDE
@of_files
@IN_FOLDER  # before the next one, which would take its --at
@LONG
@folding(_fold)
async def command(
    session: Session, catalog: Catalog, place: str, folder: Folder, options: SelectionOptions, is_long: bool
) -> None:
    """Find paths in a folder that 'sync' keeps in PLACE.

    PATTERN is as in a .gitignore: '*.jpg' anywhere, /2024/ at the top; what is in a folder that matches is
    found, too. The service is not asked. "restore" takes the same patterns and options.
    """
    from aioglacier.bulk.restore.selection import Selection  # noqa: PLC0415  # not needed for help

    tree, run = await folder.find(session, catalog, place)
    found = _matching(catalog.entries.stored(tree, run), Selection(options))
    await print_paths(session, tree, found, is_long=is_long)


async def _matching(
    pages: AsyncIterator[list[StoredEntry]], selection: Selection
) -> AsyncIterator[list[StoredEntry]]:
    from aioglacier.tasks.threads import run_in_thread  # noqa: PLC0415  # not needed for help

    def choose(page: Sequence[StoredEntry]) -> list[StoredEntry]:
        return [stored for stored in page if stored.entry.path and selection.selects(stored.entry)]

    async for page in pages:
        yield await run_in_thread(partial(choose, page))
