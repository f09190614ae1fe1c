"""Turn a refusal of the service into an error of ours.

The code decides, not the status: throttling is a 400, a slow body a 408, and statuses of signature errors
have changed over the years. The status decides only where no code can be read. Some facts stand nowhere but
in the service's message, so they are read from it here, once, and become the kind or an attribute of the
error.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from aioglacier.core.errors import (
    AccessDeniedError,
    ArchiveNotFoundError,
    ClockSkewError,
    CredentialsExpiredError,
    GlacierError,
    InsufficientCapacityError,
    IntegrityError,
    InvalidCredentialsError,
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
    UnexpectedResponseError,
    UploadNotFoundError,
    VaultNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.ranges import ByteRange

#: Characters of an answer that are quoted; a canonical request in an error fills pages.
_MESSAGE_LENGTH: Final = 500

_THROTTLED: Final = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})
_TEMPORARY: Final = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)

#: Not implemented, HTTP version not supported, loop detected, network authentication required. Sending the
#: same again meets the same answer.
_PERMANENT_STATUSES: Final = frozenset({501, 505, 508, 511})

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})
_INVALID_CREDENTIALS: Final = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_BY_CODE: Final[Mapping[str, type[ServiceError]]] = {
    "BadRequest": InvalidParameterError,
    "InsufficientCapacityException": InsufficientCapacityError,
    "InvalidParameterValueException": InvalidParameterError,
    "LimitExceededException": LimitExceededError,
    "MissingParameterValueException": InvalidParameterError,
    "NoLongerSupportedException": NoLongerSupportedError,
    "PolicyEnforcedException": PolicyEnforcedError,
    "SerializationException": InvalidParameterError,
}
_NOT_FOUND_BY_MESSAGE: Final[Mapping[str, type[ResourceNotFoundError]]] = {
    "vault not found": VaultNotFoundError,
    "archive id was not found": ArchiveNotFoundError,
    "upload id was not found": UploadNotFoundError,
    "job id was not found": JobNotFoundError,
}
_NOT_FOUND_BY_OPERATION: Final[Mapping[str, type[ResourceNotFoundError]]] = {
    "AbortMultipartUpload": UploadNotFoundError,
    "CompleteMultipartUpload": UploadNotFoundError,
    "DeleteArchive": ArchiveNotFoundError,
    "DeleteVault": VaultNotFoundError,
    "DescribeJob": JobNotFoundError,
    "DescribeVault": VaultNotFoundError,
    "GetJobOutput": JobNotFoundError,
    "InitiateMultipartUpload": VaultNotFoundError,
    "ListMultipartUploads": VaultNotFoundError,
    "ListParts": UploadNotFoundError,
    "UploadArchive": VaultNotFoundError,
    "UploadMultipartPart": UploadNotFoundError,
}


class ErrorDocument(NamedTuple):
    """The body of an error answer; ``code`` is "" if none can be read."""

    code: str
    message: str


def refusal(
    operation: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    local_time: datetime,
    region: str = "",
    origin: str = "",
) -> GlacierError:
    """Return the error that an answer with a status of 400 or above stands for.

    Args:
        operation: The operation's name in the API.
        status: The HTTP status.
        headers: The answer's, case-insensitive.
        body: The answer's, or its beginning.
        local_time: This machine's clock when the answer came.
        region: The region that the request was signed for.
        origin: Where the request went.
    """
    code, message = read_error(body)
    request_id = headers.get("x-amzn-RequestId")
    if code in _EXPIRED:
        return CredentialsExpiredError(
            f"{operation}: the temporary credentials have expired; get new ones",
            code=code,
            request_id=request_id,
        )
    if code in _INVALID_CREDENTIALS and not _speaks_of_payload(message):
        sent_to = f"requests are signed for {region} and go to {origin}"
        return _not_believed(operation, code, message, request_id, headers, local_time, sent_to)
    if not code and not _may_pass(status):
        return UnexpectedResponseError(
            f"the answer, status {status}, is not Glacier's: {_sample(body)}; is a proxy or portal between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )
    kind = _kind(operation, code, status, message)
    error = kind(
        _sentence(kind, operation, message) or f"the service answered {status} {code}".strip(),
        operation=operation,
        code=code,
        status=status,
        request_id=request_id,
        retry_after_seconds=_retry_after(headers.get("Retry-After"), local_time),
    )
    error.arrived_hash = _arrived_hash(message)
    return error


def read_error(body: bytes) -> ErrorDocument:
    """Return code and message of an error document, both empty for anything else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorDocument("", "")
    if not isinstance(document, dict):
        return ErrorDocument("", "")
    code = document.get("code") or document.get("__type") or ""
    message = document.get("message") or document.get("Message") or ""
    return ErrorDocument(str(code).rpartition("#")[2][:100], printable(str(message)))


def payload_refusal(
    error: GlacierError, *, what: str, tree_hash: bytes, byte_range: ByteRange | None = None
) -> IntegrityError | None:
    """Return the integrity error behind a refused upload, if the service got other bytes than were hashed."""
    if not isinstance(error, ServiceError) or error.arrived_hash is None:
        return None
    answer = ", ".join(filter(None, (error.code, error.request_id and f"request {error.request_id}")))
    refused = IntegrityError(
        f"{what} did not arrive as sent ({error.message}) [{answer}]",
        expected=tree_hash,
        actual=error.arrived_hash,
        byte_range=byte_range,
    )
    refused.vault, refused.upload_id = error.vault, error.upload_id
    return refused


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the answer's ``Date``."""
    return _parsed_date(headers.get("Date", ""))


@lru_cache(maxsize=16)
def _parsed_date(text: str) -> datetime | None:
    """Cached, as answers of one second share it and reading it costs as much as signing a request."""
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def printable(text: str) -> str:
    """Return text from outside on one line, without control characters, and cut to a sensible length."""
    line = " ".join(text.split())
    line = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line
    )
    return line if len(line) <= _MESSAGE_LENGTH else line[:_MESSAGE_LENGTH] + "..."


def _kind(operation: str, code: str, status: int, message: str) -> type[ServiceError]:
    if code in _THROTTLED or status == 429:
        return ThrottledError
    if code in _BY_CODE:
        if code == "InvalidParameterValueException" and "not currently available for download" in message:
            return JobNotReadyError
        return _BY_CODE[code]
    if code in _TEMPORARY or _may_pass(status):
        return TemporaryServiceError
    if code.startswith("AccessDenied"):
        return AccessDeniedError
    if code == "ResourceNotFoundException":
        return _what_is_missing(operation, message)
    return ServiceError


def _may_pass(status: int) -> bool:
    return status in {408, 429} or (status >= 500 and status not in _PERMANENT_STATUSES)


def _what_is_missing(operation: str, message: str) -> type[ResourceNotFoundError]:
    said = message.lower()
    for words, kind in _NOT_FOUND_BY_MESSAGE.items():
        if words in said:
            return kind
    return _NOT_FOUND_BY_OPERATION.get(operation, ResourceNotFoundError)


def _sentence(kind: type[ServiceError], operation: str, message: str) -> str:
    if kind is AccessDeniedError:
        return f"not allowed; the action to allow is glacier:{operation}: {message}"
    if kind is NoLongerSupportedError:
        return (
            "since 15 December 2025 Glacier takes no new vault customers; use the S3 Glacier storage classes "
            f"instead: {message}"
        )
    return message


def _not_believed(
    operation: str,
    code: str,
    message: str,
    request_id: str | None,
    headers: Mapping[str, str],
    local_time: datetime,
    sent_to: str,
) -> GlacierError:
    if "Signature expired" in message or "Signature not yet current" in message:
        theirs = server_time(headers)
        difference = f"{abs(local_time - theirs).total_seconds():.0f} s apart" if theirs else "far apart"
        return ClockSkewError(
            f"{operation}: this machine's clock ({local_time:%Y-%m-%d %H:%M:%S} UTC) and the service's "
            f"({f'{theirs:%Y-%m-%d %H:%M:%S} UTC' if theirs else 'unknown'}) are {difference}; set the "
            f"clock, or send smaller parts if they take minutes each ({message})",
            local_time=local_time,
            server_time=theirs,
            code=code,
            request_id=request_id,
        )
    reason = message.partition(" The Canonical String")[0]
    if "region" in message:  # "Credential should be scoped to a valid region"
        reason = f"{reason.rstrip('.')}; {sent_to}"
    return InvalidCredentialsError(
        f"{operation}: the service does not accept the credentials: {reason}",
        code=code,
        request_id=request_id,
    )


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


def _retry_after(value: str | None, local_time: datetime) -> float | None:
    """Return the seconds to wait, from seconds or a date; ``None`` for anything else."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    at = server_time({"Date": value})
    return max(0.0, (at - local_time).total_seconds()) if at else None


def _sample(body: bytes) -> str:
    text = printable(body[:200].decode("utf-8", "replace"))
    return repr(text[:80]) if text else "no body"
