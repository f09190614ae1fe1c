"""Folders, and streams longer than one archive, kept in vaults.

``FolderSync`` archives a folder, ``FolderRestore`` brings it back, ``FolderVerify`` compares folder, catalog
and vault, ``FolderRecovery`` rebuilds the records of a lost catalog. ``StreamUpload`` and ``StreamDownload``
archive and restore a stream of any length. ``ArchiveRestore`` brings back archives that other programs made.
Each name is loaded at its first use.
"""

from __future__ import annotations

from aioglacier.public_names import load_at_first_use

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Final

    from aioglacier.bulk.archives.archive_choice import ArchiveOptions as ArchiveOptions
    from aioglacier.bulk.archives.archive_restore import ArchiveRestore as ArchiveRestore
    from aioglacier.bulk.archives.move_plan import ArchivePlan as ArchivePlan
    from aioglacier.bulk.archives.move_run import PaceOptions as PaceOptions
    from aioglacier.bulk.archives.planned_move import ArchivesSnapshot as ArchivesSnapshot
    from aioglacier.bulk.archives.size_rules import (
        SizeRule as SizeRule,
        parse_class_rule as parse_class_rule,
        parse_tier_rule as parse_tier_rule,
    )
    from aioglacier.bulk.findings import Finding as Finding, Trouble as Trouble
    from aioglacier.bulk.formats.age import (
        Identities as Identities,
        Recipients as Recipients,
        read_identities as read_identities,
        read_recipients as read_recipients,
    )
    from aioglacier.bulk.losses import Loss as Loss, find_losses as find_losses
    from aioglacier.bulk.path_failures import PathFailure as PathFailure
    from aioglacier.bulk.pricing import load_prices as load_prices
    from aioglacier.bulk.recover import (
        FolderRecovery as FolderRecovery,
        Recovered as Recovered,
        RecoveryOptions as RecoveryOptions,
        RecoveryPlan as RecoveryPlan,
    )
    from aioglacier.bulk.restore.restore import (
        FolderRestore as FolderRestore,
        RestoreSnapshot as RestoreSnapshot,
    )
    from aioglacier.bulk.restore.restore_options import RestoreOptions as RestoreOptions
    from aioglacier.bulk.restore.restore_plan import RestorePlan as RestorePlan
    from aioglacier.bulk.restore.selection import SelectionOptions as SelectionOptions
    from aioglacier.bulk.streams.download import (
        StreamDownload as StreamDownload,
        find_manifest as find_manifest,
        read_manifest as read_manifest,
    )
    from aioglacier.bulk.streams.manifest import Manifest as Manifest, Piece as Piece
    from aioglacier.bulk.streams.upload import StreamUpload as StreamUpload
    from aioglacier.bulk.sync.plan import (
        SyncOptions as SyncOptions,
        SyncPlan as SyncPlan,
        SyncSnapshot as SyncSnapshot,
    )
    from aioglacier.bulk.sync.sync import FolderSync as FolderSync
    from aioglacier.bulk.verify import (
        FolderVerify as FolderVerify,
        VerifyOptions as VerifyOptions,
        VerifySnapshot as VerifySnapshot,
    )

#: The public names of each module.
_HOMES: Final = {
    "archives.archive_choice": ("ArchiveOptions",),
    "archives.archive_restore": ("ArchiveRestore",),
    "archives.planned_move": ("ArchivesSnapshot",),
    "archives.move_plan": ("ArchivePlan",),
    "archives.move_run": ("PaceOptions",),
    "archives.size_rules": ("SizeRule", "parse_class_rule", "parse_tier_rule"),
    "findings": ("Finding", "Trouble"),
    "formats.age": ("Identities", "Recipients", "read_identities", "read_recipients"),
    "losses": ("Loss", "find_losses"),
    "path_failures": ("PathFailure",),
    "pricing": ("load_prices",),
    "recover": ("FolderRecovery", "Recovered", "RecoveryOptions", "RecoveryPlan"),
    "restore.restore": ("FolderRestore", "RestoreSnapshot"),
    "restore.restore_options": ("RestoreOptions",),
    "restore.restore_plan": ("RestorePlan",),
    "restore.selection": ("SelectionOptions",),
    "streams.download": ("StreamDownload", "find_manifest", "read_manifest"),
    "streams.manifest": ("Manifest", "Piece"),
    "streams.upload": ("StreamUpload",),
    "sync.plan": ("SyncOptions", "SyncPlan", "SyncSnapshot"),
    "sync.sync": ("FolderSync",),
    "verify": ("FolderVerify", "VerifyOptions", "VerifySnapshot"),
}

if not TYPE_CHECKING:  # else every misspelt name would have a type
    __getattr__, __dir__ = load_at_first_use(__name__, _HOMES)
