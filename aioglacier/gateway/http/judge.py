"""Decide whether an answer is the service's own, and a success."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aioglacier.core.errors import RedirectRefusedError, UnexpectedResponseError
from aioglacier.gateway.http.service_errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.gateway.contract.protocols import Answer


def refuse_redirect(operation: str, status: int, headers: Mapping[str, str], *, origin: str) -> None:
    """Raise if an answer points to another place than the one that was asked.

    Raises:
        RedirectRefusedError: The status is one of a redirect.
    """
    if not 300 <= status < 400:
        return
    location = printable(headers.get("Location", "nowhere"))
    raise RedirectRefusedError(
        f"{origin} answered {status} and points to {location}; bytes and credentials go to the first only. "
        "If the other is right, set it as the endpoint",
        operation=operation,
        origin=origin,
        location=location,
    )


def check_success(operation: str, answer: Answer) -> None:
    """Raise unless an answer is a success of the service's own.

    A portal's page with status 200 lacks the request id. An error document with status 200 is no success.
    """
    check_is_glacier(operation, answer.status, answer.headers)
    if answer.body[:1] == b"{" and (error := _error_inside(answer.body)):
        raise UnexpectedResponseError(
            f"the answer has status {answer.status} but carries the error {error}",
            operation=operation,
            status=answer.status,
        )


def check_is_glacier(operation: str, status: int, headers: Mapping[str, str]) -> None:
    """Raise if the head of a successful answer is not one that Glacier writes."""
    has_id = "x-amzn-RequestId" in headers or "x-amz-request-id" in headers
    if not 200 <= status < 300 or not has_id:
        raise UnexpectedResponseError(
            f"the answer, status {status}, lacks Glacier's request id; is a proxy or portal in between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )


def _error_inside(body: bytes) -> str:
    if b'"code"' not in body or b'"message"' not in body:
        return ""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    is_error = isinstance(document, dict) and "code" in document and "message" in document
    return printable(f"{document['code']}: {document['message']}") if is_error else ""
