"""The tables as queries see them; ``migrations.py`` makes them, and a test compares the two."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from aioglacier.catalog.records import ArchiveKind, ArchiveState, DownloadState, JobState, UploadState
from aioglacier.catalog.storage.column_types import Choice, FreeText, Hash, Identity, Instant, PathText
from aioglacier.core.models import InventoryFormat, JobAction, Tier

METADATA: Final = MetaData()

#: SQLite numbers rows by itself only where the type is exactly this.
_Number: Final = BigInteger().with_variant(Integer(), "sqlite")

PLACES: Final = Table(
    "places",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("endpoint", FreeText, nullable=False),
    Column("vault", Text, nullable=False),
    Column("real_account_id", Text),
    Column("inventoried", Instant),
)

UPLOADS: Final = Table(
    "uploads",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("state", Choice(UploadState), nullable=False),
    Column("upload_id", Text),
    Column("part_size", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("description", FreeText, nullable=False),
    Column("source", PathText),
    Column("source_identity", Identity),
    Column("tree_hash", Hash),
    Column("archive_id", Text),
    Column("outcome", FreeText, nullable=False),
    Column("created", Instant, nullable=False),
    Column("active", Instant, nullable=False),
)

PARTS: Final = Table(
    "parts",
    METADATA,
    Column("upload", BigInteger, primary_key=True),
    Column("part_index", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("tree_hash", Hash, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
)

ARCHIVES: Final = Table(
    "archives",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("archive_id", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("tree_hash", Hash, nullable=False),
    Column("description", FreeText, nullable=False),
    Column("created", Instant, nullable=False),
    Column("state", Choice(ArchiveState), nullable=False),
    Column("source", PathText),
    Column("upload", BigInteger),
    Column("seen", Instant),
    Column("kind", Choice(ArchiveKind), nullable=False, server_default=ArchiveKind.PLAIN.value),
    Column("stream", BigInteger),
    Column("stream_position", BigInteger),
    Column("requests", BigInteger),
    Column("checksum", BigInteger),
)

JOBS: Final = Table(
    "jobs",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("state", Choice(JobState), nullable=False),
    Column("job_id", Text),
    Column("action", Choice(JobAction), nullable=False),
    Column("archive_id", Text),
    Column("range_start", BigInteger),
    Column("range_stop", BigInteger),
    Column("tier", Choice(Tier)),
    Column("inventory_format", Choice(InventoryFormat)),
    Column("inventory_start", Instant),
    Column("inventory_end", Instant),
    Column("inventory_limit", BigInteger),
    Column("inventory_marker", FreeText),
    Column("outcome", FreeText, nullable=False),
    Column("created", Instant, nullable=False),
    Column("changed", Instant, nullable=False),
)

DOWNLOADS: Final = Table(
    "downloads",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("job", BigInteger, nullable=False),
    Column("target", PathText, nullable=False),
    Column("state", Choice(DownloadState), nullable=False),
    Column("outcome", FreeText, nullable=False),
    Column("created", Instant, nullable=False),
    Column("changed", Instant, nullable=False),
)

STREAMS: Final = Table(
    "streams",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("description", FreeText, nullable=False),
    Column("source", PathText),
    Column("size", BigInteger),
    Column("tree_hash", Hash),
    Column("manifest", BigInteger),
    Column("created", Instant, nullable=False),
    Column("changed", Instant, nullable=False),
)

TREES: Final = Table(
    "trees",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("root", PathText, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("last_run", BigInteger),
)

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("tree", BigInteger),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("target", PathText),
    Column("settings", Text, nullable=False),
    Column("counters", Text, nullable=False),
    Column("outcome", FreeText, nullable=False),
    Column("started", Instant, nullable=False),
    Column("ended", Instant),
)

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("tree", BigInteger, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("kind", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("device", BigInteger, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("gid", BigInteger, nullable=False),
    Column("target", LargeBinary),
    Column("extra", LargeBinary),
    Column("content_hash", LargeBinary),
    Column("upload", BigInteger),
    Column("position", BigInteger),
    Column("stored", BigInteger),
    Column("compression", Text),
    Column("encryption", Text),
    Column("checksum", BigInteger, nullable=False),
)

BUNDLES: Final = Table(
    "bundles",
    METADATA,
    Column("upload", BigInteger, primary_key=True),
    Column("tree", BigInteger),
    Column("run", BigInteger),
    Column("members", BigInteger, nullable=False),
    Column("content_size", BigInteger, nullable=False),
    Column("index_position", BigInteger, nullable=False),
    Column("index_size", BigInteger, nullable=False),
    Column("index_hash", Hash),
    Column("format", Text, nullable=False),
    Column("compression", Text),
    Column("encryption", Text),
)

RETRIEVALS: Final = Table(
    "retrievals",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("run", BigInteger, nullable=False),
    Column("archive", BigInteger, nullable=False),
    Column("range_start", BigInteger, nullable=False),
    Column("range_stop", BigInteger, nullable=False),
    Column("job", BigInteger),
    Column("state", Text, nullable=False),
    Column("tier", Choice(Tier)),
    Column("outcome", FreeText, nullable=False),
    Column("changed", Instant, nullable=False),
)

SPENT: Final = Table(
    "spent",
    METADATA,
    Column("number", _Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("run", BigInteger),
    Column("operation", Text, nullable=False),
    Column("day", Instant, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("price", BigInteger),
    Column("currency", Text),
)
