"""Archiving to Amazon S3 Glacier, vaults and storage classes: await a writer, get an archive.

``connect()`` opens a connection; ``Vault.open_writer()`` takes a stream and ``Vault.upload()`` anything
readable; ``Vault.retrieve()`` starts a job, whose output ``Job.download()`` and ``Job.open_reader()`` return
verified. ``Glacier.bucket()`` is an S3 bucket with the same words. ``aioglacier.server`` is a local Glacier,
``aioglacier.testing`` has its pytest fixtures.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which hash workers must not load

if TYPE_CHECKING:
    from typing import Any, Final

    from aioglacier.client.buckets.bucket import Bucket as Bucket, BucketUpload as BucketUpload
    from aioglacier.client.buckets.restore import Restore as Restore
    from aioglacier.client.emptying import Emptying as Emptying, EmptyingSnapshot as EmptyingSnapshot
    from aioglacier.client.glacier import Glacier as Glacier, connect as connect
    from aioglacier.client.job import Job as Job
    from aioglacier.client.notices import JobNotices as JobNotices
    from aioglacier.client.retrieval import Retrieval as Retrieval
    from aioglacier.client.upload import KnownUpload as KnownUpload, Upload as Upload
    from aioglacier.client.vault import Vault as Vault
    from aioglacier.client.vault_settings import (
        AccessPolicy as AccessPolicy,
        Lock as Lock,
        Notifications as Notifications,
        Tags as Tags,
    )
    from aioglacier.core.errors import *  # noqa: F403  # the classes are their only list
    from aioglacier.core.models import (
        Archive as Archive,
        ArchiveId as ArchiveId,
        CapacityId as CapacityId,
        InventoryFormat as InventoryFormat,
        InventoryParameters as InventoryParameters,
        JobAction as JobAction,
        JobDescription as JobDescription,
        JobId as JobId,
        JobStatus as JobStatus,
        LockId as LockId,
        LockState as LockState,
        NotificationConfig as NotificationConfig,
        ProvisionedCapacity as ProvisionedCapacity,
        RetrievalPolicy as RetrievalPolicy,
        RetrievalStrategy as RetrievalStrategy,
        Tier as Tier,
        UploadDescription as UploadDescription,
        UploadedPart as UploadedPart,
        UploadId as UploadId,
        VaultDescription as VaultDescription,
        VaultEvent as VaultEvent,
        VaultLock as VaultLock,
    )
    from aioglacier.core.prices import Prices as Prices
    from aioglacier.core.ranges import ByteRange as ByteRange
    from aioglacier.core.rate_schedule import RateSchedule as RateSchedule, RateWindow as RateWindow
    from aioglacier.core.s3.objects import (
        ArchivedObject as ArchivedObject,
        BucketDescription as BucketDescription,
        ChecksumAlgorithm as ChecksumAlgorithm,
        ObjectChecksum as ObjectChecksum,
        ObjectEntry as ObjectEntry,
        ObjectHead as ObjectHead,
        ObjectSettings as ObjectSettings,
        RestoreState as RestoreState,
        StorageClass as StorageClass,
        UploadedObjectPart as UploadedObjectPart,
    )
    from aioglacier.core.spending import Budget as Budget
    from aioglacier.core.treehash import (
        TreeHash as TreeHash,
        chunk_hashes as chunk_hashes,
        hash_core as hash_core,
        tree_hash as tree_hash,
    )
    from aioglacier.gateway.contract.options import Timeouts as Timeouts
    from aioglacier.tasks.running import Run as Run, open_run as open_run
    from aioglacier.tasks.shard import Shard as Shard
    from aioglacier.transfer.budget.allowance import Limits as Limits
    from aioglacier.transfer.download.download import Download as Download
    from aioglacier.transfer.download.reader import ArchiveReader as ArchiveReader
    from aioglacier.transfer.snapshot import TransferSnapshot as TransferSnapshot
    from aioglacier.transfer.upload.source_upload import SourceUpload as SourceUpload
    from aioglacier.transfer.upload.writer import ArchiveWriter as ArchiveWriter

#: The modules of the public names. ``import aioglacier`` loads none of them: the help of the command line and
#: the tree hash of a file must not wait for a client. Errors are not listed: their names end in "Error".
_HOMES: Final = {
    "client.buckets.bucket": ("Bucket", "BucketUpload"),
    "client.emptying": ("Emptying", "EmptyingSnapshot"),
    "client.glacier": ("Glacier", "connect"),
    "client.job": ("Job",),
    "client.notices": ("JobNotices",),
    "client.buckets.restore": ("Restore",),
    "client.retrieval": ("Retrieval",),
    "client.upload": ("KnownUpload", "Upload"),
    "client.vault": ("Vault",),
    "client.vault_settings": ("AccessPolicy", "Lock", "Notifications", "Tags"),
    "core.models": (
        "Archive", "ArchiveId", "CapacityId", "InventoryFormat", "InventoryParameters", "JobAction",
        "JobDescription", "JobId", "JobStatus", "LockId", "LockState", "NotificationConfig",
        "ProvisionedCapacity", "RetrievalPolicy", "RetrievalStrategy", "Tier", "UploadDescription",
        "UploadedPart", "UploadId", "VaultDescription", "VaultEvent", "VaultLock",
    ),
    "core.prices": ("Prices",),
    "core.ranges": ("ByteRange",),
    "core.s3.objects": (
        "ArchivedObject", "BucketDescription", "ChecksumAlgorithm", "ObjectChecksum", "ObjectEntry",
        "ObjectHead", "ObjectSettings", "RestoreState", "StorageClass", "UploadedObjectPart",
    ),
    "tasks.shard": ("Shard",),
    "core.spending": ("Budget",),
    "core.treehash": ("TreeHash", "chunk_hashes", "hash_core", "tree_hash"),
    "gateway.contract.options": ("Timeouts",),
    "core.rate_schedule": ("RateSchedule", "RateWindow"),
    "tasks.running": ("Run", "open_run"),
    "transfer.budget.allowance": ("Limits",),
    "transfer.download.download": ("Download",),
    "transfer.download.reader": ("ArchiveReader",),
    "transfer.snapshot": ("TransferSnapshot",),
    "transfer.upload.source_upload": ("SourceUpload",),
    "transfer.upload.writer": ("ArchiveWriter",),
}  # fmt: skip

_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # else every misspelt name would have a type

    def __getattr__(name: str) -> Any:
        """Load a public name, or their list, at its first use (PEP 562)."""
        from importlib import import_module  # noqa: PLC0415  # as above

        home = "core.errors" if name.endswith("Error") or name == "__all__" else _HOME_OF.get(name)
        found = vars(import_module(f"aioglacier.{home}")) if home is not None else {}
        if name == "__all__":
            value = sorted([*_HOME_OF, *(error for error in found if error.endswith("Error"))])
        elif name in found:
            value = found[name]
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __getattr__("__all__")
