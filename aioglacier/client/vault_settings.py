"""The settings of a vault: tags, notifications, access policy and lock."""

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
        self._gateway = context.gateway  # with a catalog it is the one that records
        self._vault = context.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of vault {self._vault}>"


class Tags(_Setting):
    """A vault's tags: up to 50 keys of 1 to 128 characters with values of up to 256."""

    async def get(self) -> dict[str, str]:
        """Return all tags."""
        return await self._gateway.list_tags_for_vault(self._vault)

    async def add(self, tags: Mapping[str, str]) -> None:
        """Set tags and replace those of the same key. More than ten go in several requests."""
        for batch in _batches(tags):
            await self._gateway.add_tags_to_vault(self._vault, {key: tags[key] for key in batch})

    async def remove(self, keys: Iterable[str]) -> None:
        """Remove tags. A key that does not exist is no error."""
        for batch in _batches(keys):
            await self._gateway.remove_tags_from_vault(self._vault, batch)


class Notifications(_Setting):
    """The messages that a vault sends to an SNS topic when a job is done."""

    async def get(self) -> NotificationConfig:
        """Return the setting.

        Raises:
            ResourceNotFoundError: There is none.
        """
        return await self._gateway.get_vault_notifications(self._vault)

    async def set(self, sns_topic: str, events: Iterable[VaultEvent | str] = tuple(VaultEvent)) -> None:
        """Replace the setting. The service does not check whether the topic exists."""
        wanted = frozenset(check_choice("event", VaultEvent, event) for event in events)
        config = NotificationConfig(sns_topic, wanted)
        await self._gateway.set_vault_notifications(self._vault, config)

    async def delete(self) -> None:
        """Stop sending messages, except for those on the way."""
        await self._gateway.delete_vault_notifications(self._vault)


class AccessPolicy(_Setting):
    """The access policy of a vault: the JSON text of an IAM policy, up to 20 KiB."""

    async def get(self) -> str:
        """Return the policy.

        Raises:
            ResourceNotFoundError: There is none.
        """
        return await self._gateway.get_vault_access_policy(self._vault)

    async def set(self, policy: str) -> None:
        """Replace the policy."""
        await self._gateway.set_vault_access_policy(self._vault, policy)

    async def delete(self) -> None:
        """Remove the policy. If there is none, that is no error."""
        await self._gateway.delete_vault_access_policy(self._vault)


class Lock(_Setting):
    """A vault's lock policy: initiate it, try it for up to 24 hours, then complete it for ever."""

    async def get(self) -> VaultLock:
        """Return the lock.

        Raises:
            ResourceNotFoundError: There is none, or it was not completed within 24 hours.
        """
        return await self._gateway.get_vault_lock(self._vault)

    async def initiate(self, policy: str) -> LockId:
        """Start a trial of a lock policy; the id completes it. If the answer is lost, it is not repeated."""
        return await self._gateway.initiate_vault_lock(self._vault, policy)

    async def complete(self, lock_id: str) -> None:
        """Lock the vault. It cannot be undone, not even by AWS."""
        await self._gateway.complete_vault_lock(self._vault, LockId(check_id("lock", lock_id)))

    async def abort(self) -> None:
        """End the trial. If there is none, that is no error."""
        await self._gateway.abort_vault_lock(self._vault)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, VAULT.max_tags_per_request)):  # the service refuses more at once
        yield batch
