"""``aioglacier du``: the sizes of the folders within a synced folder, from the catalog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import COUNT, PLACE
from aioglacier.cli.render.sizes import show_short_size
from aioglacier.cli.render.table import SIZE, Column, Table
from aioglacier.cli.shared.folder_listing import IN_FOLDER, Folder, no_such_path, path_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entry_records import Entry, StoredEntry
    from aioglacier.cli.program.session import Session

_FILES: Final = Column("FILES", 9, 7, is_number=True)


@make_command("du")
@PLACE
@click.argument("path", required=False)
@click.option("--depth", type=COUNT, default=1, metavar="N", help="Print folders N levels down. Default: 1.")
@IN_FOLDER
async def command(
    session: Session, catalog: Catalog, place: str, path: str | None, depth: int, folder: Folder
) -> None:
    """Add up the sizes of the files in each folder within a folder that 'sync' keeps in PLACE.

    Each folder counts what is in the folders below it, and is printed after them. Sizes are those of the
    files, before compression and encryption; a hard link counts as nothing. The service is not asked.
    """
    path = path or ""
    tree, run = await folder.find(session, catalog, place)
    name = path_within(tree, path)
    below = name + b"/" if name else b""
    if below and await catalog.entries.stored_at(tree, below, run) is None:
        raise no_such_path(session, tree, place, path)
    between = (below, below[:-1] + b"0") if below else None  # "0" comes after "/"
    sums = FolderSums(below, depth)
    line = _line_of(Table(session.output, SIZE, _FILES, last="FOLDER"))
    pages: AsyncIterator[list[StoredEntry]] = catalog.entries.stored(tree, run, between=between)
    async for page in pages:
        for stored in page:
            for done in sums.add(stored.entry):
                session.output.record(done, line, is_last=False)
        if session.output.is_closed:
            return
    for done in sums.end():
        session.output.record(done, line)


class FolderSums:
    """Adds up files that come in the order of their paths: those in one folder come one after another."""

    def __init__(self, top: bytes, depth: int) -> None:
        self._top = top
        self._depth = depth
        self._open: list[tuple[bytes, list[int]]] = [(top, [0, 0])]  # from the top down: size and files

    def add(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """Count one path; yield the folders that are complete now."""
        while not entry.path.startswith(self._open[-1][0]):
            yield self._close()
        for _ in range(self._depth + 1 - len(self._open)):
            inner = self._open[-1][0]
            name, slash, _ = entry.path[len(inner) :].partition(b"/")
            if not slash:
                break
            self._open.append((inner + name + slash, [0, 0]))
        if entry.kind == "file":
            counts = self._open[-1][1]
            counts[0] += entry.size
            counts[1] += 1

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield the folders that are left."""
        while self._open:
            yield self._close()

    def _close(self) -> dict[str, Any]:
        path, (size, files) = self._open.pop()
        if self._open:
            outer = self._open[-1][1]
            outer[0] += size
            outer[1] += files
        return {"path": os.fsdecode(path) or ".", "files": files, "size": size}


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        return table.row(show_short_size(record["size"]), f"{record['files']:,}", record["path"])

    return line
