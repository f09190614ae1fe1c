"""A request for a job, and whether an existing job meets it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aioglacier.core.models import InventoryParameters, JobAction, JobStatus, Tier
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from aioglacier.core.models import ArchiveId, JobDescription, JobId
    from aioglacier.gateway.vaults.gateway import Gateway

#: Begins the description of every job that was given none, so that its answer, if lost, can be found again.
_NONCE_PREFIX: Final = "aioglacier "

_BY_SPEED: Final = [Tier.BULK, Tier.STANDARD, Tier.EXPEDITED]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for a job: for an archive, a range of one, or an inventory.

    Attributes:
        archive_id: The archive; ``None`` for an inventory.
        byte_range: The range; ``None`` for all of it.
        tier: The speed of a retrieval.
        inventory: The part of the inventory; ``None`` for a retrieval.
        sns_topic: The topic that gets a message when the job is done.
        description: The job's description; by default one with a nonce.
        again: Whether to pay for another job where one is there already.
    """

    archive_id: ArchiveId | None = None
    byte_range: ByteRange | None = None
    tier: Tier | None = None
    inventory: InventoryParameters | None = None
    sns_topic: str | None = None
    description: str | None = None
    again: bool = False

    async def send(self, gateway: Gateway, vault: str, nonce: str, archive_size: int | None = None) -> JobId:
        """Start the job at the service. The price of a whole archive depends on its size."""
        text = self.description or _NONCE_PREFIX + nonce
        if self.archive_id is None:
            assert self.inventory is not None  # noqa: S101  # it is one or the other
            return await gateway.initiate_inventory_retrieval(
                vault, self.inventory, sns_topic=self.sns_topic, description=text
            )
        return await gateway.initiate_archive_retrieval(
            vault,
            self.archive_id,
            tier=self.tier or Tier.STANDARD,
            byte_range=self.byte_range,
            sns_topic=self.sns_topic,
            description=text,
            size=archive_size,
        )

    def is_met_by(self, job: JobDescription) -> bool:
        """Return whether a job has the output, the speed and the topic that are asked for."""
        if job.status is JobStatus.FAILED or self.description not in {None, job.description}:
            return False
        if self.archive_id is None:
            if job.action is not JobAction.INVENTORY_RETRIEVAL:
                return False
            # The service describes only the next marker of a job that began at one, so each such job is new.
            if replace(job.inventory or InventoryParameters(), marker=None) != self.inventory:
                return False
        elif find_in_output(job, self.archive_id, self.byte_range) is None:
            return False
        if job.is_done:  # then neither its tier nor its topic matters
            return True
        is_slower = None not in {job.tier, self.tier} and _speed(job.tier) < _speed(self.tier)
        return not is_slower and self.sns_topic in {None, job.sns_topic}


def find_in_output(job: JobDescription, archive_id: str, wanted: ByteRange | None) -> ByteRange | None:
    """Return where in a job's output some bytes of an archive are; ``None`` if it does not retrieve them."""
    if job.archive_id != archive_id or job.status is JobStatus.FAILED or job.archive_size is None:
        return None
    whole = ByteRange(0, job.archive_size)  # a job for the whole archive names no range
    given, wanted = job.byte_range or whole, wanted or whole
    if not given.start <= wanted.start < wanted.stop <= given.stop:
        return None
    return ByteRange(wanted.start - given.start, wanted.stop - given.start)


def part_of(job: JobDescription, archive_id: str, wanted: ByteRange | None) -> ByteRange | None:
    """Return where the wanted bytes are in the output of a job; ``None`` if they are all of it."""
    part = find_in_output(job, archive_id, wanted)
    return None if part is None or part.size == job.output_size else part


def _speed(tier: Tier | None) -> int:
    return _BY_SPEED.index(tier or Tier.STANDARD)
