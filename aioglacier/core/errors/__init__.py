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
            BucketNameError
            ObjectKeyError
            MetadataError
            InvalidIdError
            InvalidRangeError
            InputTypeError (also TypeError)
            CostLimitError
            ConfigurationError
                InsecureEndpointError
                ClusterError                    other processes cannot do the work
                    ClusterUnreachableError     there are none now
                ShardMismatchError              other shards divide the work otherwise
        SourceError                             the bytes to archive are missing or changed
            SourceUnreadableError
            SourceChangedError
            NotSharedError                      a path names another file on another machine
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
                BucketNotFoundError
                ObjectNotFoundError
            BucketExistsError
                BucketIsYoursError
            WrongRegionError
            ObjectExistsError
            ObjectChangedError
            ObjectConflictError
            NotRetrievedError
            RestoreInProgressError
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

# ruff: noqa: F403  # the class statements are their only list

from aioglacier.core.errors.credentials_and_clock import *
from aioglacier.core.errors.failed_transfer import *
from aioglacier.core.errors.invalid_plan import *
from aioglacier.core.errors.local_record import *
from aioglacier.core.errors.root import *
from aioglacier.core.errors.service_refused import *
from aioglacier.core.errors.source_and_target import *
from aioglacier.core.errors.transport import *
