"""The tables of the server's records.

- Instants are milliseconds since 1970 on the virtual clock, hashes are 32 bytes.
- A *body* is a number that stands for bytes: the pieces with that number, in order of ``start``. An open
  upload, an archive and a finished retrieval job all point to bodies, so completing an upload moves no
  bytes and a finished job outlives its archive.
- An inventory is a *run*: it lists the archives up to ``listed_number`` that were not deleted before it.
  ``deleted_run`` keeps a deleted archive as long as the last inventory still shows it.
- Objects, uploads and parts of S3 have tables of their own. A part's ``number`` is the client's while its
  upload is open; completion numbers the chosen parts from 1 and gives each its ``start``. ``traits`` is JSON:
  the part of an object's head that is only stored and given back.
- ``doomed`` names files that no piece uses and that are still to be removed; it is written in the transaction
  that ends their use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

SCHEMA_VERSION: Final = 2

_TABLES: Final = """
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE vaults (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    live_archives INTEGER NOT NULL DEFAULT 0,
    live_size INTEGER NOT NULL DEFAULT 0,
    changed INTEGER,
    run INTEGER NOT NULL DEFAULT 0,
    inventoried INTEGER,
    listed_number INTEGER NOT NULL DEFAULT 0,
    listed_archives INTEGER NOT NULL DEFAULT 0,
    listed_size INTEGER NOT NULL DEFAULT 0,
    notifications TEXT,
    access_policy TEXT,
    lock_policy TEXT,
    lock_id TEXT,
    lock_created INTEGER,
    is_locked INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE tags (
    vault INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (vault, key)
) WITHOUT ROWID;

CREATE TABLE bodies (number INTEGER PRIMARY KEY AUTOINCREMENT);

CREATE TABLE pieces (
    body INTEGER NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    file TEXT NOT NULL UNIQUE,
    tree_hash BLOB NOT NULL,
    leaves BLOB NOT NULL,
    UNIQUE (body, start)
);

CREATE TABLE doomed (file TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE archives (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    vault INTEGER NOT NULL,
    body INTEGER NOT NULL,
    description TEXT,
    created INTEGER NOT NULL,
    size INTEGER NOT NULL,
    tree_hash BLOB NOT NULL,
    deleted_run INTEGER
);
CREATE INDEX archives_of_vault ON archives (vault, number);
CREATE INDEX archives_deleted ON archives (vault, deleted_run) WHERE deleted_run IS NOT NULL;
CREATE INDEX archives_of_body ON archives (body);

CREATE TABLE uploads (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    vault INTEGER NOT NULL,
    body INTEGER NOT NULL,
    description TEXT,
    part_size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    active INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    archive_id TEXT,
    archive_size INTEGER,
    archive_hash BLOB
);
CREATE INDEX uploads_open ON uploads (vault, number) WHERE state = 'open';
CREATE INDEX uploads_by_age ON uploads (active);
CREATE INDEX uploads_of_body ON uploads (body);

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    vault INTEGER NOT NULL,
    action TEXT NOT NULL,
    description TEXT,
    sns_topic TEXT,
    tier TEXT,
    created INTEGER NOT NULL,
    due INTEGER NOT NULL,
    completed INTEGER,
    status TEXT NOT NULL DEFAULT 'InProgress',
    message TEXT,
    planned_failure TEXT,
    archive_id TEXT,
    archive_description TEXT,
    body INTEGER,
    archive_size INTEGER,
    archive_hash BLOB,
    range_start INTEGER,
    range_stop INTEGER,
    range_hash BLOB,
    format TEXT,
    start_date TEXT,
    end_date TEXT,
    entry_limit TEXT,
    marker TEXT,
    next_marker TEXT,
    output_file TEXT,
    output_size INTEGER
);
CREATE INDEX jobs_of_vault ON jobs (vault, number);
CREATE INDEX jobs_due ON jobs (due) WHERE status = 'InProgress';
CREATE INDEX jobs_by_age ON jobs (completed) WHERE completed IS NOT NULL;
CREATE INDEX jobs_of_body ON jobs (body) WHERE body IS NOT NULL;
CREATE INDEX jobs_by_output ON jobs (output_file) WHERE output_file IS NOT NULL;

CREATE TABLE capacity (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    started INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
"""

#: Added by version 2.
_S3_TABLES: Final = """
CREATE TABLE buckets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
);

CREATE TABLE bucket_documents (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (bucket, kind)
) WITHOUT ROWID;

CREATE TABLE objects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket INTEGER NOT NULL,
    key TEXT NOT NULL,
    body INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,
    storage_class TEXT NOT NULL,
    traits TEXT NOT NULL,
    part_count INTEGER,
    algorithm TEXT,
    checksum_type TEXT,
    checksum BLOB,
    restore_tier TEXT,
    restore_asked INTEGER,
    restore_due INTEGER,
    restore_until INTEGER,
    is_announced INTEGER NOT NULL DEFAULT 1,
    UNIQUE (bucket, key)
);
CREATE INDEX objects_of_body ON objects (body);
CREATE INDEX objects_restoring ON objects (restore_due) WHERE NOT is_announced;

CREATE TABLE object_uploads (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    bucket INTEGER NOT NULL,
    key TEXT NOT NULL,
    body INTEGER NOT NULL,
    created INTEGER NOT NULL,
    storage_class TEXT NOT NULL,
    traits TEXT NOT NULL,
    algorithm TEXT,
    checksum_type TEXT,
    etag TEXT
);
CREATE INDEX object_uploads_open ON object_uploads (bucket, key, number) WHERE etag IS NULL;

CREATE TABLE object_parts (
    body INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    file TEXT NOT NULL UNIQUE,
    md5 BLOB NOT NULL,
    checksum BLOB,
    modified INTEGER NOT NULL,
    PRIMARY KEY (body, number)
);
CREATE INDEX object_parts_by_start ON object_parts (body, start);

CREATE TABLE early_deletions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    size INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    days_left INTEGER NOT NULL
);
"""

#: The tables that each version added.
TABLES: Final = {1: _TABLES, 2: _S3_TABLES}


class SchemaError(Exception):
    """The records were written by a newer version of this library."""


def prepare(db: sqlite3.Connection) -> None:
    """Create the tables in a new database, and those that an old one lacks.

    Raises:
        SchemaError: The database's version is newer than this library's.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"the records have version {version}, this library knows {SCHEMA_VERSION}; use a newer aioglacier"
        )
    if version < SCHEMA_VERSION:
        added = "".join(tables for number, tables in TABLES.items() if number > version)
        db.executescript(f"BEGIN; {added} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
