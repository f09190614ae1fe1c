"""The notification configuration of a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.server.conftest import Boto

TOPIC = "arn:aws:sns:us-east-1:012345678901:done"


async def test_notifications_are_set_replaced_and_deleted(boto: Boto) -> None:
    """Unset is 404 with the service's text; deleting is idempotent."""
    assert (await boto.refused("get_vault_notifications"))[1:] == (
        "ResourceNotFoundException",
        "No notification configuration is set for vault: v",
    )
    for events in (
        ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"],
        ["ArchiveRetrievalCompleted"],
    ):
        await boto("set_vault_notifications", vaultNotificationConfig={"SNSTopic": TOPIC, "Events": events})
        answer = await boto("get_vault_notifications")
        assert answer["vaultNotificationConfig"] == {"SNSTopic": TOPIC, "Events": events}
    for _ in range(2):
        await boto("delete_vault_notifications")
    assert (await boto.refused("get_vault_notifications"))[0] == 404


@pytest.mark.parametrize(
    "configuration",
    [{"SNSTopic": TOPIC, "Events": ["Oops"]}, {"SNSTopic": "x", "Events": ["ArchiveRetrievalCompleted"]}, {}],
)
async def test_wrong_notifications_are_refused(boto: Boto, configuration: dict[str, Any]) -> None:
    """An unknown event and a missing topic are refused."""
    status, _, _ = await boto.refused("set_vault_notifications", vaultNotificationConfig=configuration)
    assert status == 400
