"""The order of checks of the vault service, and the headers of its answers."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from aioglacier.server import LocalGlacier
from tests.server.conftest import hashes, send

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("method", "path", "headers", "error"),
    [
        ("GET", "/-/vaults", {"x_amz_glacier_version": ""}, (400, "MissingParameterValueException")),
        ("GET", "/-/vaults", {"x_amz_glacier_version": "2011"}, (400, "InvalidParameterValueException")),
        ("GET", "/999999999999/vaults", {}, (403, "AccessDeniedException")),
        ("PATCH", "/-/vaults/v", {}, (404, "UnknownOperationException")),
        # A request that has several faults gets the first refusal in the order above.
        ("PATCH", "/-/vaults/v", {"x_amz_glacier_version": ""}, (400, "MissingParameterValueException")),
        ("PATCH", "/999999999999/vaults/v", {}, (403, "AccessDeniedException")),
    ],
)
async def test_checks_have_an_order(
    faithful: LocalGlacier, method: str, path: str, headers: dict[str, str], error: tuple[int, str]
) -> None:
    """The version is checked before the account, and the account before the operation."""
    assert (await send(faithful, method, path, b"", **headers)).error == error


async def test_a_signature_is_checked_first(server: LocalGlacier) -> None:
    """A request without signature learns nothing about versions and operations."""
    answer = await send(server, "PATCH", "/-/vaults/v", x_amz_glacier_version="")
    assert answer.error == (400, "MissingAuthenticationTokenException")


async def test_a_payload_is_compared_with_its_header(faithful: LocalGlacier) -> None:
    """A document whose SHA-256 was sent with it is refused if it arrives changed."""
    path = "/-/vaults/v"
    assert (await send(faithful, "PUT", path)).status == 201
    sent = hashes(b"{}")["x_amz_content_sha256"]
    answer = await send(
        faithful, "POST", f"{path}/tags?operation=add", b'{"Tags":{}}', x_amz_content_sha256=sent
    )
    assert answer.status in {400, 403}
    assert "x-amz-content-sha256" in answer.message


async def test_answers_have_the_servers_date(tmp_path: Path) -> None:
    """The Date is that of the virtual clock, which clients keep as the date of an archive."""
    async with (
        LocalGlacier(tmp_path, clock_skew_seconds=86_400) as ahead,
        LocalGlacier(tmp_path / "b") as exact,
    ):
        dates = [
            parsedate_to_datetime((await send(one, "GET", "/-/vaults")).headers["Date"])
            for one in (exact, ahead)
        ]
    assert 86_300 < (dates[1] - dates[0]).total_seconds() < 86_500
