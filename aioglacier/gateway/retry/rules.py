"""Which operation may be sent again after what, as one table.

The question is always the same: may the attempt that failed have taken effect? If surely not, anything may be
sent again. If it may have, only what can be done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import (
    ArchiveNotFoundError,
    CredentialsExpiredError,
    GlacierError,
    IntegrityError,
    ServiceError,
    TemporaryServiceError,
    ThrottledError,
    TransportError,
    UploadNotFoundError,
    VaultNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Repeat(Enum):
    """When an operation may be sent again."""

    ALWAYS = auto()
    IF_WITHOUT_EFFECT = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """How an operation may be repeated.

    Attributes:
        repeat: When.
        gone: The error which, met by a repetition, says that an earlier attempt did the work.
        is_progress: Whether a success shows that trouble is over.
        proof_attempts: Attempts in all where a success comes without its proof.
        hint: What to say where the outcome stays unknown.
    """

    repeat: Repeat = Repeat.ALWAYS
    gone: type[ServiceError] | None = None
    is_progress: bool = True
    proof_attempts: int = 1
    hint: str = ""


#: Anything not named here is idempotent and may be sent again at any time (Guide, each operation's page).
RULES: Final[Mapping[str, Rule]] = {
    # Every success makes another archive, under an id that nobody would know.
    "UploadArchive": Rule(Repeat.IF_WITHOUT_EFFECT),
    # A second job is paid twice; the retry layer looks for the first in ListJobs before it asks again.
    "InitiateJob": Rule(
        Repeat.IF_WITHOUT_EFFECT,
        hint="the job may run all the same: look at the vault's jobs before starting another, or give jobs a "
        "description of their own, by which a lost one is found",
    ),
    # Buys again, for a month.
    "PurchaseProvisionedCapacity": Rule(
        Repeat.NEVER, hint="the unit may be bought all the same: look at the provisioned capacity"
    ),
    # The second is refused while the first is in progress, and its lock id would be lost.
    "InitiateVaultLock": Rule(
        Repeat.NEVER, hint="the lock may be in progress all the same: look at it, and abort it to begin anew"
    ),
    # A repetition succeeds for a while, then the upload is gone.
    "AbortMultipartUpload": Rule(gone=UploadNotFoundError),
    "DeleteArchive": Rule(gone=ArchiveNotFoundError),
    "DeleteVault": Rule(gone=VaultNotFoundError),
    # An answer that opens and then breaks off brings nothing; its bytes count, when they come.
    "GetJobOutput": Rule(is_progress=False),
    # A repetition names the same archive for a while; what a 404 then means is not for a table: see
    # RetryingGateway.complete_multipart_upload.
    "CompleteMultipartUpload": Rule(proof_attempts=3),
    # InitiateMultipartUpload: a lost one is looked for; one that is not found costs nothing and goes after a
    # day.
}

#: Attempts at one body in all, where the service says that other bytes arrived, and where it says nothing.
_ATTEMPTS_IF_REFUSED: Final = 3
_ATTEMPTS_IF_ECHO_DIFFERS: Final = 2


def rule_of(operation: str) -> Rule:
    """The operation's rule."""
    return RULES.get(operation, Rule())


def is_without_effect(error: GlacierError) -> bool:
    """Whether the service surely did not do what it was asked.

    408 and 429 refuse the request, and 503 is sent before work begins; 500, 502 and 504 may come after it.
    """
    if isinstance(error, TransportError):
        return not error.may_have_taken_effect
    if isinstance(error, TemporaryServiceError):
        return isinstance(error, ThrottledError) or error.status in {408, 429, 503}
    return True


def may_pass(error: GlacierError) -> bool:
    """Whether the same request may succeed later, by the error alone."""
    return isinstance(error, ServiceError | TransportError) and error.is_retryable


def is_attempt_left(error: GlacierError, *, refusals: int, renewals: int) -> bool:
    """Whether errors that time does not heal are worth another attempt.

    Args:
        error: What the last attempt met.
        refusals: How many attempts met an IntegrityError, this one included.
        renewals: How many attempts met expired credentials, this one included.
    """
    if isinstance(error, CredentialsExpiredError):
        return renewals == 1 and error.code is not None
    if isinstance(error, IntegrityError) and error.archive_id is None:
        was_refused = error.__cause__ is not None
        return refusals < (_ATTEMPTS_IF_REFUSED if was_refused else _ATTEMPTS_IF_ECHO_DIFFERS)
    return False
