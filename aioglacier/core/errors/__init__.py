"""Every error a user can meet: one tree, one root.

::

    GlacierError
        InvalidPlanError (also ValueError)      asked for something that cannot be; nothing was sent
            EmptyArchiveError
            InvalidPartSizeError
            TooManyPartsError
            MemoryLimitError
            DescriptionError
            VaultNameError
            InvalidIdError
            InvalidRangeError
            InputTypeError (also TypeError)
            CostLimitError
            ConfigurationError
                InsecureEndpointError
        SourceError                             the bytes to archive are missing or changed
            SourceUnreadableError
            SourceChangedError
            LengthMismatchError
        TargetError                             the place to restore to cannot be used
            UnsafePathError
        WriterClosedError                       wrong order of calls
        WriterOpenError
        WriterBusyError
        CredentialsError                        credentials or clock are not accepted
            NoCredentialsError
            InvalidCredentialsError
            CredentialsExpiredError
            ClockSkewError
        ServiceError                            the service answered, and refused
            AccessDeniedError
            InvalidParameterError
            LimitExceededError
            PolicyEnforcedError
            NoLongerSupportedError
            InsufficientCapacityError
            JobNotReadyError
            ResourceNotFoundError
                VaultNotFoundError
                ArchiveNotFoundError
                UploadNotFoundError
                JobNotFoundError
            TemporaryServiceError
                ThrottledError
        TransportError                          no usable answer from the service
            ConnectionFailedError
            ConnectionLostError
            StalledTransferError
            CertificateError
            RedirectRefusedError
            UnexpectedResponseError
        IntegrityError                          bytes and hashes disagree
        UploadFailedError                       trouble outlasted every retry; the upload can be resumed
        UploadExpiredError
        ResumeMismatchError
        OutcomeUnknownError                     an answer was lost, and the service cannot repeat it
        JobFailedError
        InventoryError                          an inventory document is cut short or damaged
        NotStoredError                          no proven archive has the file
        WaitTimeoutError
        WorkerDiedError
        CatalogError                            the local record cannot be used, or contradicts
            CatalogBusyError
            CatalogDamagedError
            CatalogMismatchError
            UploadLockedError

An error is data first and a sentence second: what a program needs is an attribute. The attributes of
``GlacierError`` itself are filled in while the error travels up: the retry layer adds attempts and time, the
writer adds the upload and the bytes that are safe, the connection adds the vault.
"""

from aioglacier.core.errors.credentials_and_clock import (
    ClockSkewError,
    CredentialsError,
    CredentialsExpiredError,
    InvalidCredentialsError,
    NoCredentialsError,
)
from aioglacier.core.errors.failed_transfer import (
    IntegrityError,
    InventoryError,
    JobFailedError,
    NotStoredError,
    OutcomeUnknownError,
    ResumeMismatchError,
    UploadExpiredError,
    UploadFailedError,
    WaitTimeoutError,
    WorkerDiedError,
)
from aioglacier.core.errors.invalid_plan import (
    ConfigurationError,
    CostLimitError,
    DescriptionError,
    EmptyArchiveError,
    InputTypeError,
    InsecureEndpointError,
    InvalidIdError,
    InvalidPartSizeError,
    InvalidPlanError,
    InvalidRangeError,
    MemoryLimitError,
    TooManyPartsError,
    VaultNameError,
)
from aioglacier.core.errors.local_record import (
    CatalogBusyError,
    CatalogDamagedError,
    CatalogError,
    CatalogMismatchError,
    UploadLockedError,
)
from aioglacier.core.errors.root import GlacierError
from aioglacier.core.errors.service_refused import (
    AccessDeniedError,
    ArchiveNotFoundError,
    InsufficientCapacityError,
    InvalidParameterError,
    JobNotFoundError,
    JobNotReadyError,
    LimitExceededError,
    NoLongerSupportedError,
    PolicyEnforcedError,
    ResourceNotFoundError,
    ServiceError,
    TemporaryServiceError,
    ThrottledError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.errors.source_and_target import (
    LengthMismatchError,
    SourceChangedError,
    SourceError,
    SourceUnreadableError,
    TargetError,
    UnsafePathError,
    WriterBusyError,
    WriterClosedError,
    WriterOpenError,
)
from aioglacier.core.errors.transport import (
    CertificateError,
    ConnectionFailedError,
    ConnectionLostError,
    RedirectRefusedError,
    StalledTransferError,
    TransportError,
    UnexpectedResponseError,
)

__all__ = [
    "AccessDeniedError",
    "ArchiveNotFoundError",
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
    "EmptyArchiveError",
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
    "JobFailedError",
    "JobNotFoundError",
    "JobNotReadyError",
    "LengthMismatchError",
    "LimitExceededError",
    "MemoryLimitError",
    "NoCredentialsError",
    "NoLongerSupportedError",
    "NotStoredError",
    "OutcomeUnknownError",
    "PolicyEnforcedError",
    "RedirectRefusedError",
    "ResourceNotFoundError",
    "ResumeMismatchError",
    "ServiceError",
    "SourceChangedError",
    "SourceError",
    "SourceUnreadableError",
    "StalledTransferError",
    "TargetError",
    "TemporaryServiceError",
    "ThrottledError",
    "TooManyPartsError",
    "TransportError",
    "UnexpectedResponseError",
    "UnsafePathError",
    "UploadExpiredError",
    "UploadFailedError",
    "UploadLockedError",
    "UploadNotFoundError",
    "VaultNameError",
    "VaultNotFoundError",
    "WaitTimeoutError",
    "WorkerDiedError",
    "WriterBusyError",
    "WriterClosedError",
    "WriterOpenError",
]
