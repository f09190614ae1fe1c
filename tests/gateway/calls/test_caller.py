"""Requests that are built without a row, and those of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import InvalidPlanError
from aioglacier.gateway.contract.protocols import RawRequest

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [("x-a", "b\r\nx-c: d", "x-a"), ("x-a\n", "b", r"x-a\n"), ("", "b", "''"), ("x-a", "\0", "x-a")],
)
async def test_a_raw_request_with_a_broken_header_is_not_sent(
    server: FaultyServer, gateway: VaultCaller, name: str, value: str, named: str
) -> None:
    """The header is named, and no connection is made."""
    with pytest.raises(InvalidPlanError) as caught:
        await gateway.request(RawRequest("GET", "vaults", headers={name: value}))
    assert named in str(caught.value)
    assert not server.requests
