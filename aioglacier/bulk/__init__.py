"""Folders, and streams longer than one archive, kept in vaults.

``FolderSync`` archives a folder, ``FolderRestore`` brings it back, ``FolderVerify`` compares folder, catalog
and vault, ``FolderRecovery`` rebuilds the records of a lost catalog. ``StreamUpload`` and ``StreamDownload``
archive and restore a stream of any length. A name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Final

    from aioglacier.bulk.findings import Finding, Trouble
    from aioglacier.bulk.formats.age import Identities, Recipients, read_identities, read_recipients
    from aioglacier.bulk.losses import Loss, find_losses
    from aioglacier.bulk.path_failures import PathFailure
    from aioglacier.bulk.pricing import load_prices
    from aioglacier.bulk.recover import FolderRecovery, Recovered, RecoveryOptions, RecoveryPlan
    from aioglacier.bulk.restore.restore import FolderRestore, RestoreSnapshot
    from aioglacier.bulk.restore.restore_options import RestoreOptions
    from aioglacier.bulk.restore.restore_plan import RestorePlan
    from aioglacier.bulk.restore.selection import SelectionOptions
    from aioglacier.bulk.streams.download import StreamDownload, find_manifest, read_manifest
    from aioglacier.bulk.streams.manifest import Manifest, Piece
    from aioglacier.bulk.streams.upload import StreamUpload
    from aioglacier.bulk.sync.plan import SyncOptions, SyncPlan, SyncSnapshot
    from aioglacier.bulk.sync.sync import FolderSync
    from aioglacier.bulk.verify import FolderVerify, VerifyOptions, VerifySnapshot

#: The module of each public name.
_HOMES: Final = {
    "Finding": "findings",
    "FolderRecovery": "recover",
    "FolderRestore": "restore.restore",
    "FolderSync": "sync.sync",
    "FolderVerify": "verify",
    "Identities": "formats.age",
    "Loss": "losses",
    "Manifest": "streams.manifest",
    "PathFailure": "path_failures",
    "Piece": "streams.manifest",
    "Recipients": "formats.age",
    "Recovered": "recover",
    "RecoveryOptions": "recover",
    "RecoveryPlan": "recover",
    "RestoreOptions": "restore.restore_options",
    "RestorePlan": "restore.restore_plan",
    "RestoreSnapshot": "restore.restore",
    "SelectionOptions": "restore.selection",
    "StreamDownload": "streams.download",
    "StreamUpload": "streams.upload",
    "SyncOptions": "sync.plan",
    "SyncPlan": "sync.plan",
    "SyncSnapshot": "sync.plan",
    "Trouble": "findings",
    "VerifyOptions": "verify",
    "VerifySnapshot": "verify",
    "find_losses": "losses",
    "find_manifest": "streams.download",
    "load_prices": "pricing",
    "read_identities": "formats.age",
    "read_manifest": "streams.download",
    "read_recipients": "formats.age",
}

__all__ = [
    "Finding",
    "FolderRecovery",
    "FolderRestore",
    "FolderSync",
    "FolderVerify",
    "Identities",
    "Loss",
    "Manifest",
    "PathFailure",
    "Piece",
    "Recipients",
    "Recovered",
    "RecoveryOptions",
    "RecoveryPlan",
    "RestoreOptions",
    "RestorePlan",
    "RestoreSnapshot",
    "SelectionOptions",
    "StreamDownload",
    "StreamUpload",
    "SyncOptions",
    "SyncPlan",
    "SyncSnapshot",
    "Trouble",
    "VerifyOptions",
    "VerifySnapshot",
    "find_losses",
    "find_manifest",
    "load_prices",
    "read_identities",
    "read_manifest",
    "read_recipients",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load a public name when it is first used (PEP 562)."""
        if name in _HOMES:
            import importlib  # noqa: PLC0415  # only where a name is used

            value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return list(__all__)
