"""The local record of what was archived and of what is under way, kept so that any command can be repeated.

The service knows archives by id and nothing else, and answers can be lost. So what is about to be asked of
it is recorded before, and what came of it after: intent, then effect, then outcome. The library does without
a catalog; the command line always keeps one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from aioglacier.catalog.archives import Archives
from aioglacier.catalog.catalog import Catalog
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
    Place,
    SourceIdentity,
    UploadNumber,
    UploadRecord,
    UploadState,
    VaultTotals,
)
from aioglacier.catalog.uploads import Uploads

if TYPE_CHECKING:
    from aioglacier.catalog.jobs import Downloads, Jobs
    from aioglacier.catalog.reports import Duplicate, Reports, Share, Spent, VaultReport

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
    "Place",
    "Reports",
    "Share",
    "SourceIdentity",
    "Spent",
    "UploadNumber",
    "UploadRecord",
    "UploadState",
    "Uploads",
    "VaultReport",
    "VaultTotals",
]

#: Where the names live that come with SQLAlchemy, which takes a tenth of a second to load.
_HOMES: Final = ("aioglacier.catalog.jobs", "aioglacier.catalog.reports")

if not TYPE_CHECKING:  # or every misspelt name would have a type

    def __getattr__(name: str) -> Any:
        """Load such a name when it is first used (PEP 562)."""
        if name in __all__:
            for home in _HOMES:
                module = importlib.import_module(home)
                if hasattr(module, name):
                    value = globals()[name] = getattr(module, name)
                    return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
