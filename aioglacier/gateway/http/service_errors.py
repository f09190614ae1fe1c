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

from aioglacier.core import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.protocols import Answer

#: Characters of an answer that are quoted; a canonical request in an error fills pages.
_MESSAGE_LENGTH: Final = 500

#: Codes without the word "Exception", which some services and statuses leave out.
_BY_CODE: Final[Mapping[str, type[errors.GlacierError]]] = {
    "AccessDenied": errors.AccessDeniedError,
    "BadRequest": errors.InvalidParameterError,
    "ExpiredToken": errors.CredentialsExpiredError,
    "IncompleteSignature": errors.InvalidCredentialsError,
    "InsufficientCapacity": errors.InsufficientCapacityError,
    "InternalFailure": errors.TemporaryServiceError,
    "InternalServerError": errors.TemporaryServiceError,
    "InvalidClientTokenId": errors.InvalidCredentialsError,
    "InvalidParameterValue": errors.InvalidParameterError,
    "InvalidSignature": errors.InvalidCredentialsError,
    "LimitExceeded": errors.LimitExceededError,
    "MissingAuthenticationToken": errors.InvalidCredentialsError,
    "MissingParameterValue": errors.InvalidParameterError,
    "NoLongerSupported": errors.NoLongerSupportedError,
    "PolicyEnforced": errors.PolicyEnforcedError,
    "RequestTimeout": errors.TemporaryServiceError,
    "ResourceNotFound": errors.ResourceNotFoundError,
    "Serialization": errors.InvalidParameterError,
    "ServiceUnavailable": errors.TemporaryServiceError,
    "SignatureDoesNotMatch": errors.InvalidCredentialsError,
    "Throttling": errors.ThrottledError,
    "TooManyRequests": errors.ThrottledError,
    "UnrecognizedClient": errors.InvalidCredentialsError,
}

#: Not implemented, HTTP version not supported, loop detected, network authentication required. Sending the
#: same again meets the same answer.
_PERMANENT_STATUSES: Final = frozenset({501, 505, 508, 511})

_NOT_FOUND_BY_MESSAGE: Final[Mapping[str, type[errors.ResourceNotFoundError]]] = {
    "vault not found": errors.VaultNotFoundError,
    "archive id was not found": errors.ArchiveNotFoundError,
    "upload id was not found": errors.UploadNotFoundError,
    "job id was not found": errors.JobNotFoundError,
}

#: What the service's message lacks: the next step.
_SENTENCES: Final[Mapping[type[errors.GlacierError], str]] = {
    errors.AccessDeniedError: "not allowed; the action to allow is glacier:{operation}: {message}",
    errors.InsufficientCapacityError: "no Expedited capacity now; use the tier Standard or Bulk: {message}",
    errors.NoLongerSupportedError: "since 15 December 2025 Glacier takes no new vault customers; use the S3 "
    "Glacier storage classes instead: {message}",
    errors.PolicyEnforcedError: "the account's data retrieval policy allows less in an hour; try again "
    "later, or change the policy: {message}",
}


class ErrorDocument(NamedTuple):
    """The body of an error answer; ``code`` is "" if none can be read."""

    code: str
    message: str


def refusal(
    operation: str,
    answer: Answer,
    *,
    missing: type[errors.ResourceNotFoundError] = errors.ResourceNotFoundError,
    region: str = "",
    origin: str = "",
) -> errors.GlacierError:
    """Return the error that an answer with a status of 400 or above stands for.

    Args:
        operation: The operation's name in the API.
        answer: The answer.
        missing: The error if something does not exist and the message does not say what.
        region: The region that the request was signed for.
        origin: Where the request went.
    """
    status, (code, message) = answer.status, read_error(answer.body)
    request_id = answer.headers.get("x-amzn-RequestId")
    kind = _kind(code, status, message, missing)
    if kind is errors.CredentialsExpiredError:
        return errors.CredentialsExpiredError(
            f"{operation}: the temporary credentials have expired; get new ones",
            code=code,
            request_id=request_id,
        )
    if kind is errors.InvalidCredentialsError:
        sent_to = f"requests are signed for {region} and go to {origin}"
        return _not_believed(operation, answer, code, message, sent_to)
    if not code and not _may_pass(status):
        return errors.UnexpectedResponseError(
            f"the answer, status {status}, is not Glacier's: {_sample(answer.body)}; is a proxy or portal "
            "between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )
    sentence = _SENTENCES.get(kind, "{message}").format(operation=operation, message=message)
    error = (kind if issubclass(kind, errors.ServiceError) else errors.ServiceError)(
        sentence or f"the service answered {status} {code}".strip(),
        operation=operation,
        code=code,
        status=status,
        request_id=request_id,
        retry_after_seconds=_retry_after(answer.headers.get("Retry-After"), answer.came_at),
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
    error: errors.GlacierError, *, what: str, tree_hash: bytes, byte_range: ByteRange | None = None
) -> errors.IntegrityError | None:
    """Return the integrity error behind a refused upload, if the service got other bytes than were hashed."""
    if not isinstance(error, errors.ServiceError) or error.arrived_hash is None:
        return None
    answer = ", ".join(filter(None, (error.code, error.request_id and f"request {error.request_id}")))
    refused = errors.IntegrityError(
        f"{what} did not arrive as sent ({error.message}) [{answer}]",
        expected=tree_hash,
        actual=error.arrived_hash,
        byte_range=byte_range,
    )
    refused.vault, refused.upload_id = error.vault, error.upload_id
    return refused


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the answer's ``Date``."""
    return read_http_date(headers.get("Date", ""))


@lru_cache(maxsize=16)
def read_http_date(text: str) -> datetime | None:
    """Read a date as a header has it.

    Cached, as answers of one second share it and reading it costs as much as signing a request.
    """
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


def _kind(
    code: str, status: int, message: str, missing: type[errors.ResourceNotFoundError]
) -> type[errors.GlacierError]:
    if status == 429:
        return errors.ThrottledError
    default = errors.TemporaryServiceError if _may_pass(status) else errors.ServiceError
    kind = _BY_CODE.get(code.removesuffix("Exception"), default)
    if kind is errors.InvalidParameterError and "not currently available for download" in message:
        return errors.JobNotReadyError
    if kind is errors.InvalidCredentialsError and _speaks_of_payload(message):
        return default
    if kind is errors.ResourceNotFoundError:
        said = message.lower()
        return next((kind for words, kind in _NOT_FOUND_BY_MESSAGE.items() if words in said), missing)
    return kind


def _may_pass(status: int) -> bool:
    return status in {408, 429} or (status >= 500 and status not in _PERMANENT_STATUSES)


def _not_believed(
    operation: str, answer: Answer, code: str, message: str, sent_to: str
) -> errors.CredentialsError:
    request_id, local_time = answer.headers.get("x-amzn-RequestId"), answer.came_at
    if "Signature expired" in message or "Signature not yet current" in message:
        theirs = server_time(answer.headers)
        difference = f"{abs(local_time - theirs).total_seconds():.0f} s apart" if theirs else "far apart"
        return errors.ClockSkewError(
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
    return errors.InvalidCredentialsError(
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
