"""Decide whether an answer is the service's own, and a success."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.errors import UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.gateway.contract.dialect import Dialect


def check_is_own(operation: str, status: int, headers: Mapping[str, str], dialect: Dialect) -> None:
    """Raise if the head of a successful answer is not one that the service writes.

    A portal's page with status 200 lacks the request id.
    """
    has_id = dialect.request_id_header in headers or "x-amz-request-id" in headers
    if not 200 <= status < 300 or not has_id:
        raise UnexpectedResponseError(
            f"the answer, status {status}, lacks {dialect.name}'s request id; is a proxy or portal in "
            "between?",
            operation=operation,
            status=status,
            may_have_taken_effect=False,
        )
