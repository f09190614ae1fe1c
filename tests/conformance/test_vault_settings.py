"""Notifications, access policy, lock and tags of a vault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import AccessDeniedError, InvalidParameterError, ResourceNotFoundError
from aioglacier.core.models import LockId, LockState, NotificationConfig, VaultEvent

if TYPE_CHECKING:
    from tests.conformance.conftest import Subject

TOPIC = "arn:aws:sns:us-east-1:012345678901:photos"


def policy_for(subject: Subject, arn: str) -> str:
    """Return a policy that denies deletion of young archives."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": subject.vault,
                    "Principal": "*",
                    "Effect": "Deny",
                    "Action": "glacier:DeleteArchive",
                    "Resource": arn,
                    "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}},
                }
            ],
        }
    )


async def test_notifications_are_kept_replaced_and_removed(subject: Subject) -> None:
    """Notifications come back as set; without any, the service answers so; removing is idempotent."""
    gateway, vault = subject.gateway, subject.vault
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_notifications(vault)
    config = NotificationConfig(TOPIC, frozenset({VaultEvent.ARCHIVE_RETRIEVAL_COMPLETED}))
    await gateway.set_vault_notifications(vault, config)
    assert await gateway.get_vault_notifications(vault) == config
    config = NotificationConfig(TOPIC, frozenset(VaultEvent))
    await gateway.set_vault_notifications(vault, config)
    assert await gateway.get_vault_notifications(vault) == config
    await gateway.delete_vault_notifications(vault)
    await gateway.delete_vault_notifications(vault)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_notifications(vault)


async def test_access_policy_is_kept_and_removed(subject: Subject) -> None:
    """The policy comes back as it was given."""
    gateway, vault = subject.gateway, subject.vault
    policy = policy_for(subject, (await gateway.describe_vault(vault)).arn)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_access_policy(vault)
    await gateway.set_vault_access_policy(vault, policy)
    assert json.loads(await gateway.get_vault_access_policy(vault)) == json.loads(policy)
    await gateway.delete_vault_access_policy(vault)
    await gateway.delete_vault_access_policy(vault)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_access_policy(vault)


async def test_lock_in_progress_can_be_aborted_and_begun_anew(subject: Subject) -> None:
    """A vault has one lock at a time; aborting twice succeeds."""
    gateway, vault = subject.gateway, subject.vault
    policy = policy_for(subject, (await gateway.describe_vault(vault)).arn)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_lock(vault)
    await gateway.initiate_vault_lock(vault, policy)
    lock = await gateway.get_vault_lock(vault)
    assert lock.state is LockState.IN_PROGRESS
    assert lock.expires is not None
    with pytest.raises(AccessDeniedError, match="glacier:InitiateVaultLock"):
        await gateway.initiate_vault_lock(vault, policy)
    with pytest.raises(InvalidParameterError):
        await gateway.complete_vault_lock(vault, LockId("A" * 24))
    await gateway.abort_vault_lock(vault)
    await gateway.abort_vault_lock(vault)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_lock(vault)


async def test_lock_completed_is_for_good(subject: Subject) -> None:
    """A completed lock cannot be aborted or replaced; completing it again with its id succeeds."""
    await subject.advance(0)  # not at the real service, where this is for ever
    gateway, vault = subject.gateway, subject.vault
    policy = policy_for(subject, (await gateway.describe_vault(vault)).arn)
    lock_id = await gateway.initiate_vault_lock(vault, policy)
    await gateway.complete_vault_lock(vault, lock_id)
    await gateway.complete_vault_lock(vault, lock_id)
    lock = await gateway.get_vault_lock(vault)
    assert (lock.state, lock.expires) == (LockState.LOCKED, None)
    assert json.loads(lock.policy) == json.loads(policy)
    with pytest.raises(AccessDeniedError):
        await gateway.abort_vault_lock(vault)
    with pytest.raises(AccessDeniedError):
        await gateway.complete_vault_lock(vault, LockId("A" * 24))


async def test_lock_in_progress_ends_after_a_day(subject: Subject) -> None:
    """A lock not completed within 24 hours vanishes."""
    gateway, vault = subject.gateway, subject.vault
    await gateway.initiate_vault_lock(vault, policy_for(subject, (await gateway.describe_vault(vault)).arn))
    await subject.advance(24 * 3600 + 60)
    with pytest.raises(ResourceNotFoundError):
        await gateway.get_vault_lock(vault)


async def test_tags_are_added_overwritten_and_removed(subject: Subject) -> None:
    """Equal keys are overwritten, and removing unknown ones succeeds."""
    gateway, vault = subject.gateway, subject.vault
    assert await gateway.list_tags_for_vault(vault) == {}
    await gateway.add_tags_to_vault(vault, {"team": "archive", "cost": "low"})
    await gateway.add_tags_to_vault(vault, {"cost": "lower", "empty": ""})
    assert await gateway.list_tags_for_vault(vault) == {"team": "archive", "cost": "lower", "empty": ""}
    await gateway.remove_tags_from_vault(vault, ["cost", "unheard of"])
    assert await gateway.list_tags_for_vault(vault) == {"team": "archive", "empty": ""}
