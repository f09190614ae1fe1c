"""Archives by the names that ``list`` shows, and the files that get these names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.sizes import show_count, show_time
from aioglacier.core.inventory.descriptions import decode

if TYPE_CHECKING:
    from aioglacier.catalog import ArchiveRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.client.vault import Vault


async def find_named(session: Session, vault: Vault, name: str) -> ArchiveRecord:
    """Return the newest archive of this name, and note that there are others."""
    found = await vault.retrievals.find_named(name)
    if not found:
        raise CommandError(
            f"no archive named {name!r} is on record in vault {vault.name}; those that are: "
            f"{session.command('list', vault.name)}",
            Exit.OTHER,
        )
    if len({record.archive.tree_hash for record in found}) > 1:
        session.output.note(
            f"{show_count(len(found), 'archive')} have this name; this is the newest one, of "
            f"{show_time(found[0].archive.created)}. All: "
            f"{session.command('list', vault.name, '--long', f'--match={name}')}"
        )
    return found[0]


def target_of(record: ArchiveRecord | None) -> str:
    """Return the file in the current folder that gets the name of an archive.

    Strangers may have chosen the name, so it leads nowhere else and is no hidden file, which a shell or a
    program might obey.
    """
    return file_name_of(decode(record.archive.description).name if record is not None else "")


def file_name_of(name: str) -> str:
    """Return the last part of a name or key that a stranger may have chosen, or refuse it."""
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    if not last or last.startswith(".") or not last.isprintable():
        what = "no name is on record for this id; to find an archive by its name, use --name NAME"
        if name:
            what = f"the name {name!r} is none for a file here"
        raise click.UsageError(f"missing argument: TARGET; {what}")
    return last
