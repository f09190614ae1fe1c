"""The paths of a synced folder as the catalog has them: how a command chooses a folder, and prints paths."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from aioglacier.cli.program.command import folding
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import SIZE as BYTES, TIME, flag
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.printed_records import as_text, plain
from aioglacier.cli.render.sizes import show_count, show_short_size, show_size
from aioglacier.cli.render.table import DATE, SIZE, Table, show_date
from aioglacier.cli.shared.folder_events import HOST
from aioglacier.cli.shared.vault_lookup import require_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entry_records import RunNumber, StoredEntry, TreeRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record


F = TypeVar("F", bound="Callable[..., Any]")


class Folder(NamedTuple):
    """The options that say which folder, and as of when."""

    folder: str | None
    host: str | None
    at: datetime | None

    async def find(
        self, session: Session, catalog: Catalog, vault: str
    ) -> tuple[TreeRecord, RunNumber | None]:
        """Return the folder that is selected, and the run; ``None`` for now."""
        key = await require_key(session, catalog, vault)
        tree = await catalog.trees.choose(key, folder=self.folder, host=self.host)
        return tree, await catalog.runs.find_at(tree, self.at)


def _fold(given: dict[str, Any]) -> None:
    given["folder"] = Folder(*(given.pop(name) for name in Folder._fields))


#: Which of the folders in a place.
FOLDER: Final = click.option(
    "--folder", metavar="PATH", help="The folder that was archived, where the vault has several."
)

AT: Final = click.option(
    "--at", type=TIME, metavar="TIME", help="Take the state at TIME, by the syncs before it."
)
EXCLUDE: Final = click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches.")

#: For commands about the paths of a folder; each gets ``folder``.
IN_FOLDER: Final = folding(_fold, FOLDER, HOST, AT)
LONG: Final = flag("--long", "Print all that is known of each path.", "is_long")


def of_files(command: F) -> F:
    """Give a command the conditions that only files meet."""
    for option in (
        click.option("--modified-before", type=TIME, metavar="TIME", help="Only files changed before TIME."),
        click.option(
            "--modified-after", type=TIME, metavar="TIME", help="Only files changed at TIME or later."
        ),
        click.option("--smaller", type=BYTES, help="Only files of this size or less."),
        click.option("--larger", type=BYTES, help="Only files of this size or more."),
    ):
        command = option(command)
    return command


def path_within(tree: TreeRecord, path: str) -> bytes:
    """Return a path as the catalog has it, without "/" at its ends; it may begin with the folder's own."""
    if f"{path}/".startswith(f"{tree.root}/"):
        path = path[len(tree.root) :]
    parts = [part for part in path.split("/") if part not in {"", "."}]
    return os.fsencode("/".join(parts))


async def print_paths(
    session: Session, tree: TreeRecord, pages: AsyncIterator[list[StoredEntry]], *, is_long: bool
) -> int:
    """Print paths, and return their number; no page is read before the one before is printed."""
    output = session.output
    text = _long_text if is_long else _line_of(Table(output, DATE, SIZE, last="PATH"))
    count = size = 0
    async for page in pages:
        for stored in page:
            output.record(_path_record(tree, stored), text, is_last=False)
            count += 1
            size += stored.entry.size if stored.entry.kind == "file" else 0
        if output.is_closed:
            break
    output.flush()
    output.note(f"{show_count(count, 'path')}, {show_size(size)}")
    return count


def _path_record(tree: TreeRecord, stored: StoredEntry) -> Record:
    entry = stored.entry
    return {
        "path": os.fsdecode(entry.path),
        "kind": entry.kind,
        "size": entry.size,
        "modified": _instant(entry.mtime_ns),
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "target": None if entry.target is None else os.fsdecode(entry.target),
        "folder": tree.root,
        "archive_id": stored.archive_id,
        "encryption": entry.encryption,
        "compression": entry.compression,
        "has_lost_newer": stored.is_older,
    }


def _instant(ns: int) -> str | None:
    try:
        return str(plain(datetime.fromtimestamp(ns / 1e9, UTC)))
    except (OverflowError, ValueError):  # a file system may say anything
        return None


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        shown = record["path"]
        if record["target"] is not None:
            shown += f" -> {record['target']}"
        size = show_short_size(record["size"]) if record["kind"] == "file" else ""
        return table.row(show_date(record["modified"]), size, shown)

    return line


def _long_text(record: Mapping[str, Any]) -> str:
    without = {"path"} if record["has_lost_newer"] else {"path", "has_lost_newer"}
    return as_text(record["path"], record, without=without)


def no_such_path(session: Session, tree: TreeRecord, vault: str, path: str) -> CommandError:
    """Return the error for a path that is not on record."""
    return CommandError(
        f"{path!r} is not on record in {tree.root!r}; what is: {session.command('ls', vault)}", Exit.OTHER
    )
