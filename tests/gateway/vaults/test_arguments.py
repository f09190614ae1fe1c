"""Arguments as they are written into a request, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.models import JobStatus
from tests.gateway.faulty import REQUEST_ID, answers

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


async def test_markers_are_encoded(server: FaultyServer, gateway: VaultCaller) -> None:
    """A marker is encoded, because it may hold any character."""
    document = b'{"UploadsList": [], "Marker": null}'
    server.then(answers(200, document, REQUEST_ID))
    page = await gateway.list_multipart_uploads("photos", limit=7, marker="a/b c&d=~é")
    assert page.marker is None
    target = server.requests[-1].target
    assert target == "/-/vaults/photos/multipart-uploads?limit=7&marker=a%2Fb%20c%26d%3D~%C3%A9"


async def test_jobs_are_listed_as_asked(server: FaultyServer, gateway: VaultCaller) -> None:
    """Page and filters are in the query, if they are given."""
    for _ in range(2):
        server.then(answers(200, b'{"JobList": [], "Marker": "m"}', REQUEST_ID))
    page = await gateway.list_jobs("photos", completed=False, status=JobStatus.FAILED, limit=7, marker="a/b")
    assert (page.items, page.marker) == ((), "m")
    assert server.requests[-1].target == (
        "/-/vaults/photos/jobs?limit=7&marker=a%2Fb&completed=false&statuscode=Failed"
    )
    await gateway.list_jobs("photos")
    assert server.requests[-1].target == "/-/vaults/photos/jobs"


async def test_tags_and_policies_of_another_type_are_not_sent(
    server: FaultyServer, gateway: VaultCaller
) -> None:
    """The argument is named."""
    policy: Any = {"Statement": []}
    numbers: Any = {"year": 1907}
    with pytest.raises(InvalidPlanError, match="policy must be a str"):
        await gateway.set_vault_access_policy("photos", policy)
    with pytest.raises(InvalidPlanError, match="1907"):
        await gateway.add_tags_to_vault("photos", numbers)
    with pytest.raises(InvalidPlanError, match="must be str"):
        await gateway.remove_tags_from_vault("photos", "year")
    assert not server.requests
