"""``aioglacier snapshots``: the runs of ``sync`` whose states of a folder can be restored."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.parameters import PLACE
from aioglacier.cli.render.printed_records import plain
from aioglacier.cli.render.sizes import show_count, show_short_size
from aioglacier.cli.render.table import SIZE, Column, Table
from aioglacier.cli.shared.vault_lookup import require_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.catalog.folders.entry_records import SyncRecord, TreeRecord
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record

_COLUMNS: Final = (Column("TIME", 20, 20), Column("STATE", 9, 0), Column("PATHS", 9, 0, is_number=True), SIZE)


@make_command("snapshots")
@PLACE
async def command(session: Session, catalog: Catalog, place: str) -> None:
    """List the runs of 'sync' to PLACE: each is a state of its folder that can be listed and restored.

    "restore --at TIME", "ls --at TIME", "find --at TIME" and "du --at TIME" take the TIME that is printed.
    PATHS and SIZE are what a run archived. A run that was stopped has what it archived until then.
    """
    key = await require_key(session, catalog, place)
    text = _line_of(Table(session.output, *_COLUMNS, last="FOLDER"))
    count = 0
    for tree in await catalog.trees.list(key):
        for run in await catalog.runs.list_syncs(tree):
            session.output.record(_record(tree, run), text)
            count += 1
    session.output.note(show_count(count, "run"))


def _record(tree: TreeRecord, run: SyncRecord) -> Record:
    # A run counts for every time from its beginning on, so the next whole second names it.
    at = run.started.replace(microsecond=0) + timedelta(seconds=bool(run.started.microsecond))
    return {
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "folder": tree.root,
        "host": tree.host or None,
        "state": run.state,
        "started": plain(run.started),
        "ended": plain(run.ended),
        "archived": run.counters.get("archived", 0),
        "archived_size": run.counters.get("archived_size", 0),
        "removed": run.counters.get("removed", 0),
        "failed": run.counters.get("failed", 0),
        "outcome": run.outcome or None,
    }


def _line_of(table: Table) -> Callable[[Mapping[str, Any]], str]:
    def line(record: Mapping[str, Any]) -> str:
        size = show_short_size(record["archived_size"])
        folder = record["folder"] if record["host"] is None else f"{record['host']}:{record['folder']}"
        return table.row(record["at"], record["state"], f"{record['archived']:,}", size, folder)

    return line
