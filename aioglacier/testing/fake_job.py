"""A retrieval job in memory, and its output."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio.lowlevel

from aioglacier.core.errors import ConnectionLostError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import (
    InventoryFormat,
    InventoryParameters,
    JobAction,
    JobDescription,
    JobStatus,
)
from aioglacier.core.ranges import ByteRange, is_tree_hash_aligned
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from aioglacier.core.models import Archive
    from aioglacier.gateway.contract.protocols import Progress

_BLOCK_SIZE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Listing:
    """A vault's inventory as of one moment."""

    archives: tuple[Archive, ...]
    taken: datetime


@dataclass(slots=True)
class FakeJob:
    """A job: what is known from the start, and what is known at its end."""

    initial: JobDescription
    done_at: datetime
    output: bytes
    whole_size: int = 0
    archive_description: str = ""
    next_marker: str | None = None
    failure: str | None = None

    def describe(self, now: datetime) -> JobDescription:
        """The job at this moment."""
        if now < self.done_at:
            return self.initial
        is_good = self.failure is None
        done = replace(
            self.initial,
            status=JobStatus.SUCCEEDED if is_good else JobStatus.FAILED,
            status_message="Succeeded" if is_good else self.failure,
            completed=self.done_at,
        )
        if done.inventory is None:
            return done
        return replace(
            done,
            inventory_size=len(self.output) if is_good else None,
            inventory=replace(done.inventory, marker=self.next_marker),
        )

    def is_forgotten(self, now: datetime) -> bool:
        """Whether the service no longer knows it."""
        return (now - self.done_at).total_seconds() > VAULT.job_output_seconds

    def hash_of(self, range_: ByteRange) -> bytes | None:
        """The tree hash of a range of the output, where the service would vouch for it.

        Inventories have none; an archive's range has one if it is a node of the archive's tree, and if
        the job's own range is one.
        """
        job = self.initial
        if job.action is not JobAction.ARCHIVE_RETRIEVAL or job.byte_range is None:
            return None
        within_archive = ByteRange(job.byte_range.start + range_.start, job.byte_range.start + range_.stop)
        if not is_tree_hash_aligned(job.byte_range, self.whole_size):
            return None
        if not is_tree_hash_aligned(within_archive, self.whole_size):
            return None
        return tree_hash(memoryview(self.output)[range_.start : range_.stop])


@dataclass(slots=True)
class MemoryOutput:
    """A job's output, or a range of it."""

    size: int
    total: int
    tree_hash: bytes | None
    description: str
    content_type: str
    _bytes: bytes
    _given: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._given < self.size:
            yield await self._next_block(_BLOCK_SIZE)

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes, block by block."""
        if len(view) > self.size - self._given:
            raise ConnectionLostError(
                f"{len(view)} bytes were asked for, and fewer are left",
                operation="GetJobOutput",
                may_have_taken_effect=True,
            )
        at = 0
        while at < len(view):
            block = await self._next_block(min(_BLOCK_SIZE, len(view) - at))
            view[at : at + len(block)] = block
            at += len(block)
            progress(len(block))

    async def _next_block(self, size: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        block = self._bytes[self._given : self._given + size]
        self._given += len(block)
        return block


@asynccontextmanager
async def opened(job: FakeJob, range_: ByteRange) -> AsyncIterator[MemoryOutput]:
    """The output as a gateway gives it."""
    is_archive = job.initial.action is JobAction.ARCHIVE_RETRIEVAL
    parameters = job.initial.inventory
    is_csv = parameters is not None and parameters.format is InventoryFormat.CSV
    yield MemoryOutput(
        size=range_.size,
        total=len(job.output),
        tree_hash=job.hash_of(range_),
        description=job.archive_description,
        content_type=(
            "application/octet-stream" if is_archive else "text/csv" if is_csv else "application/json"
        ),
        _bytes=job.output[range_.start : range_.stop],
    )


def write_inventory(
    vault_arn: str, listing: Listing, parameters: InventoryParameters
) -> tuple[bytes, str | None]:
    """An inventory document, and the marker of its next page. Markers are archive ids."""
    archives = [
        archive
        for archive in listing.archives
        if (parameters.start_date is None or archive.created >= parameters.start_date)
        and (parameters.end_date is None or archive.created < parameters.end_date)
    ]
    if parameters.marker is not None:
        archives = _after(archives, parameters.marker)
    marker = None
    if parameters.limit is not None and len(archives) > parameters.limit:
        archives = archives[: parameters.limit]
        marker = archives[-1].id
    if parameters.format is InventoryFormat.CSV:
        return _as_csv(archives), marker
    return _as_json(vault_arn, listing.taken, archives), marker


def _after(archives: Sequence[Archive], marker: str) -> list[Archive]:
    for position, archive in enumerate(archives):
        if archive.id == marker:
            return list(archives[position + 1 :])
    return []


def _as_json(vault_arn: str, taken: datetime, archives: Sequence[Archive]) -> bytes:
    document = {
        "VaultARN": vault_arn,
        "InventoryDate": _to_the_second(taken),
        "ArchiveList": [
            {
                "ArchiveId": archive.id,
                "ArchiveDescription": archive.description,
                "CreationDate": _to_the_second(archive.created),
                "Size": archive.size,
                "SHA256TreeHash": archive.tree_hash.hex(),
            }
            for archive in archives
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _as_csv(archives: Sequence[Archive]) -> bytes:
    lines = ["ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash"]
    for archive in archives:
        text = archive.description
        if "," in text or '"' in text:
            # The service's own form: a quote becomes \", a backslash stays as it is.
            text = '"' + text.replace('"', '\\"') + '"'
        created = _to_the_second(archive.created)
        lines.append(f"{archive.id},{text},{created},{archive.size},{archive.tree_hash.hex()}")
    return ("\n".join(lines) + "\n").encode()


def _to_the_second(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
