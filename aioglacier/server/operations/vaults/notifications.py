"""The events of a vault that are published, and their SNS topic."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from aioglacier.server.operations.vaults.jobs import parse_topic
from aioglacier.server.operations.vaults.vaults import find_vault, set_column
from aioglacier.server.protocol import behaviour
from aioglacier.server.protocol.refusal import invalid, missing, not_found
from aioglacier.server.requests.call import Answer, VaultCall, document

_EVENTS: Final = ("ArchiveRetrievalCompleted", "InventoryRetrievalCompleted")


async def set_vault_notifications(call: VaultCall) -> Answer:
    """SetVaultNotifications; it replaces the former configuration."""
    configuration = call.document()
    topic, events = configuration.get("SNSTopic"), configuration.get("Events")
    if topic is None:
        raise missing("SNSTopic")
    if events is None:
        raise missing("Events")
    if not isinstance(topic, str) or not isinstance(events, list) or not events:
        raise invalid("Invalid notification configuration")
    for event in events:
        if event not in _EVENTS:
            raise invalid(behaviour.BAD_EVENT.format(event=event))
    stored = json.dumps({"Events": events, "SNSTopic": parse_topic(topic)})
    return await set_column(call, "notifications", stored)


async def delete_vault_notifications(call: VaultCall) -> Answer:
    """DeleteVaultNotifications, also when there are none."""
    return await set_column(call, "notifications", None)


async def get_vault_notifications(call: VaultCall) -> Answer:
    """GetVaultNotifications."""
    vault = await call.read(partial(find_vault, call=call))
    if vault["notifications"] is None:
        raise not_found(f"No notification configuration is set for vault: {call.vault}")
    return document(json.loads(vault["notifications"]))
