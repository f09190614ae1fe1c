# ruff: noqa: D102  # an operation's method does what the operation's name says
"""A Glacier in memory: the ``Gateway`` without a network, honest about rules, delays and errors.

Time is a virtual clock that only ``advance`` moves, so jobs and inventories take their hours in no time.
Faults are scripted with ``fail``: before an operation's effect, or after it, as when an answer is lost.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter, deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.lowlevel

from aioglacier.core.checks import check_description, check_id, check_retrieval_range, check_vault_name
from aioglacier.core.errors import ConfigurationError, EmptyArchiveError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import (
    Archive,
    ArchiveId,
    CapacityId,
    JobAction,
    JobDescription,
    JobId,
    JobStatus,
    LockId,
    Page,
    ProvisionedCapacity,
    RetrievalPolicy,
    RetrievalStrategy,
    StoredArchive,
    Tier,
    UploadDescription,
    UploadedPart,
    UploadId,
)
from aioglacier.core.planning import check_part_size
from aioglacier.core.ranges import ByteRange, is_megabyte_aligned, is_tree_hash_aligned
from aioglacier.core.treehash import tree_hash as tree_hash_of
from aioglacier.gateway.http.request_bodies import change_in, read_whole
from aioglacier.gateway.http.service_errors import payload_refusal, refusal
from aioglacier.testing import fake_job
from aioglacier.testing.fake_upload import EndedUpload, FakeUpload, check_body
from aioglacier.testing.fake_vault import FakeVault
from aioglacier.testing.refused import RefusedError, invalid, missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aioglacier.core.errors import GlacierError
    from aioglacier.core.models import (
        InventoryParameters,
        NotificationConfig,
        VaultDescription,
        VaultLock,
    )
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, JobOutput, Progress, RawResponse

T = TypeVar("T")

_NO_BODY: Final = memoryview(b"")

#: Within the Guide's spans: 1-5 minutes, 3-5 and 5-12 hours; inventories take about four hours.
JOB_SECONDS: Final[Mapping[Tier | None, float]] = {
    Tier.EXPEDITED: 180.0,
    Tier.STANDARD: 4 * 3600.0,
    Tier.BULK: 8 * 3600.0,
    None: 4 * 3600.0,
}


class MemoryGlacier:
    """A Glacier of one account and region that lives as long as the object.

    Args:
        region: Part of ARNs.
        account_id: Part of ARNs.
        inventory_lag_seconds: From a vault's first change to the inventory that shows it, virtual.
        job_seconds: How long jobs take, virtual; ``None`` takes the service's hours.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "012345678901",
        inventory_lag_seconds: float = 24 * 3600.0,
        job_seconds: float | None = None,
    ) -> None:
        self.region = region
        self.origin = "memory://glacier"
        self.now = datetime.now(UTC)
        self.calls: Counter[str] = Counter()
        self._account_id = account_id
        self._inventory_lag = timedelta(seconds=inventory_lag_seconds)
        self._job_seconds = job_seconds
        self._vaults: dict[str, FakeVault] = {}
        self._policy = RetrievalPolicy(RetrievalStrategy.NONE)
        self._capacity: list[ProvisionedCapacity] = []
        self._faults: dict[tuple[str, bool], deque[GlacierError]] = {}

    def __repr__(self) -> str:
        return f"<MemoryGlacier region={self.region} vaults={len(self._vaults)}>"

    # --- what tests do besides

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    def fail(
        self, operation: str, error: GlacierError, *, times: int = 1, after_effect: bool = False
    ) -> None:
        """Let the next calls of an operation fail; ``after_effect`` does its work and loses the answer."""
        self._faults.setdefault((operation, after_effect), deque()).extend([error] * times)

    # --- vaults

    async def create_vault(self, vault: str) -> None:
        async with self._doing("CreateVault", vault):
            if vault not in self._vaults and len(self._vaults) >= VAULT.max_vaults:
                raise invalid("The limit of vaults is reached.", code="LimitExceededException")
            self._vaults.setdefault(vault, FakeVault(vault, self._arn(vault), self.now))

    async def describe_vault(self, vault: str) -> VaultDescription:
        async with self._doing("DescribeVault", vault):
            return self._vault(vault).describe()

    async def delete_vault(self, vault: str) -> None:
        async with self._doing("DeleteVault", vault):
            if vault in self._vaults:
                self._vault(vault).check_is_empty()
                del self._vaults[vault]

    async def list_vaults(
        self, *, limit: int | None = None, marker: str | None = None
    ) -> Page[VaultDescription]:
        async with self._doing("ListVaults"):
            vaults = [self._vault(name).describe() for name in sorted(self._vaults)]
            return _page(vaults, lambda vault: vault.arn, limit, marker, largest=VAULT.max_vaults_per_page)

    async def set_vault_notifications(self, vault: str, config: NotificationConfig) -> None:
        async with self._doing("SetVaultNotifications", vault):
            self._vault(vault).notifications = config

    async def get_vault_notifications(self, vault: str) -> NotificationConfig:
        async with self._doing("GetVaultNotifications", vault):
            config = self._vault(vault).notifications
            if config is None:
                raise missing(f"No notification configuration is set for vault: {vault}")
            return config

    async def delete_vault_notifications(self, vault: str) -> None:
        async with self._doing("DeleteVaultNotifications", vault):
            self._vault(vault).notifications = None

    async def set_vault_access_policy(self, vault: str, policy: str) -> None:
        async with self._doing("SetVaultAccessPolicy", vault):
            self._vault(vault).access_policy = _check_policy(policy)

    async def get_vault_access_policy(self, vault: str) -> str:
        async with self._doing("GetVaultAccessPolicy", vault):
            policy = self._vault(vault).access_policy
            if policy is None:
                raise missing(f"No vault access policy is set for: {self._arn(vault)}")
            return policy

    async def delete_vault_access_policy(self, vault: str) -> None:
        async with self._doing("DeleteVaultAccessPolicy", vault):
            self._vault(vault).access_policy = None

    async def initiate_vault_lock(self, vault: str, policy: str) -> LockId:
        async with self._doing("InitiateVaultLock", vault):
            lock_id = LockId(_new_id(24))
            self._vault(vault).begin_lock(_check_policy(policy), lock_id, self.now)
            return lock_id

    async def complete_vault_lock(self, vault: str, lock_id: LockId) -> None:
        check_id("lock", lock_id)
        async with self._doing("CompleteVaultLock", vault):
            self._vault(vault).end_lock(lock_id)

    async def abort_vault_lock(self, vault: str) -> None:
        async with self._doing("AbortVaultLock", vault):
            self._vault(vault).abort_lock()

    async def get_vault_lock(self, vault: str) -> VaultLock:
        async with self._doing("GetVaultLock", vault):
            return self._vault(vault).current_lock()

    async def add_tags_to_vault(self, vault: str, tags: Mapping[str, str]) -> None:
        async with self._doing("AddTagsToVault", vault):
            joined = {**self._vault(vault).tags, **tags}
            if len(joined) > VAULT.max_tags:
                raise invalid("The number of tags per vault is limited.", code="LimitExceededException")
            self._vault(vault).tags = joined

    async def remove_tags_from_vault(self, vault: str, keys: Sequence[str]) -> None:
        async with self._doing("RemoveTagsFromVault", vault):
            for key in keys:
                self._vault(vault).tags.pop(key, None)

    async def list_tags_for_vault(self, vault: str) -> dict[str, str]:
        async with self._doing("ListTagsForVault", vault):
            return dict(self._vault(vault).tags)

    # --- archives and uploads

    async def upload_archive(
        self,
        vault: str,
        body: Body,
        *,
        hashes: PartHashes,
        description: str | None = None,
        progress: Progress | None = None,
        before_last: BeforeLast | None = None,
    ) -> StoredArchive:
        text = check_description(description)
        if not body.nbytes:
            raise EmptyArchiveError("an archive sent in one request would be empty")
        async with self._doing("UploadArchive", vault, body=body, tree_hash=hashes.tree_hash):
            into = self._vault(vault)
            data = await read_whole(body)
            hash_ = check_body(data, hashes)
            if before_last is not None:
                await before_last()
            _report(progress, len(data))
            return self._store(into, data, hash_, text)

    async def delete_archive(self, vault: str, archive_id: ArchiveId) -> None:
        check_id("archive", archive_id)
        async with self._doing("DeleteArchive", vault):
            self._vault(vault).drop(archive_id, self.now)

    async def initiate_multipart_upload(
        self, vault: str, *, part_size: int, description: str | None = None
    ) -> UploadId:
        check_part_size(part_size)
        text = check_description(description) or ""
        async with self._doing("InitiateMultipartUpload", vault):
            upload = FakeUpload(_new_id(92), part_size, text, self.now, self.now)
            self._vault(vault).uploads[upload.id] = upload
            return UploadId(upload.id)

    async def upload_multipart_part(
        self,
        vault: str,
        upload_id: UploadId,
        body: Body,
        *,
        start: int,
        hashes: PartHashes,
        progress: Progress | None = None,
    ) -> None:
        check_id("upload", upload_id)
        if not body.nbytes:
            raise EmptyArchiveError("a part would be empty")
        async with self._doing(
            "UploadMultipartPart",
            vault,
            body=body,
            tree_hash=hashes.tree_hash,
            byte_range=ByteRange(start, start + body.nbytes),
        ):
            upload = self._vault(vault).open_upload(upload_id)
            upload.put(start, await read_whole(body), hashes)
            upload.touched = self.now
            _report(progress, body.nbytes)

    async def complete_multipart_upload(
        self, vault: str, upload_id: UploadId, *, size: int, tree_hash: bytes
    ) -> StoredArchive:
        check_id("upload", upload_id)
        async with self._doing("CompleteMultipartUpload", vault):
            into = self._vault(vault)
            done = into.completed.get(upload_id)
            if done is not None and done.archive_id is not None:
                if (done.size, done.tree_hash) != (size, tree_hash):
                    raise missing(f"The upload ID was not found: {upload_id}")
                return StoredArchive(ArchiveId(done.archive_id), tree_hash, self.now)
            upload = into.open_upload(upload_id)
            stored = self._store(into, upload.join(size, tree_hash), tree_hash, upload.description)
            del into.uploads[upload_id]
            into.completed[upload_id] = EndedUpload(self.now, size, tree_hash, stored.id)
            return stored

    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None:
        check_id("upload", upload_id)
        async with self._doing("AbortMultipartUpload", vault):
            self._vault(vault).abort(upload_id, self.now)

    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]:
        async with self._doing("ListMultipartUploads", vault):
            of = self._vault(vault)
            uploads = [_describe_upload(upload, of.arn) for upload in of.uploads.values()]
            return _page(uploads, lambda upload: upload.id, limit, marker)

    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]:
        check_id("upload", upload_id)
        async with self._doing("ListParts", vault):
            of = self._vault(vault)
            upload = of.open_upload(upload_id)
            parts = [UploadedPart(start, upload.parts[start][1]) for start in sorted(upload.parts)]
            return _describe_upload(upload, of.arn), _page(parts, lambda part: str(part.start), limit, marker)

    # --- jobs

    async def initiate_archive_retrieval(
        self,
        vault: str,
        archive_id: ArchiveId,
        *,
        tier: Tier | None = None,
        byte_range: ByteRange | None = None,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        check_id("archive", archive_id)
        asked = check_retrieval_range(byte_range)
        text = check_description(description)
        async with self._doing("InitiateJob", vault):
            of = self._vault(vault)
            archive = of.archives.get(archive_id)
            if archive is None:
                raise missing(f"The archive ID was not found: {archive_id}")
            whole = ByteRange(0, archive.size)
            range_ = asked or whole
            if not is_megabyte_aligned(range_, archive.size):
                raise invalid(f"Invalid retrieval byte range: {range_}")
            output = of.bodies[archive_id][range_.start : range_.stop]
            tier = tier or Tier.STANDARD
            initial = JobDescription(
                id=JobId(_new_id(92)),
                vault_arn=of.arn,
                action=JobAction.ARCHIVE_RETRIEVAL,
                status=JobStatus.IN_PROGRESS,
                created=self.now,
                description=text,
                sns_topic=sns_topic,
                tier=tier,
                archive_id=archive_id,
                archive_size=archive.size,
                archive_tree_hash=archive.tree_hash,
                byte_range=range_,
                tree_hash=tree_hash_of(output) if is_tree_hash_aligned(range_, archive.size) else None,
            )
            of.jobs[initial.id] = fake_job.FakeJob(
                initial,
                self._done_at(tier),
                output,
                whole_size=archive.size,
                archive_description=archive.description,
            )
            return initial.id

    async def initiate_inventory_retrieval(
        self,
        vault: str,
        parameters: InventoryParameters,
        *,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        text = check_description(description)
        async with self._doing("InitiateJob", vault):
            of = self._vault(vault)
            if of.listing is None:
                raise missing(f"No inventory is available for the vault yet: {of.arn}")
            output, next_marker = fake_job.write_inventory(of.arn, of.listing, parameters)
            initial = JobDescription(
                id=JobId(_new_id(92)),
                vault_arn=of.arn,
                action=JobAction.INVENTORY_RETRIEVAL,
                status=JobStatus.IN_PROGRESS,
                created=self.now,
                description=text,
                sns_topic=sns_topic,
                inventory=parameters,
            )
            of.jobs[initial.id] = fake_job.FakeJob(
                initial, self._done_at(None), output, next_marker=next_marker
            )
            return initial.id

    async def describe_job(self, vault: str, job_id: JobId) -> JobDescription:
        check_id("job", job_id)
        async with self._doing("DescribeJob", vault):
            return self._vault(vault).job(job_id).describe(self.now)

    async def list_jobs(
        self,
        vault: str,
        *,
        completed: bool | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[JobDescription]:
        async with self._doing("ListJobs", vault):
            jobs = [job.describe(self.now) for job in reversed(self._vault(vault).jobs.values())]
            wanted = [
                job
                for job in jobs
                if (completed is None or job.is_done is completed)
                and (status is None or job.status is status)
            ]
            return _page(wanted, lambda job: job.id, limit, marker)

    @asynccontextmanager
    async def get_job_output(
        self, vault: str, job_id: JobId, byte_range: ByteRange | None = None
    ) -> AsyncIterator[JobOutput]:
        check_id("job", job_id)
        async with self._doing("GetJobOutput", vault):
            job = self._vault(vault).job(job_id)
            if job.describe(self.now).status is not JobStatus.SUCCEEDED:
                raise invalid(f"The job is not currently available for download: {job_id}")
            range_ = byte_range or ByteRange(0, len(job.output))
            if range_.start >= len(job.output):
                raise invalid(f"The start of the range is larger than size of retrieved data: bytes={range_}")
            range_ = ByteRange(range_.start, min(range_.stop, len(job.output)))
        async with fake_job.opened(job, range_) as output:
            yield output

    # --- the account

    async def get_data_retrieval_policy(self) -> RetrievalPolicy:
        async with self._doing("GetDataRetrievalPolicy"):
            return self._policy

    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None:
        async with self._doing("SetDataRetrievalPolicy"):
            if (policy.bytes_per_hour is not None) != (policy.strategy is RetrievalStrategy.BYTES_PER_HOUR):
                raise invalid("Invalid data retrieval policy.")
            self._policy = policy

    async def purchase_provisioned_capacity(self) -> CapacityId:
        async with self._doing("PurchaseProvisionedCapacity"):
            if len(self._capacity) >= VAULT.max_capacity_units:
                raise invalid("The limit of capacity units is reached.", code="LimitExceededException")
            unit = ProvisionedCapacity(CapacityId(_new_id(24)), self.now, self.now + timedelta(days=30))
            self._capacity.append(unit)
            return unit.id

    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]:
        async with self._doing("ListProvisionedCapacity"):
            return tuple(unit for unit in self._capacity if unit.expires > self.now)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> RawResponse:
        """Refused: there is no wire here to send a raw request on.

        Raises:
            ConfigurationError: Always.
        """
        del query, headers, body
        raise ConfigurationError(
            f"{method} {path}: a Glacier in memory speaks no HTTP; aioglacier.server.LocalGlacier does"
        )

    # --- how

    @asynccontextmanager
    async def _doing(
        self,
        operation: str,
        vault: str | None = None,
        *,
        body: Body = _NO_BODY,
        tree_hash: bytes = b"",
        byte_range: ByteRange | None = None,
    ) -> AsyncIterator[None]:
        """One operation: counts it, lets time pass and faults strike, and turns refusals into errors."""
        if vault is not None:
            check_vault_name(vault)
        await anyio.lowlevel.checkpoint()
        self.calls[operation] += 1
        for each in self._vaults.values():
            each.pass_time(self.now, inventory_lag=self._inventory_lag)
        self._strike(operation, after_effect=False)
        try:
            yield
        except RefusedError as refused:
            document = json.dumps({"code": refused.code, "message": refused.message, "type": "Client"})
            headers = {"x-amzn-RequestId": "in-memory"}
            error = refusal(operation, refused.status, headers, document.encode(), local_time=self.now)
            error.vault = vault
            what = f"the part of bytes {byte_range}" if byte_range else "the archive"
            damaged = payload_refusal(error, what=what, tree_hash=tree_hash, byte_range=byte_range)
            if damaged and tree_hash:
                raise await change_in(body) or damaged from refused
            raise error from refused
        self._strike(operation, after_effect=True)

    def _strike(self, operation: str, *, after_effect: bool) -> None:
        waiting = self._faults.get((operation, after_effect))
        if waiting:
            raise waiting.popleft()

    def _vault(self, name: str) -> FakeVault:
        try:
            return self._vaults[name]
        except KeyError:
            raise missing(f"Vault not found for ARN: {self._arn(name)}") from None

    def _arn(self, name: str) -> str:
        return f"arn:aws:glacier:{self.region}:{self._account_id}:vaults/{name}"

    def _store(self, vault: FakeVault, body: bytes, hash_: bytes, description: str | None) -> StoredArchive:
        id_ = ArchiveId(_new_id(138))
        vault.store(Archive(id_, vault.name, len(body), hash_, description or "", self.now), body)
        return StoredArchive(id_, hash_, self.now)

    def _done_at(self, tier: Tier | None) -> datetime:
        seconds = JOB_SECONDS[tier] if self._job_seconds is None else self._job_seconds
        return self.now + timedelta(seconds=seconds)


def _page(
    items: Sequence[T],
    name: Callable[[T], str],
    limit: int | None,
    marker: str | None,
    *,
    largest: int = VAULT.max_items_per_page,
) -> Page[T]:
    """One page after the item that the marker names."""
    if limit is not None and not 1 <= limit <= largest:
        raise invalid(f"Invalid limit: {limit}. Limit must be between 1 and {largest}.")
    names = [name(item) for item in items]
    start = 0
    if marker:
        if marker not in names:
            raise invalid(f"Invalid marker: {marker}")
        start = names.index(marker) + 1
    stop = start + (limit or largest)
    return Page(tuple(items[start:stop]), names[stop - 1] if stop < len(items) else None)


def _describe_upload(upload: FakeUpload, vault_arn: str) -> UploadDescription:
    return UploadDescription(
        UploadId(upload.id), vault_arn, upload.part_size, upload.description, upload.started
    )


def _check_policy(policy: str) -> str:
    try:
        json.loads(policy)
    except ValueError:
        raise invalid("The specified vault lock policy is invalid. Provide a valid policy.") from None
    return policy


def _report(progress: Progress | None, size: int) -> None:
    if progress is not None:
        progress(size)


def _new_id(length: int) -> str:
    """An id of the service's alphabet; like the service's, it may begin with "-"."""
    return secrets.token_urlsafe(length)[:length]
