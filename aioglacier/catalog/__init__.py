"""The local record of archives and of work under way, kept so that any command can be repeated.

The service knows archives by id only, and answers can be lost. So each request is recorded before it is sent,
and its result after: intent, then effect, then outcome. The library works without a catalog; the command line
always keeps one.
"""

from __future__ import annotations

from aioglacier.catalog.catalog import Catalog
from aioglacier.catalog.records import (
    ArchiveKind,
    ArchiveRecord,
    ArchiveState,
    DownloadRecord,
    DownloadState,
    JobRecord,
    JobState,
    MergeResult,
    PartRecord,
    UploadRecord,
    UploadState,
    VaultKey,
    VaultTotals,
)

__all__ = [
    "ArchiveKind",
    "ArchiveRecord",
    "ArchiveState",
    "Catalog",
    "DownloadRecord",
    "DownloadState",
    "JobRecord",
    "JobState",
    "MergeResult",
    "PartRecord",
    "UploadRecord",
    "UploadState",
    "VaultKey",
    "VaultTotals",
]
