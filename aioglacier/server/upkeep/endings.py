"""The end of jobs and the expiry of uploads and jobs, as changes of the records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aioglacier.server.operations.vaults import jobs, uploads
from aioglacier.server.protocol import behaviour
from aioglacier.server.state import bodies

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from aioglacier.server.operations.vaults.inventory import Written
    from aioglacier.server.state.server_settings import Settings

_EVENTS: Final = {
    "ArchiveRetrieval": "ArchiveRetrievalCompleted",
    "InventoryRetrieval": "InventoryRetrievalCompleted",
}
FOREVER: Final = 2**62
AT_A_TIME: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for one SNS topic: the job document."""

    topic: str
    message: str


def due_jobs(db: sqlite3.Connection, now: int) -> tuple[list[sqlite3.Row], int]:
    """Return some of the due jobs, and the time of the next query."""
    due = db.execute(
        "SELECT * FROM jobs WHERE status = 'InProgress' AND due <= ? ORDER BY due, number LIMIT ?",
        (now, AT_A_TIME),
    ).fetchall()
    if len(due) == AT_A_TIME:
        return due, now
    (following,) = db.execute(
        "SELECT MIN(due) FROM jobs WHERE status = 'InProgress' AND due > ?", (now,)
    ).fetchone()
    return due, FOREVER if following is None else following


def end_job(db: sqlite3.Connection, job: sqlite3.Row, *, failure: str | None) -> None:
    """End a job with success, or with the message of its failure."""
    db.execute(
        "UPDATE jobs SET status = ?, message = ?, completed = due WHERE number = ?",
        ("Failed" if failure else "Succeeded", failure or behaviour.JOB_SUCCEEDED, job["number"]),
    )


def end_archive_job(db: sqlite3.Connection, job: sqlite3.Row) -> None:
    """End an archive job: with success, unless the archive was deleted meanwhile."""
    alive = db.execute(
        "SELECT 1 FROM archives WHERE id = ? AND deleted_run IS NULL", (job["archive_id"],)
    ).fetchone()
    end_job(db, job, failure=None if alive else behaviour.ARCHIVE_GONE)


def end_inventory_job(db: sqlite3.Connection, job: sqlite3.Row, written: Written) -> None:
    """End an inventory job whose output is written."""
    end_job(db, job, failure=None)
    recorded = db.execute(
        "UPDATE jobs SET output_file = ?, output_size = ?, next_marker = ? WHERE number = ?",
        (written.file, written.size, written.marker, job["number"]),
    )
    if recorded.rowcount == 0:  # the vault was deleted meanwhile, and the job with it
        db.execute("INSERT INTO doomed VALUES (?)", (written.file,))


def end_and_notify(
    db: sqlite3.Connection, job: sqlite3.Row, end: Callable[[sqlite3.Connection], None], settings: Settings
) -> tuple[str | None, list[Notice]]:
    """End a job in the way ``end`` does; return its output's file, if it has one, and the notices to send."""
    end(db)
    ended = db.execute("SELECT * FROM jobs WHERE number = ?", (job["number"],)).fetchone()
    vault = db.execute("SELECT * FROM vaults WHERE number = ?", (job["vault"],)).fetchone()
    if ended is None or vault is None:
        return None, []
    message = json.dumps(
        jobs.describe(ended, settings.vault_arn(vault["name"])), sort_keys=True, separators=(",", ":")
    )
    topics = [] if ended["sns_topic"] is None else [ended["sns_topic"]]
    if vault["notifications"] is not None:
        configuration = json.loads(vault["notifications"])
        if _EVENTS[ended["action"]] in configuration["Events"]:
            topics.append(configuration["SNSTopic"])
    return ended["output_file"], [Notice(topic, message) for topic in topics]


def expire(db: sqlite3.Connection, now: int) -> bool:
    """Remove some expired uploads and jobs; return whether there may be more."""
    old_uploads = db.execute(
        "SELECT number, body, state FROM uploads WHERE active <= ? LIMIT ?",
        (now - min(uploads.IDLE_MS, uploads.REPEAT_MS), AT_A_TIME),
    ).fetchall()
    for number, body, _ in old_uploads:
        db.execute("DELETE FROM uploads WHERE number = ?", (number,))
        bodies.release(db, body)
    old_jobs = db.execute(
        "SELECT number, body, output_file FROM jobs WHERE completed <= ? LIMIT ?",
        (now - jobs.KEPT_MS, AT_A_TIME),
    ).fetchall()
    for number, body, output_file in old_jobs:
        db.execute("DELETE FROM jobs WHERE number = ?", (number,))
        if body is not None:
            bodies.release(db, body)
        if output_file is not None:
            db.execute("INSERT OR IGNORE INTO doomed VALUES (?)", (output_file,))
    return len(old_uploads) == AT_A_TIME or len(old_jobs) == AT_A_TIME


def remove_all(db: sqlite3.Connection) -> None:
    """Remove everything that is stored; only the settings stay, and the clock with them."""
    for files in (
        "SELECT file FROM pieces",
        "SELECT file FROM object_parts",
        "SELECT output_file FROM jobs WHERE output_file IS NOT NULL",
    ):
        db.execute(f"INSERT OR IGNORE INTO doomed {files}")  # our own text
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for name in tables:
        if name not in {"settings", "doomed", "sqlite_sequence"}:  # so that no number is given twice
            db.execute(f"DELETE FROM {name}")  # noqa: S608  # as above


def doomed_files(db: sqlite3.Connection) -> list[str]:
    """Return some of the files to remove."""
    return [file for (file,) in db.execute("SELECT file FROM doomed LIMIT ?", (AT_A_TIME,))]


def forget_files(db: sqlite3.Connection, names: list[str]) -> None:
    """Record that the files are removed."""
    db.executemany("DELETE FROM doomed WHERE file = ?", [(name,) for name in names])


def save_offset(db: sqlite3.Connection, seconds: float) -> None:
    """Record the offset of the virtual clock."""
    db.execute("INSERT OR REPLACE INTO settings VALUES ('clock_offset_seconds', ?)", (repr(seconds),))


def saved_offset(db: sqlite3.Connection) -> float:
    """Return the offset of the virtual clock when the server stopped."""
    row = db.execute("SELECT value FROM settings WHERE name = 'clock_offset_seconds'").fetchone()
    return 0.0 if row is None else float(row[0])
