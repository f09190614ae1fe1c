"""The vault's inventory as the service takes it: a snapshot of a changed vault, about once a day.

DescribeVault, DeleteVault and inventory jobs all see the last snapshot, not the vault. A snapshot is due
``inventory_lag`` after the first change since the one before. No task has to run at that moment: every change
and every read first takes the overdue snapshot, and because nothing has changed in between it is the one that
was due.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    import sqlite3

    from aioglacier.server.requests.call import Site


async def catch_up(site: Site) -> None:
    """Take every snapshot that is due."""
    limit = site.clock.milliseconds() - site.settings.inventory_lag_ms
    # Most often none is, and reading needs no lock.
    if await site.database.read(partial(_is_any_due, limit=limit)):
        await site.database.write(partial(_take_due, limit=limit, lag=site.settings.inventory_lag_ms))


def _is_any_due(db: sqlite3.Connection, limit: int) -> bool:
    return db.execute("SELECT 1 FROM vaults WHERE changed <= ? LIMIT 1", (limit,)).fetchone() is not None


def _take_due(db: sqlite3.Connection, limit: int, lag: int) -> None:
    for number, changed in db.execute("SELECT number, changed FROM vaults WHERE changed <= ?", (limit,)):
        take(db, number, changed + lag)  # dated as if it had been taken on time


def take_all(db: sqlite3.Connection, now: int) -> int:
    """Take a snapshot of every vault that changed or never had one; return how many."""
    due = db.execute("SELECT number FROM vaults WHERE changed IS NOT NULL OR inventoried IS NULL").fetchall()
    for (number,) in due:
        take(db, number, now)
    return len(due)


def take(db: sqlite3.Connection, vault: int, at: int) -> None:
    """Take a vault's snapshot, dated ``at``, and remove the archives that only the one before showed."""
    db.execute(
        "UPDATE vaults SET run = run + 1, inventoried = ?, changed = NULL, "
        "listed_archives = live_archives, listed_size = live_size, "
        "listed_number = (SELECT COALESCE(MAX(number), 0) FROM archives WHERE vault = vaults.number) "
        "WHERE number = ?",
        (at, vault),
    )
    db.execute(
        "DELETE FROM archives WHERE vault = :vault AND deleted_run IS NOT NULL "
        "AND deleted_run < (SELECT run FROM vaults WHERE number = :vault)",
        {"vault": vault},
    )


def note_change(db: sqlite3.Connection, vault: int, *, now: int, lag: int, archives: int, size: int) -> None:
    """Count a change that is about to be made, after any snapshot that was due before it.

    ``archives`` and ``size`` are differences; each archive counts for 32 KiB more than its bytes.
    """
    (changed,) = db.execute("SELECT changed FROM vaults WHERE number = ?", (vault,)).fetchone()
    if changed is not None and changed + lag <= now:  # that snapshot must not show this change
        take(db, vault, changed + lag)
    db.execute(
        "UPDATE vaults SET changed = COALESCE(changed, ?), live_archives = live_archives + ?, "
        "live_size = live_size + ? WHERE number = ?",
        (now, archives, size + archives * VAULT.archive_overhead, vault),
    )
