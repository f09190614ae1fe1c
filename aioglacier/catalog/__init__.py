"""The local record of archives and of work under way, kept so that any command can be repeated.

The service knows archives by id only, and answers can be lost. So each request is recorded before it is sent,
and its result after: intent, then effect, then outcome. The library works without a catalog; the command line
always keeps one.
"""

from __future__ import annotations

from aioglacier.catalog.archives import Archives
from aioglacier.catalog.catalog import Catalog
from aioglacier.catalog.jobs import Downloads, Jobs
from aioglacier.catalog.records import (
    ArchiveKind,
    ArchiveNumber,
    ArchiveRecord,
    ArchiveState,
    DownloadNumber,
    DownloadRecord,
    DownloadState,
    JobNumber,
    JobRecord,
    JobState,
    MergeResult,
    PartRecord,
    UploadNumber,
    UploadRecord,
    UploadState,
    VaultKey,
    VaultTotals,
)
from aioglacier.catalog.reports import Duplicate, Reports, Share, Spent, VaultReport
from aioglacier.catalog.uploads import Uploads

__all__ = [
    "ArchiveKind",
    "ArchiveNumber",
    "ArchiveRecord",
    "ArchiveState",
    "Archives",
    "Catalog",
    "DownloadNumber",
    "DownloadRecord",
    "DownloadState",
    "Downloads",
    "Duplicate",
    "JobNumber",
    "JobRecord",
    "JobState",
    "Jobs",
    "MergeResult",
    "PartRecord",
    "Reports",
    "Share",
    "Spent",
    "UploadNumber",
    "UploadRecord",
    "UploadState",
    "Uploads",
    "VaultKey",
    "VaultReport",
    "VaultTotals",
]
