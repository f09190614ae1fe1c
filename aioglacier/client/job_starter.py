"""Jobs of a vault: how one is started, on record if there is a catalog, and how one that will do is found."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aioglacier.core.models import InventoryParameters, JobAction, JobStatus

if TYPE_CHECKING:
    from aioglacier.core.models import ArchiveId, InventoryFormat, JobDescription, JobId, Tier
    from aioglacier.core.ranges import ByteRange
    from aioglacier.recorded.vault_context import VaultContext

#: Begins the description of every job that was given none, so that its answer, if lost, can be found again.
JOB_NONCE_PREFIX: Final = "aioglacier "


class JobStarter:
    """Starts jobs of one vault."""

    def __init__(self, context: VaultContext) -> None:
        self._context = context

    async def start_archive(
        self,
        archive_id: ArchiveId,
        *,
        tier: Tier,
        byte_range: ByteRange | None,
        sns_topic: str | None,
        description: str | None,
    ) -> JobId:
        """Start a retrieval; see ``Vault.retrieve``."""

        async def initiate(nonce: str) -> JobId:
            return await self._context.gateway.initiate_archive_retrieval(
                self._context.name,
                archive_id,
                tier=tier,
                byte_range=byte_range,
                sns_topic=sns_topic,
                description=description or JOB_NONCE_PREFIX + nonce,
            )

        if self._context.records is None:
            return await initiate(secrets.token_hex(8))
        action = JobAction.ARCHIVE_RETRIEVAL
        return await self._context.records.initiate_job(
            initiate, action, archive_id=archive_id, byte_range=byte_range, tier=tier
        )

    async def start_inventory(
        self, parameters: InventoryParameters, *, sns_topic: str | None, description: str | None
    ) -> JobId:
        """Start an inventory job; see ``Vault.retrieve_inventory``."""

        async def initiate(nonce: str) -> JobId:
            return await self._context.gateway.initiate_inventory_retrieval(
                self._context.name,
                parameters,
                sns_topic=sns_topic,
                description=description or JOB_NONCE_PREFIX + nonce,
            )

        if self._context.records is None:
            return await initiate(secrets.token_hex(8))
        return await self._context.records.initiate_job(
            initiate, JobAction.INVENTORY_RETRIEVAL, inventory=parameters
        )


def retrieves(job: JobDescription, archive_id: str, wanted: ByteRange | None) -> bool:
    """Whether a job, running or done, retrieves just these bytes of an archive."""
    if job.archive_id != archive_id or job.status is JobStatus.FAILED:
        return False
    whole = job.byte_range is None or job.byte_range.size == job.archive_size
    return whole if wanted is None else job.byte_range == wanted


def lists_all(job: JobDescription, output_format: InventoryFormat) -> bool:
    """Whether a job, running or done, lists the whole inventory in a format."""
    if job.action is not JobAction.INVENTORY_RETRIEVAL or job.status is JobStatus.FAILED:
        return False
    parameters = job.inventory or InventoryParameters()
    return replace(parameters, marker=None) == InventoryParameters(output_format)
