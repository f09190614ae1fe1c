"""Errors that the service itself answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors.root import GlacierError

if TYPE_CHECKING:
    from datetime import datetime


class ServiceError(GlacierError):
    """The service answered with an error.

    Attributes:
        operation: The operation's name in the API, as "UploadMultipartPart".
        code: The service's code, "" where it gave none.
        status: The HTTP status.
        request_id: The service's id of the request.
        retry_after_seconds: The delay that the answer asked for, if it did.
        arrived_hash: The hash that the service computed of a body it refused for that, ``b""`` if it does not
            name it; ``None`` if the refusal has another reason.
        answered: The date of the answer, by the service's clock, if it had one.
    """

    #: Whether the same request may succeed a little later.
    is_retryable: bool = False

    arrived_hash: bytes | None = None
    answered: datetime | None = None

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        code: str,
        status: int,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        answer = f"{self.status} {self.code}".strip()
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.operation}: {self.message} [{answer}{request}]{self._circumstances()}"


class AccessDeniedError(ServiceError):
    """A policy does not allow the operation, or the account is not yours."""


class InvalidParameterError(ServiceError):
    """The service refuses a value, or the operation in this state (400)."""


class LimitExceededError(ServiceError):
    """More vaults, tags or capacity units than an account may have."""


class PolicyEnforcedError(ServiceError):
    """The account's data retrieval policy refuses the job; a later hour or another policy may allow it."""


class NoLongerSupportedError(ServiceError):
    """The account has no Glacier vaults, and since 15 December 2025 AWS makes none for new customers."""


class InsufficientCapacityError(ServiceError):
    """No capacity for an Expedited retrieval now; another tier works."""


class JobNotReadyError(ServiceError):
    """The job's output was asked for before the job was done."""


class ResourceNotFoundError(ServiceError):
    """The named thing does not exist (404)."""


class VaultNotFoundError(ResourceNotFoundError):
    """There is no vault of this name in this account and region."""


class ArchiveNotFoundError(ResourceNotFoundError):
    """There is no archive with this id in this vault."""


class UploadNotFoundError(ResourceNotFoundError):
    """There is no unfinished upload with this id: completed, aborted or expired."""


class JobNotFoundError(ResourceNotFoundError):
    """There is no job with this id; the service removes jobs about a day after they are done."""


class BucketNotFoundError(ResourceNotFoundError):
    """There is no S3 bucket of this name."""


class ObjectNotFoundError(ResourceNotFoundError):
    """There is no object under this key, or no such version of it."""


class BucketExistsError(ServiceError):
    """A bucket of this name exists, and belongs to another account."""


class BucketIsYoursError(BucketExistsError):
    """A bucket of this name exists already, in this account."""


class WrongRegionError(ServiceError):
    """The bucket is in another region. Keys and bytes were not sent there.

    Attributes:
        region: The bucket's region, ``None`` if the service does not tell it.
    """

    region: str | None = None


class ObjectExistsError(ServiceError):
    """An object has this key, and it is not to be replaced."""


class ObjectChangedError(ServiceError):
    """The object is no longer the one that was asked for: another one has replaced it."""


class ObjectConflictError(ServiceError):
    """Another write to this key was in progress. A put may be repeated; an upload must begin again."""


class NotRetrievedError(ServiceError):
    """The object cannot be read before it is restored."""


class RestoreInProgressError(ServiceError):
    """A restore of this object is in progress, and its tier is at least as fast."""


class TemporaryServiceError(ServiceError):
    """The service cannot answer now: 408, 429, 500, 502, 503 or 504."""

    is_retryable = True


class ThrottledError(TemporaryServiceError):
    """Too many requests; the service says so with status 400 or 429."""
