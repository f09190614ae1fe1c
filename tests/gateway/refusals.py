"""Refusals in the form of each service, and the errors that they stand for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from aioglacier.gateway.contract.protocols import Answer
from aioglacier.gateway.http.service_errors import refusal
from aioglacier.gateway.vaults.dialect import VAULTS

if TYPE_CHECKING:
    from aioglacier.core.errors import GlacierError

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def refused(
    status: int,
    code: str,
    message: str = "no",
    *,
    operation: str = "DescribeVault",
    headers: dict[str, str] | None = None,
) -> GlacierError:
    """Return the error for a refusal in the service's form."""
    body = json.dumps({"code": code, "message": message, "type": "Client"}).encode()
    return refusal(operation, Answer(status, CIMultiDict(headers or {}), body, NOW), VAULTS)
