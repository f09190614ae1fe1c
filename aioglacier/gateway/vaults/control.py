"""The small calls that moving archives has no need of: botocore builds and parses them, the wire sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.core.checks import check_id, check_vault_name
from aioglacier.core.errors import GlacierError
from aioglacier.core.models import CapacityId, LockId
from aioglacier.gateway.vaults import documents
from aioglacier.gateway.vaults.answers import not_as_promised, page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aioglacier.core.models import (
        ArchiveId,
        NotificationConfig,
        Page,
        ProvisionedCapacity,
        RetrievalPolicy,
        VaultDescription,
        VaultLock,
    )
    from aioglacier.gateway.credentials.boto_session import Botocore
    from aioglacier.gateway.http.wire import Wire

T = TypeVar("T")


class ControlPlane:
    """The operations that botocore does; ``UploadCalls`` and ``JobCalls`` do without."""

    def __init__(self, botocore: Botocore, wire: Wire) -> None:
        self._botocore = botocore
        self._wire = wire

    # --- vaults

    async def create_vault(self, vault: str) -> None:
        await self._call("CreateVault", _nothing, vault)

    async def describe_vault(self, vault: str) -> VaultDescription:
        return await self._call("DescribeVault", documents.read_vault, vault)

    async def delete_vault(self, vault: str) -> None:
        await self._call("DeleteVault", _nothing, vault)

    async def list_vaults(
        self, *, limit: int | None = None, marker: str | None = None
    ) -> Page[VaultDescription]:
        read = page_of("VaultList", documents.read_vault)
        return await self._call("ListVaults", read, **_paging(limit, marker))

    async def set_vault_notifications(self, vault: str, config: NotificationConfig) -> None:
        written = {"SNSTopic": config.sns_topic, "Events": sorted(config.events)}
        await self._call("SetVaultNotifications", _nothing, vault, vaultNotificationConfig=written)

    async def get_vault_notifications(self, vault: str) -> NotificationConfig:
        return await self._call("GetVaultNotifications", documents.read_notifications, vault)

    async def delete_vault_notifications(self, vault: str) -> None:
        await self._call("DeleteVaultNotifications", _nothing, vault)

    async def set_vault_access_policy(self, vault: str, policy: str) -> None:
        await self._call("SetVaultAccessPolicy", _nothing, vault, policy={"Policy": policy})

    async def get_vault_access_policy(self, vault: str) -> str:
        return await self._call("GetVaultAccessPolicy", documents.read_access_policy, vault)

    async def delete_vault_access_policy(self, vault: str) -> None:
        await self._call("DeleteVaultAccessPolicy", _nothing, vault)

    async def initiate_vault_lock(self, vault: str, policy: str) -> LockId:
        lock_id = await self._call("InitiateVaultLock", _field("lockId"), vault, policy={"Policy": policy})
        return LockId(lock_id)

    async def complete_vault_lock(self, vault: str, lock_id: LockId) -> None:
        await self._call("CompleteVaultLock", _nothing, vault, lockId=check_id("lock", lock_id))

    async def abort_vault_lock(self, vault: str) -> None:
        await self._call("AbortVaultLock", _nothing, vault)

    async def get_vault_lock(self, vault: str) -> VaultLock:
        return await self._call("GetVaultLock", documents.read_lock, vault)

    async def add_tags_to_vault(self, vault: str, tags: Mapping[str, str]) -> None:
        await self._call("AddTagsToVault", _nothing, vault, Tags=dict(tags))

    async def remove_tags_from_vault(self, vault: str, keys: Sequence[str]) -> None:
        await self._call("RemoveTagsFromVault", _nothing, vault, TagKeys=list(keys))

    async def list_tags_for_vault(self, vault: str) -> dict[str, str]:
        return await self._call("ListTagsForVault", documents.read_tags, vault)

    # --- archives

    async def delete_archive(self, vault: str, archive_id: ArchiveId) -> None:
        await self._call("DeleteArchive", _nothing, vault, archiveId=check_id("archive", archive_id))

    # --- the account

    async def get_data_retrieval_policy(self) -> RetrievalPolicy:
        return await self._call("GetDataRetrievalPolicy", documents.read_retrieval_policy)

    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None:
        rule: dict[str, Any] = {"Strategy": str(policy.strategy)}
        if policy.bytes_per_hour is not None:
            rule["BytesPerHour"] = policy.bytes_per_hour
        await self._call("SetDataRetrievalPolicy", _nothing, Policy={"Rules": [rule]})

    async def purchase_provisioned_capacity(self) -> CapacityId:
        return CapacityId(await self._call("PurchaseProvisionedCapacity", _field("capacityId")))

    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]:
        return await self._call("ListProvisionedCapacity", documents.read_capacities)

    # --- how

    async def _call(
        self,
        operation: str,
        read: Callable[[Mapping[str, Any]], T],
        vault: str | None = None,
        **parameters: Any,
    ) -> T:
        """Do one operation and read its result."""
        if vault is not None:
            parameters["vaultName"] = check_vault_name(vault)
        try:
            return self._read(operation, read, await self._answered(operation, parameters))
        except GlacierError as error:
            error.vault = vault
            raise

    async def _answered(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        calls = await self._botocore.calls(self._wire)
        return await calls.call(operation, parameters)

    @staticmethod
    def _read(operation: str, read: Callable[[Mapping[str, Any]], T], document: Mapping[str, Any]) -> T:
        try:
            return read(document)
        except (LookupError, TypeError, ValueError) as error:
            raise not_as_promised(operation, error) from error


def _nothing(_: Mapping[str, Any]) -> None:
    """The result of what has none."""


def _field(name: str) -> Callable[[Mapping[str, Any]], str]:
    """A reader of one text that must be there."""

    def read(document: Mapping[str, Any]) -> str:
        value = document[name]
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} is {value!r}")
        return value

    return read


def _paging(limit: int | None, marker: str | None) -> dict[str, str]:
    asked = {} if limit is None else {"limit": str(limit)}
    return asked if marker is None else {**asked, "marker": marker}
