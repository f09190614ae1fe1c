"""What is kept beside a vault's archives: tags, notifications, access policy and lock."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from aioglacier.core.checks import check_choice, check_id
from aioglacier.core.limits import VAULT
from aioglacier.core.models import LockId, NotificationConfig, VaultEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aioglacier.core.models import VaultLock
    from aioglacier.recorded.vault_context import VaultContext


class _Setting:
    def __init__(self, context: VaultContext) -> None:
        self._gateway = context.gateway
        self._vault = context.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of vault {self._vault}>"


class Tags(_Setting):
    """A vault's tags: up to 50 keys of 1 to 128 characters with values of up to 256."""

    async def get(self) -> dict[str, str]:
        """All of them."""
        return await self._gateway.list_tags_for_vault(self._vault)

    async def add(self, tags: Mapping[str, str]) -> None:
        """Set some, replacing those of the same key. More than ten go in several requests."""
        for batch in _batches(tags):
            await self._gateway.add_tags_to_vault(self._vault, {key: tags[key] for key in batch})

    async def remove(self, keys: Iterable[str]) -> None:
        """Remove some; a key that is not there is no error."""
        for batch in _batches(keys):
            await self._gateway.remove_tags_from_vault(self._vault, batch)


class Notifications(_Setting):
    """What a vault tells an SNS topic when a job is done."""

    async def get(self) -> NotificationConfig:
        """The setting.

        Raises:
            ResourceNotFoundError: There is none.
        """
        return await self._gateway.get_vault_notifications(self._vault)

    async def set(self, sns_topic: str, events: Iterable[VaultEvent | str] = tuple(VaultEvent)) -> None:
        """Replace the setting; the service does not look whether the topic is there."""
        wanted = frozenset(check_choice("event", VaultEvent, event) for event in events)
        config = NotificationConfig(sns_topic, wanted)
        await self._gateway.set_vault_notifications(self._vault, config)

    async def delete(self) -> None:
        """Tell nobody any more, except of what is already on the way."""
        await self._gateway.delete_vault_notifications(self._vault)


class AccessPolicy(_Setting):
    """Who may do what with a vault: the JSON text of an IAM policy, up to 20 KiB."""

    async def get(self) -> str:
        """The policy.

        Raises:
            ResourceNotFoundError: There is none.
        """
        return await self._gateway.get_vault_access_policy(self._vault)

    async def set(self, policy: str) -> None:
        """Replace the policy."""
        await self._gateway.set_vault_access_policy(self._vault, policy)

    async def delete(self) -> None:
        """Remove the policy; there being none is no error."""
        await self._gateway.delete_vault_access_policy(self._vault)


class Lock(_Setting):
    """A vault's lock policy. Initiate, try it for up to 24 hours, then complete it, which is for ever."""

    async def get(self) -> VaultLock:
        """The lock.

        Raises:
            ResourceNotFoundError: There is none, or it was not completed in time.
        """
        return await self._gateway.get_vault_lock(self._vault)

    async def initiate(self, policy: str) -> LockId:
        """Put a lock policy in force for trial; the id completes it. Not repeated if the answer is lost."""
        return await self._gateway.initiate_vault_lock(self._vault, policy)

    async def complete(self, lock_id: str) -> None:
        """Lock the vault. Nobody, AWS included, can undo that."""
        await self._gateway.complete_vault_lock(self._vault, LockId(check_id("lock", lock_id)))

    async def abort(self) -> None:
        """End the trial; there being none is no error."""
        await self._gateway.abort_vault_lock(self._vault)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, VAULT.max_tags_per_request)):
        yield batch
