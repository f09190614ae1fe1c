"""The settings of a vault: tags, notifications, access policy and lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import aioglacier
from aioglacier.core.models import VaultEvent

if TYPE_CHECKING:
    from tests.scripted import ScriptedGateway


async def test_tags_go_in_batches(scripted: ScriptedGateway, vault: aioglacier.Vault) -> None:
    """A caller may set any number of tags, although the service takes ten at once."""
    tags = {f"key {number}": str(number) for number in range(25)}
    await vault.tags.add(tags)
    assert scripted.calls["AddTagsToVault"] == 3
    assert await vault.tags.get() == tags
    await vault.tags.remove(key for key in tags if key != "key 7")
    assert await vault.tags.get() == {"key 7": "7"}
    await vault.tags.remove([])
    assert scripted.calls["RemoveTagsFromVault"] == 3


async def test_settings_are_set_read_and_removed(vault: aioglacier.Vault) -> None:
    """Notifications, access policy and lock can be set; reading an unset one is an error of its own."""
    policy = '{"Statement":[{"Effect":"Deny","Principal":"*","Action":"glacier:DeleteVault"}]}'
    for read in (vault.notifications.get, vault.access_policy.get, vault.lock.get):
        with pytest.raises(aioglacier.ResourceNotFoundError):
            await read()
    topic = "arn:aws:sns:us-east-1:012345678901:topic"
    await vault.notifications.set(topic)
    assert (await vault.notifications.get()).events == frozenset(VaultEvent)
    await vault.notifications.set(topic, ["ArchiveRetrievalCompleted"])
    assert (await vault.notifications.get()).events == {VaultEvent.ARCHIVE_RETRIEVAL_COMPLETED}
    await vault.notifications.delete()
    await vault.access_policy.set(policy)
    assert await vault.access_policy.get() == policy
    await vault.access_policy.delete()
    await vault.lock.initiate(policy)
    await vault.lock.abort()
    lock_id = await vault.lock.initiate(policy)
    assert (await vault.lock.get()).expires is not None
    await vault.lock.complete(lock_id)
    assert (await vault.lock.get()).policy == policy
    assert repr(vault.lock) == "<Lock of vault v>"
    assert repr(vault) == "<Vault v us-east-1>"
