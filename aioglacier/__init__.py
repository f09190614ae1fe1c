"""Archiving to Amazon S3 Glacier vaults: await a writer, get an archive.

``connect()`` opens a connection; ``Vault.open_writer()`` takes a stream and ``Vault.upload()`` anything
readable; ``Vault.retrieve()`` starts a job, whose output ``Job.download()`` and ``Job.open_reader()`` return
verified. ``aioglacier.server`` is a local Glacier, ``aioglacier.testing`` has its pytest fixtures.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which hash workers must not load

if TYPE_CHECKING:
    from typing import Any, Final

    from aioglacier.client.emptying import Emptying, EmptyingSnapshot
    from aioglacier.client.glacier import Glacier, connect
    from aioglacier.client.job import Job
    from aioglacier.client.notices import JobNotices
    from aioglacier.client.upload import Upload
    from aioglacier.client.vault import Vault
    from aioglacier.client.vault_settings import AccessPolicy, Lock, Notifications, Tags
    from aioglacier.core.errors import (
        AccessDeniedError,
        ArchiveNotFoundError,
        CatalogBusyError,
        CatalogDamagedError,
        CatalogError,
        CatalogMismatchError,
        CertificateError,
        ClockSkewError,
        ConfigurationError,
        ConnectionFailedError,
        ConnectionLostError,
        CostLimitError,
        CredentialsError,
        CredentialsExpiredError,
        DescriptionError,
        EmptyArchiveError,
        GlacierError,
        InputTypeError,
        InsecureEndpointError,
        InsufficientCapacityError,
        IntegrityError,
        InvalidCredentialsError,
        InvalidIdError,
        InvalidParameterError,
        InvalidPartSizeError,
        InvalidPlanError,
        InvalidRangeError,
        InventoryError,
        JobFailedError,
        JobNotFoundError,
        JobNotReadyError,
        LengthMismatchError,
        LimitExceededError,
        MemoryLimitError,
        NoCredentialsError,
        NoLongerSupportedError,
        NotStoredError,
        OutcomeUnknownError,
        PolicyEnforcedError,
        RedirectRefusedError,
        ResourceNotFoundError,
        ResumeMismatchError,
        ServiceError,
        SourceChangedError,
        SourceError,
        SourceUnreadableError,
        StalledTransferError,
        TargetError,
        TemporaryServiceError,
        ThrottledError,
        TooManyPartsError,
        TransportError,
        UnexpectedResponseError,
        UnsafePathError,
        UploadExpiredError,
        UploadFailedError,
        UploadLockedError,
        UploadNotFoundError,
        VaultNameError,
        VaultNotFoundError,
        WaitTimeoutError,
        WorkerDiedError,
        WriterBusyError,
        WriterClosedError,
        WriterOpenError,
    )
    from aioglacier.core.models import (
        Archive,
        ArchiveId,
        CapacityId,
        InventoryFormat,
        InventoryParameters,
        JobAction,
        JobDescription,
        JobId,
        JobStatus,
        LockId,
        LockState,
        NotificationConfig,
        ProvisionedCapacity,
        RetrievalPolicy,
        RetrievalStrategy,
        Tier,
        UploadDescription,
        UploadedPart,
        UploadId,
        VaultDescription,
        VaultEvent,
        VaultLock,
    )
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import TreeHash, chunk_hashes, hash_core, tree_hash
    from aioglacier.gateway.contract.timeouts import Timeouts
    from aioglacier.transfer.budget.allowance import Limits
    from aioglacier.transfer.download.download import Download
    from aioglacier.transfer.download.reader import ArchiveReader
    from aioglacier.transfer.snapshot import TransferSnapshot
    from aioglacier.transfer.upload.source_upload import SourceUpload
    from aioglacier.transfer.upload.writer import ArchiveWriter

__all__ = [
    "AccessDeniedError",
    "AccessPolicy",
    "Archive",
    "ArchiveId",
    "ArchiveNotFoundError",
    "ArchiveReader",
    "ArchiveWriter",
    "ByteRange",
    "CapacityId",
    "CatalogBusyError",
    "CatalogDamagedError",
    "CatalogError",
    "CatalogMismatchError",
    "CertificateError",
    "ClockSkewError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "CostLimitError",
    "CredentialsError",
    "CredentialsExpiredError",
    "DescriptionError",
    "Download",
    "EmptyArchiveError",
    "Emptying",
    "EmptyingSnapshot",
    "Glacier",
    "GlacierError",
    "InputTypeError",
    "InsecureEndpointError",
    "InsufficientCapacityError",
    "IntegrityError",
    "InvalidCredentialsError",
    "InvalidIdError",
    "InvalidParameterError",
    "InvalidPartSizeError",
    "InvalidPlanError",
    "InvalidRangeError",
    "InventoryError",
    "InventoryFormat",
    "InventoryParameters",
    "Job",
    "JobAction",
    "JobDescription",
    "JobFailedError",
    "JobId",
    "JobNotFoundError",
    "JobNotReadyError",
    "JobNotices",
    "JobStatus",
    "LengthMismatchError",
    "LimitExceededError",
    "Limits",
    "Lock",
    "LockId",
    "LockState",
    "MemoryLimitError",
    "NoCredentialsError",
    "NoLongerSupportedError",
    "NotStoredError",
    "NotificationConfig",
    "Notifications",
    "OutcomeUnknownError",
    "PolicyEnforcedError",
    "ProvisionedCapacity",
    "RedirectRefusedError",
    "ResourceNotFoundError",
    "ResumeMismatchError",
    "RetrievalPolicy",
    "RetrievalStrategy",
    "ServiceError",
    "SourceChangedError",
    "SourceError",
    "SourceUnreadableError",
    "SourceUpload",
    "StalledTransferError",
    "Tags",
    "TargetError",
    "TemporaryServiceError",
    "ThrottledError",
    "Tier",
    "Timeouts",
    "TooManyPartsError",
    "TransferSnapshot",
    "TransportError",
    "TreeHash",
    "UnexpectedResponseError",
    "UnsafePathError",
    "Upload",
    "UploadDescription",
    "UploadExpiredError",
    "UploadFailedError",
    "UploadId",
    "UploadLockedError",
    "UploadNotFoundError",
    "UploadedPart",
    "Vault",
    "VaultDescription",
    "VaultEvent",
    "VaultLock",
    "VaultNameError",
    "VaultNotFoundError",
    "WaitTimeoutError",
    "WorkerDiedError",
    "WriterBusyError",
    "WriterClosedError",
    "WriterOpenError",
    "chunk_hashes",
    "connect",
    "hash_core",
    "tree_hash",
]

#: The modules of the public names, the fastest to load first. ``import aioglacier`` loads none of them: the
#: help of the command line and the tree hash of a file must not wait for a client.
_HOMES: Final = (
    "aioglacier.core.errors",
    "aioglacier.core.treehash",
    "aioglacier.core.ranges",
    "aioglacier.core.models",
    "aioglacier.client.glacier",
    "aioglacier.client.vault",
    "aioglacier.client.emptying",
    "aioglacier.client.notices",
    "aioglacier.gateway.contract.timeouts",
    "aioglacier.transfer.budget.allowance",
    "aioglacier.transfer.download.download",
    "aioglacier.transfer.download.reader",
    "aioglacier.transfer.snapshot",
    "aioglacier.transfer.upload.source_upload",
    "aioglacier.transfer.upload.writer",
)

if not TYPE_CHECKING:  # else every misspelt name would have a type

    def __getattr__(name: str) -> Any:
        """Load a public name at its first use (PEP 562)."""
        if name in __all__:
            import importlib  # noqa: PLC0415  # as above

            for home in _HOMES:
                module = importlib.import_module(home)
                if hasattr(module, name):
                    value = globals()[name] = getattr(module, name)
                    return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return list(__all__)
