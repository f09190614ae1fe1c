"""Turn a refusal of the service into an error of ours.

The code decides, not the status: throttling is a 400, a slow body a 408, and statuses of signature errors
have changed over the years. The status decides only where no code can be read. No message decides here: what
only a message of the service tells, its dialect reads.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aioglacier.core import errors
from aioglacier.gateway.contract.dialect import NO_MEANING, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.ranges import ByteRange
    from aioglacier.gateway.contract.dialect import Dialect, ErrorDocument, Meaning
    from aioglacier.gateway.contract.protocols import Answer

#: Characters of an answer that are quoted; a canonical request in an error fills pages.
_MESSAGE_LENGTH: Final = 500

#: Not implemented, HTTP version not supported, loop detected, network authentication required. Sending the
#: same again meets the same answer.
_PERMANENT_STATUSES: Final = frozenset({501, 505, 508, 511})


def refusal(
    operation: str,
    answer: Answer,
    dialect: Dialect,
    *,
    meaning: Meaning = NO_MEANING,
    region: str = "",
    origin: str = "",
) -> errors.GlacierError:
    """Return the error that an answer with a status of 300 or above, or with an error inside, stands for.

    Args:
        operation: The operation's name in the API.
        answer: The answer.
        dialect: The service's way to refuse.
        meaning: The row's own errors.
        region: The region that the request was signed for.
        origin: Where the request went.
    """
    status, document = answer.status, dialect.read_error(answer)
    code, message = document
    request_id = answer.headers.get(dialect.request_id_header)
    kind = _kind(document, answer, dialect, meaning, region)
    if 300 <= status < 400 and kind is not errors.WrongRegionError:
        return _redirect(operation, answer, origin)
    if status < 300 and not dialect.errors_in_success:  # only S3 means it, in the answer to a slow operation
        return errors.UnexpectedResponseError(
            f"the answer has status {status} but carries the error {code}: {message}",
            operation=operation,
            status=status,
        )
    if kind is errors.CredentialsExpiredError:
        return errors.CredentialsExpiredError(
            f"{operation}: the temporary credentials have expired; get new ones",
            code=code,
            request_id=request_id,
        )
    if kind in {errors.InvalidCredentialsError, errors.ClockSkewError}:
        sent_to = f"requests are signed for {region} and go to {origin}"
        return _not_believed(operation, answer, document, kind, sent_to, request_id)
    if not code and not _may_pass(status):  # a refusal of the service has a code
        return errors.UnexpectedResponseError(
            f"the answer, status {status}, is not {dialect.name}'s: {_sample(answer.body)}; is a proxy or "
            "portal between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )
    error = (kind if issubclass(kind, errors.ServiceError) else errors.ServiceError)(
        dialect.sentences.get(kind, "{message}").format(
            action=dialect.action_of(operation),
            message=message or f"the service answered {status} {code}".strip(),
        ),
        operation=operation,
        code=code,
        status=status,
        request_id=request_id,
        retry_after_seconds=_retry_after(answer.headers.get("Retry-After"), answer.came_at),
    )
    error.answered = server_time(answer.headers)  # by which a missing thing is known to be missing
    dialect.complete(error, document, answer)
    return error


def payload_refusal(
    error: errors.GlacierError, *, what: str, expected: bytes, kind: str, byte_range: ByteRange | None = None
) -> errors.IntegrityError | None:
    """Return the integrity error behind a refused upload, if the service got other bytes than were hashed."""
    if not isinstance(error, errors.ServiceError) or error.arrived_hash is None:
        return None
    answer = ", ".join(filter(None, (error.code, error.request_id and f"request {error.request_id}")))
    refused = errors.IntegrityError(
        f"{what} did not arrive as sent ({error.message}) [{answer}]",
        expected=expected,
        actual=error.arrived_hash,
        byte_range=byte_range,
        kind=kind,
    )
    refused.upload_id = error.upload_id
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
    document: ErrorDocument, answer: Answer, dialect: Dialect, meaning: Meaning, region: str
) -> type[errors.GlacierError]:
    if answer.status == 429:  # whatever the code, or without one
        return errors.ThrottledError
    code = document.code.removesuffix("Exception")
    if code in meaning.by_code:
        return meaning.by_code[code]
    default = errors.TemporaryServiceError if _may_pass(answer.status) else errors.ServiceError
    kind = dialect.specify(Refusal(dialect.kinds.get(code, default), default, document, answer, region))
    if kind is errors.TemporaryServiceError and answer.status in _PERMANENT_STATUSES:
        return errors.ServiceError  # a gateway between may put the code of a passing trouble beside it
    # The row knows what else could be missing.
    return meaning.missing if kind is errors.ResourceNotFoundError else kind


def _may_pass(status: int) -> bool:
    return status in {408, 429} or (status >= 500 and status not in _PERMANENT_STATUSES)


def _redirect(operation: str, answer: Answer, origin: str) -> errors.RedirectRefusedError:
    location = printable(answer.headers.get("Location", "nowhere"))
    return errors.RedirectRefusedError(
        f"{origin} answered {answer.status} and points to {location}; bytes and credentials go to the first "
        "only. If the other is right, set it as the endpoint",
        operation=operation,
        origin=origin,
        location=location,
    )


def _not_believed(
    operation: str,
    answer: Answer,
    document: ErrorDocument,
    kind: type[errors.GlacierError],
    sent_to: str,
    request_id: str | None,
) -> errors.CredentialsError:
    message, local_time = document.message, answer.came_at
    if kind is errors.ClockSkewError:
        theirs = server_time(answer.headers)
        difference = f"{abs(local_time - theirs).total_seconds():.0f} s apart" if theirs else "far apart"
        return errors.ClockSkewError(
            f"{operation}: this machine's clock ({local_time:%Y-%m-%d %H:%M:%S} UTC) and the service's "
            f"({f'{theirs:%Y-%m-%d %H:%M:%S} UTC' if theirs else 'unknown'}) are {difference}; set the "
            f"clock, or send smaller parts if they take minutes each ({message})",
            local_time=local_time,
            server_time=theirs,
            code=document.code,
            request_id=request_id,
        )
    reason = message.partition(" The Canonical String")[0].rstrip(".")  # the rest repeats the request
    return errors.InvalidCredentialsError(
        f"{operation}: the service does not accept the credentials: {reason}; {sent_to}",
        code=document.code,
        request_id=request_id,
    )


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
