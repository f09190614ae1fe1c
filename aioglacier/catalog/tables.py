"""The tables as queries see them; ``migrations.py`` makes them, and a test compares the two."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from aioglacier.catalog.columns import Choice, FreeText, Hash, Identity, Instant, PathText
from aioglacier.catalog.records import ArchiveState, DownloadState, JobState, UploadState
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
