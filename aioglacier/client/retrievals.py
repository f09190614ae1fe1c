"""Retrievals of a vault: start one, or find one that will do, running or done.

A job costs money and hours, so one that is there is used. Where the jobs cannot be listed, one is started.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from aioglacier.client.job import Job
from aioglacier.core.checks import check_choice, check_id, check_retrieval_range
from aioglacier.core.errors import (
    AccessDeniedError,
    IntegrityError,
    InvalidPlanError,
    JobFailedError,
    JobNotFoundError,
)
from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.limits import MIB
from aioglacier.core.models import ArchiveId, InventoryFormat, InventoryParameters, JobAction, JobStatus, Tier
from aioglacier.core.ranges import is_tree_hash_aligned
from aioglacier.core.treehash import TreeHash
from aioglacier.files.open_flags import NOFOLLOW, NONBLOCK
from aioglacier.recorded.job_request import JobRequest, find_in_output, part_of
from aioglacier.transfer.download.partial_file import settle
from aioglacier.transfer.download.retrieval_source import unverifiable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import ArchiveRecord
    from aioglacier.core.models import Archive, JobDescription
    from aioglacier.core.ranges import ByteRange
    from aioglacier.recorded.vault_context import VaultContext

_log: Final = logging.getLogger("aioglacier.client.retrievals")


async def start_job(context: VaultContext, wanted: JobRequest) -> Job:
    """Start a job; with a catalog, only where no job on record meets the request."""
    with context.naming():
        if context.records is None:
            job_id = await wanted.send(context.gateway, context.name, secrets.token_hex(8))
            return Job(context, job_id, is_new=True)
        from aioglacier.recorded.reserved_jobs import reserve_job  # noqa: PLC0415  # loads SQLite

        job_id, found = await reserve_job(context.recorded(), wanted)
    part = None
    if found is not None and wanted.archive_id is not None:
        part = part_of(found, wanted.archive_id, wanted.byte_range)
    return Job(context, job_id, part, is_new=found is None)


class Retrievals:
    """The jobs of a vault that are there already, so that none is paid twice. From ``Vault.retrievals``."""

    def __init__(self, context: VaultContext) -> None:
        self._context = context

    def __repr__(self) -> str:
        return f"<Retrievals of vault {self._context.name}>"

    async def find(
        self, archive_id: str, *, byte_range: ByteRange | tuple[int, int] | None = None
    ) -> Job | None:
        """Find a job, running or done, that retrieves these bytes.

        It may retrieve more; the returned job gives the bytes asked for here. Of several jobs the one with
        the smallest output is chosen. Where jobs may not be listed, a warning is logged and none is found.
        """
        wanted = check_retrieval_range(byte_range)
        best: tuple[int, Job] | None = None
        async for job in self._list():
            part = find_in_output(job, archive_id, wanted)
            if part is None:
                continue
            size = job.byte_range.size if job.byte_range is not None else job.archive_size or part.size
            if best is None or size < best[0]:  # the smallest output brings the least that is not wanted
                best = size, Job(self._context, job.id, None if part.size == size else part)
        return best[1] if best is not None else None

    async def find_or_start(
        self,
        archive_id: str,
        *,
        tier: Tier | str = Tier.STANDARD,
        byte_range: ByteRange | tuple[int, int] | None = None,
        target: str | os.PathLike[str] | None = None,
        again: bool = False,
        unverified: bool = False,
    ) -> Job:
        """Return the job for these bytes; ``is_new`` tells whether it was started just now.

        Args:
            archive_id: The archive.
            tier: The tier of a job that is started.
            byte_range: As in ``Vault.retrieve``.
            target: The file that the bytes are for. With a catalog, a second job for the same file is paid
                only with ``again``.
            again: Pay for another job where the one before failed or is gone.
            unverified: Also start a job for bytes that could not be verified, see ``check_verifiable``.

        Raises:
            IntegrityError: The bytes could not be verified. Nothing was started.
            JobFailedError: The job that was paid for this target failed or is gone.
        """
        id_, wanted = ArchiveId(check_id("archive", archive_id)), check_retrieval_range(byte_range)
        chosen = check_choice("tier", Tier, tier)
        found = await self.find(id_, byte_range=wanted)
        if found is not None:
            return found
        if not unverified:
            await self.check_verifiable(id_, wanted)
        if target is not None:
            # A retrieval that failed may fail again, and costs each time.
            await self.check_not_paid(id_, wanted, target, gives_up=again)
        return await start_job(self._context, JobRequest(id_, wanted, chosen))

    async def check_verifiable(self, archive_id: ArchiveId, byte_range: ByteRange | None) -> None:
        """Refuse a range that is no node of the archive's tree hash, if no catalog has the hashes.

        The service gives no hash for such a range. Without the archive's size, only a range that is a node of
        any archive passes.

        Raises:
            IntegrityError: The bytes could not be verified once they are retrieved.
        """
        if byte_range is None:
            return
        known = await self.find_record(archive_id)
        size = known.archive.size if known is not None else None
        records = self._context.records
        if is_tree_hash_aligned(byte_range, size):  # the service gives the hash of a node
            return
        if records is None or not await records.leaves_of(archive_id, byte_range):
            with self._context.naming():
                error = unverifiable(f"archive {archive_id}", byte_range)
                if size is None:
                    error.add_note("the archive's size is not on record; to its end, a range may be a node")
                raise error

    async def check_not_paid(
        self,
        archive_id: str,
        byte_range: ByteRange | None,
        target: str | os.PathLike[str],
        *,
        gives_up: bool = False,
    ) -> None:
        """Refuse to pay for a target again whose job came to nothing, unless that job is given up.

        Raises:
            JobFailedError: The job that was paid for this target failed or is gone.
        """
        records = self._context.records
        job = await records.find_abandoned(archive_id, byte_range, target) if records is not None else None
        if records is None or job is None or job.job_id is None:
            return
        if gives_up:
            await records.give_up_download(target)  # or the next run would refuse again
            return
        how = "failed" if job.state.value == "failed" else "is gone"
        with self._context.naming():
            raise JobFailedError(
                f"job {job.job_id}, started {job.created:%Y-%m-%d %H:%M} UTC for this download, {how}"
                f"{f' ({job.outcome})' if job.outcome else ''}; another one costs again",
                job_id=job.job_id,
                status_message=job.outcome or None,
            )

    async def find_delivered(
        self, archive_id: str, target: str | os.PathLike[str], *, byte_range: ByteRange | None = None
    ) -> JobDescription | None:
        """Return the job whose whole output is at ``target`` already: a killed run may have named that file.

        The file is hashed, and the download is recorded as completed. ``None`` if neither the catalog nor the
        service knows such a job any more, or the file has other bytes.
        """
        records = self._context.records
        found = await self._find_abandoned(archive_id, target, byte_range)
        if found is None:
            job = await self.find(archive_id, byte_range=byte_range)
            if job is None:
                return None
            found = await job.describe()
            part = find_in_output(found, archive_id, check_retrieval_range(byte_range))
            if part is None or part.size != found.output_size:  # it gives more than was asked for
                return None
        content = await anyio.to_thread.run_sync(_content_of, target)
        if content != (found.output_size, found.tree_hash):  # the name alone proves nothing
            return None
        downloading = records.downloading(found, target) if records is not None else nullcontext()
        async with downloading:
            # The run that saved it was stopped just before.
            await anyio.to_thread.run_sync(settle, target)
            return found

    async def find_kept(self, archive_id: str, path: str | os.PathLike[str]) -> Archive | None:
        """Return the archive, as the catalog has it, if a file has all of its bytes. Nothing is sent."""
        known = await self.find_record(archive_id)
        if known is None or not await anyio.Path(path).is_file():
            return None
        is_it = await anyio.to_thread.run_sync(_content_of, path) == (
            known.archive.size,
            known.archive.tree_hash,
        )
        return known.archive if is_it else None

    async def _find_abandoned(
        self, archive_id: str, target: str | os.PathLike[str], byte_range: ByteRange | None
    ) -> JobDescription | None:
        """Describe the job of a download to a target that was begun and not recorded as completed."""
        records = self._context.records
        job = await records.find_abandoned(archive_id, byte_range, target) if records is not None else None
        if job is None or job.job_id is None:
            return None
        with self._context.naming():
            try:
                return await self._context.gateway.describe_job(self._context.name, job.job_id)
            except JobNotFoundError:
                return None

    async def find_inventory(self, output_format: InventoryFormat | str = InventoryFormat.JSON) -> Job | None:
        """Find a job, running or done, that lists the whole inventory."""
        found = await self._find_inventory(check_choice("inventory format", InventoryFormat, output_format))
        return Job(self._context, found.id) if found is not None else None

    async def find_useful_inventory(self) -> Job | None:
        """Find such a job in JSON; none if the service has made another inventory since it was started."""
        job = await self._find_inventory(InventoryFormat.JSON)
        if job is None:
            return None
        if job.status is JobStatus.SUCCEEDED:
            try:
                vault = await self._context.gateway.describe_vault(self._context.name)
            except AccessDeniedError:
                return None  # whether there is a newer list is unknown
            if vault.inventoried is not None and vault.inventoried > job.created:
                return None
        return Job(self._context, job.id)

    async def find_or_start_inventory(self, *, again: bool = False) -> Job:
        """Return a job that lists the whole vault; ``is_new`` tells whether it was started just now.

        A finished job is used until the service has made another inventory; with ``again`` none is used.
        """
        found = None if again else await self.find_useful_inventory()
        return found or await start_job(
            self._context, JobRequest(inventory=InventoryParameters(), again=again)
        )

    async def find_record(self, archive_id: str) -> ArchiveRecord | None:
        """Return what the catalog knows of an archive; ``None`` without a catalog."""
        records = self._context.records
        if records is None:
            return None
        return await records.catalog.archives.get(records.key, ArchiveId(archive_id))

    async def find_named(self, name: str) -> list[ArchiveRecord]:
        """Return the stored archives on record whose descriptions have this name, the newest first."""
        from aioglacier.catalog import ArchiveState  # noqa: PLC0415  # loads SQLite

        context = self._context.recorded()
        listed = context.catalog.archives.list_vault(context.key, states=(ArchiveState.STORED,))
        found = [record async for record in listed if decode(record.archive.description).name == name]
        # Times are whole seconds; of two archives of one second the later one is on record later.
        return sorted(found, key=lambda record: (record.archive.created, record.number), reverse=True)

    async def check_job(self, job: JobDescription, archive_id: str | None = None) -> None:
        """Check that a job is one for this archive, and that the archive is the one on record.

        Raises:
            InvalidPlanError: The job retrieves another archive, or an inventory.
            IntegrityError: The service has another tree hash for the archive than is on record.
        """
        with self._context.naming():
            if archive_id and job.archive_id != archive_id:
                given = f"archive {job.archive_id}" if job.archive_id else "an inventory"
                raise InvalidPlanError(f"job {job.id} retrieves {given}, not archive {archive_id}")
            if job.archive_id is None or job.archive_tree_hash is None:
                return
            known = await self.find_record(job.archive_id)
            # Or the bytes of another archive would count as verified.
            if known is not None and known.archive.tree_hash != job.archive_tree_hash:
                raise IntegrityError(
                    f"the service has another tree hash for archive {job.archive_id} than is on record; "
                    "nothing was written",
                    expected=known.archive.tree_hash,
                    actual=job.archive_tree_hash,
                    archive_id=job.archive_id,
                )

    async def _find_inventory(self, output_format: InventoryFormat) -> JobDescription | None:
        async for job in self._list():
            if lists_all(job, output_format):
                return job
        return None

    async def _list(self) -> AsyncIterator[JobDescription]:
        try:
            async for job in self._context.list_jobs():
                yield job
        except AccessDeniedError as error:
            _log.warning("jobs cannot be listed, so one that is there cannot be used: %s", error)


def lists_all(job: JobDescription, output_format: InventoryFormat) -> bool:
    """Return whether a job, running or done, lists the whole inventory in a format."""
    if job.action is not JobAction.INVENTORY_RETRIEVAL or job.status is JobStatus.FAILED:
        return False
    parameters = job.inventory or InventoryParameters()  # a job with a limit has a marker once it is done
    return replace(parameters, marker=None) == InventoryParameters(output_format)


def _content_of(path: str | os.PathLike[str]) -> tuple[int, bytes] | None:
    """Return the size and tree hash of a regular file, ``None`` if it is none or cannot be read."""
    tree_hash, size = TreeHash(), 0
    try:
        # Not blocking: opening a FIFO would wait for a writer.
        fd = os.open(path, os.O_RDONLY | NONBLOCK | NOFOLLOW)
        with os.fdopen(fd, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            while block := file.read(MIB):
                tree_hash.update(block)
                size += len(block)
    except OSError:
        return None
    return size, tree_hash.digest()
