"""Refusals of the vault service."""

from __future__ import annotations

import pytest

from aioglacier.server.protocol import behaviour, refusal
from aioglacier.server.protocol.refusal import RefusalError, refuse


def test_a_row_of_the_table_becomes_a_refusal() -> None:
    """The text is filled in, and one with braces and no values is left as it is."""
    found = refuse(behaviour.BAD_VERSION, version="2012")
    assert (found.status, found.code) == behaviour.BAD_VERSION[:2]
    assert found.message.endswith(": 2012")
    assert refuse((400, "BadRequest", "{as it is}")).message == "{as it is}"


@pytest.mark.parametrize(("status", "side"), [(400, "Client"), (499, "Client"), (500, "Server")])
def test_the_status_tells_the_side_at_fault(status: int, side: str) -> None:
    """Errors from 500 on are the server's."""
    assert RefusalError(status, "Code", "text").type == side


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (refusal.invalid("x"), 400),
        (refusal.missing("x"), 400),
        (refusal.limit_exceeded("x"), 400),
        (refusal.denied("x"), 403),
        (refusal.not_found("x"), 404),
        (refusal.vault_not_found("x"), 404),
    ],
)
def test_each_kind_has_the_services_status(found: RefusalError, status: int) -> None:
    """The status and the suffix of the code are those of the guide."""
    assert found.status == status
    assert found.code.endswith("Exception")
    assert "x" in found.message
