"""The vault service's errors. Some facts stand nowhere but in its messages, so they are read here, once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar, Final

from aioglacier.core import errors
from aioglacier.gateway.contract.dialect import SENTENCES, Dialect, ErrorDocument, Refusal, by_code
from aioglacier.gateway.http.service_errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.gateway.contract.protocols import Answer

_NOT_FOUND_BY_MESSAGE: Final[Mapping[str, type[errors.ResourceNotFoundError]]] = {
    "vault not found": errors.VaultNotFoundError,
    "archive id was not found": errors.ArchiveNotFoundError,
    "upload id was not found": errors.UploadNotFoundError,
    "job id was not found": errors.JobNotFoundError,
}


class VaultDialect(Dialect):
    """The dialect of the vault API."""

    name = "Glacier"
    signing_name = "glacier"
    signs_path_as_sent = False
    has_hosts_below = False
    request_id_header = "x-amzn-RequestId"
    errors_in_success = False
    kinds = by_code({
        errors.AccessDeniedError: "AccessDenied",
        errors.CredentialsExpiredError: "ExpiredToken",
        errors.InsufficientCapacityError: "InsufficientCapacity",
        errors.InvalidCredentialsError:
            "IncompleteSignature InvalidClientTokenId InvalidSignature MissingAuthenticationToken "
            "SignatureDoesNotMatch UnrecognizedClient",
        errors.InvalidParameterError: "BadRequest InvalidParameterValue MissingParameterValue Serialization",
        errors.LimitExceededError: "LimitExceeded",
        errors.NoLongerSupportedError: "NoLongerSupported",
        errors.PolicyEnforcedError: "PolicyEnforced",
        errors.ResourceNotFoundError: "ResourceNotFound",
        errors.TemporaryServiceError: "InternalFailure InternalServerError RequestTimeout ServiceUnavailable",
        errors.ThrottledError: "Throttling TooManyRequests",
    })  # fmt: skip
    sentences: ClassVar[Mapping[type[errors.GlacierError], str]] = {
        **SENTENCES,
        errors.NoLongerSupportedError: "since 15 December 2025 Glacier takes no new vault customers; use the "
        "S3 Glacier storage classes instead: {message}",
        errors.PolicyEnforcedError: "the account's data retrieval policy allows less in an hour; try again "
        "later, or change the policy: {message}",
    }

    def holds_error(self, answer: Answer) -> bool:
        """See ``Dialect``. Two words are looked for first, so that a page of a list is not parsed twice."""
        body = answer.body
        return (
            body[:1] == b"{" and b'"code"' in body and b'"message"' in body and all(self.read_error(answer))
        )

    def read_error(self, answer: Answer) -> ErrorDocument:
        """See ``Dialect``."""
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            return ErrorDocument("", "")
        if not isinstance(document, dict):
            return ErrorDocument("", "")
        code = document.get("code") or document.get("__type") or ""
        message = document.get("message") or document.get("Message") or ""
        return ErrorDocument(str(code).rpartition("#")[2][:100], printable(str(message)))

    def specify(self, refusal: Refusal) -> type[errors.GlacierError]:
        """See ``Dialect``; here the message decides."""
        kind, message = refusal.kind, refusal.document.message
        if kind is errors.InvalidParameterError and "not currently available for download" in message:
            return errors.JobNotReadyError
        if kind is errors.InvalidCredentialsError:
            if _speaks_of_payload(message):
                return refusal.default
            if "Signature expired" in message or "Signature not yet current" in message:
                return errors.ClockSkewError
        if kind is errors.ResourceNotFoundError:
            said = message.lower()
            return next((kind for words, kind in _NOT_FOUND_BY_MESSAGE.items() if words in said), kind)
        return kind

    def complete(self, error: errors.GlacierError, document: ErrorDocument, answer: Answer) -> None:
        """Add the hash that the service names when it refuses other bytes than were hashed."""
        del answer
        if isinstance(error, errors.ServiceError):
            error.arrived_hash = _arrived_hash(document.message)

    def action_of(self, operation: str) -> str:
        """See ``Dialect``."""
        return f"glacier:{operation}"


def _arrived_hash(message: str) -> bytes | None:
    """Return the hash named by a refusal of other bytes, else ``b""``; ``None`` for other refusals."""
    if not (
        message.startswith(("Checksum mismatch", "Invalid x-amz-sha256-tree-hash"))
        or _speaks_of_payload(message)
    ):
        return None
    computed = re.search(r"computed (?:digest: )?([0-9a-f]{64})", message, re.IGNORECASE)
    return bytes.fromhex(computed[1]) if computed else b""


def _speaks_of_payload(message: str) -> bool:
    return "x-amz-content-sha256 does not match" in message


VAULTS: Final = VaultDialect()
