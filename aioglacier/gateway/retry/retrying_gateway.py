"""The one layer that tries again: a gateway that holds a gateway."""

from __future__ import annotations

import time
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from aioglacier.core.errors import (
    AccessDeniedError,
    GlacierError,
    IntegrityError,
    OutcomeUnknownError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from aioglacier.core.models import JobAction
from aioglacier.gateway.retry.lost_uploads import LostUploads, every
from aioglacier.gateway.retry.resuming_output import ResumingOutput
from aioglacier.gateway.retry.retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from aioglacier.core.models import (
        ArchiveId,
        CapacityId,
        InventoryParameters,
        JobDescription,
        JobId,
        JobStatus,
        LockId,
        NotificationConfig,
        Page,
        ProvisionedCapacity,
        RetrievalPolicy,
        StoredArchive,
        Tier,
        UploadDescription,
        UploadedPart,
        UploadId,
        VaultDescription,
        VaultLock,
    )
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import (
        BeforeLast,
        Body,
        Gateway,
        JobOutput,
        Progress,
        RawResponse,
    )
    from aioglacier.gateway.retry.congestion import Congestion
    from aioglacier.gateway.retry.patience import RetryPolicy

T = TypeVar("T")

#: An upload that was begun here may be taken by another call before its answer is heard, which happens to one
#: after a lost answer; a service that gives ids again and again is none.
_TAKEN_IDS: Final = 10

#: How far the service's clock may be behind ours for a job of its to count as started by this call; it
#: accepts signatures within five minutes.
_CLOCK_TOLERANCE: Final = timedelta(minutes=10)


class RetryingGateway:
    """Tries again where that is safe and may help; see ``rules`` and ``patience``.

    Errors that leave here carry ``attempts``, ``elapsed_seconds`` and ``vault``.
    """

    def __init__(
        self,
        gateway: Gateway,
        policy: RetryPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._retrier = Retrier(policy, clock=clock, sleep=sleep)
        self._now = now
        self._lost_uploads = LostUploads()

    @property
    def region(self) -> str:
        """As the gateway within."""
        return self._gateway.region

    @property
    def origin(self) -> str:
        """As the gateway within."""
        return self._gateway.origin

    @property
    def congestion(self) -> Congestion:
        """The signs that too much was on its way at once."""
        return self._retrier.congestion

    def __repr__(self) -> str:
        return f"<RetryingGateway over {self._gateway!r}>"

    # --- what has rules of its own

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
        """Send a whole archive in one request, again only while no attempt may have stored it.

        Raises:
            OutcomeUnknownError: The archive may be stored, under an id that nobody was told.
        """
        call = self._retrier.begin("UploadArchive", vault)
        try:
            return await self._retrier.run(
                call,
                lambda: self._gateway.upload_archive(
                    vault,
                    body,
                    hashes=hashes,
                    description=description,
                    progress=self._noting(progress),
                    before_last=before_last,
                ),
            )
        except GlacierError as error:
            if not call.is_unclear or isinstance(error, IntegrityError):
                raise
            unknown = OutcomeUnknownError(
                f"the archive was sent and its answer lost ({error.message})",
                size=body.nbytes,
                tree_hash=hashes.tree_hash,
            )
            self._retrier.conclude(call, unknown)
            raise unknown from error

    async def complete_multipart_upload(
        self, vault: str, upload_id: UploadId, *, size: int, tree_hash: bytes
    ) -> StoredArchive:
        """Complete an upload; a repetition is answered with the same archive for a while.

        Raises:
            OutcomeUnknownError: An answer was lost, and the repetition found the upload gone; or no answer
                named the archive.
        """
        call = self._retrier.begin("CompleteMultipartUpload", vault)
        try:
            return await self._retrier.run(
                call,
                lambda: self._gateway.complete_multipart_upload(
                    vault, upload_id, size=size, tree_hash=tree_hash
                ),
            )
        except (UploadNotFoundError, UnexpectedResponseError) as error:
            if not call.is_unclear:
                raise
            is_gone = isinstance(error, UploadNotFoundError)
            why = (
                "lost, and now the upload is gone" if is_gone else f"none of the service's ({error.message})"
            )
            unknown = OutcomeUnknownError(
                f"upload {upload_id} was completed, the answer {why}",
                size=size,
                tree_hash=tree_hash,
            )
            unknown.upload_id = upload_id
            self._retrier.conclude(call, unknown)
            raise unknown from error

    async def initiate_multipart_upload(
        self, vault: str, *, part_size: int, description: str | None = None
    ) -> UploadId:
        """Begin an upload once: where an answer is lost, the upload that it left behind is taken.

        It has no name to know it by; see ``core.lost``. No two calls here are given the same one.
        """
        since = self._now()

        async def attempt() -> UploadId:
            for _ in range(_TAKEN_IDS):
                upload_id = await self._gateway.initiate_multipart_upload(
                    vault, part_size=part_size, description=description
                )
                if self._lost_uploads.take(upload_id):
                    return upload_id
            raise UnexpectedResponseError(
                f"the service gave the same upload id for several uploads, {_TAKEN_IDS} times in a row",
                operation="InitiateMultipartUpload",
                status=201,
                may_have_taken_effect=False,
            )

        async def look() -> UploadId | None:
            with suppress(AccessDeniedError):  # an empty upload that stays behind is no reason to give up
                return await self._lost_uploads.find(
                    self, vault, description=description, part_size=part_size, since=since
                )
            return None

        call = self._retrier.begin("InitiateMultipartUpload", vault)
        return await self._retrier.run(call, attempt, look=look)

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
        """Start a retrieval once.

        If an answer is lost, a job with the same description and archive that was created since this call
        began is taken for ours, so give each job a description of its own. Without a description nothing
        can be looked for, and the error of the lost answer is raised.
        """

        def is_ours(job: JobDescription) -> bool:
            return (
                job.action is JobAction.ARCHIVE_RETRIEVAL
                and job.archive_id == archive_id
                and (byte_range is None or job.byte_range == byte_range)
            )

        return await self._initiate_job(
            vault,
            description,
            is_ours,
            lambda: self._gateway.initiate_archive_retrieval(
                vault,
                archive_id,
                tier=tier,
                byte_range=byte_range,
                sns_topic=sns_topic,
                description=description,
            ),
        )

    async def initiate_inventory_retrieval(
        self,
        vault: str,
        parameters: InventoryParameters,
        *,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        """Start an inventory job once; see ``initiate_archive_retrieval``."""
        return await self._initiate_job(
            vault,
            description,
            lambda job: job.action is JobAction.INVENTORY_RETRIEVAL,
            lambda: self._gateway.initiate_inventory_retrieval(
                vault, parameters, sns_topic=sns_topic, description=description
            ),
        )

    async def _initiate_job(
        self,
        vault: str,
        description: str | None,
        is_ours: Callable[[JobDescription], bool],
        attempt: Callable[[], Awaitable[JobId]],
    ) -> JobId:
        since = self._now() - _CLOCK_TOLERANCE

        async def look() -> JobId | None:
            async with aclosing(every(lambda marker: self.list_jobs(vault, marker=marker))) as jobs:
                async for job in jobs:
                    if job.description == description and job.created >= since and is_ours(job):
                        return job.id
            return None

        call = self._retrier.begin("InitiateJob", vault)
        return await self._retrier.run(call, attempt, look=look if description else None)

    @asynccontextmanager
    async def get_job_output(
        self, vault: str, job_id: JobId, byte_range: ByteRange | None = None
    ) -> AsyncIterator[JobOutput]:
        """Open a job's output; where the connection breaks off, another one goes on."""
        async with ResumingOutput(self._gateway, self._retrier, vault, job_id, byte_range) as output:
            yield output

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
        noting = self._noting(progress)
        await self._retrier.run(
            self._retrier.begin("UploadMultipartPart", vault),
            lambda: self._gateway.upload_multipart_part(
                vault, upload_id, body, start=start, hashes=hashes, progress=noting
            ),
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> RawResponse:
        """Send one request; only GET and HEAD are sent again, and only where no answer came at all."""

        def attempt() -> Awaitable[RawResponse]:
            return self._gateway.request(method, path, query=query, headers=headers, body=body)

        if method.upper() not in {"GET", "HEAD"}:
            return await attempt()
        return await self._run(f"{method} {path}", None, attempt)

    # --- what may go again at any time

    async def create_vault(self, vault: str) -> None:
        await self._run("CreateVault", vault, lambda: self._gateway.create_vault(vault))

    async def describe_vault(self, vault: str) -> VaultDescription:
        return await self._run("DescribeVault", vault, lambda: self._gateway.describe_vault(vault))

    async def delete_vault(self, vault: str) -> None:
        call = self._retrier.begin("DeleteVault", vault)
        await self._retrier.run_until_gone(call, lambda: self._gateway.delete_vault(vault))

    async def list_vaults(
        self, *, limit: int | None = None, marker: str | None = None
    ) -> Page[VaultDescription]:
        return await self._run(
            "ListVaults", None, lambda: self._gateway.list_vaults(limit=limit, marker=marker)
        )

    async def set_vault_notifications(self, vault: str, config: NotificationConfig) -> None:
        await self._run(
            "SetVaultNotifications", vault, lambda: self._gateway.set_vault_notifications(vault, config)
        )

    async def get_vault_notifications(self, vault: str) -> NotificationConfig:
        return await self._run(
            "GetVaultNotifications", vault, lambda: self._gateway.get_vault_notifications(vault)
        )

    async def delete_vault_notifications(self, vault: str) -> None:
        await self._run(
            "DeleteVaultNotifications", vault, lambda: self._gateway.delete_vault_notifications(vault)
        )

    async def set_vault_access_policy(self, vault: str, policy: str) -> None:
        await self._run(
            "SetVaultAccessPolicy", vault, lambda: self._gateway.set_vault_access_policy(vault, policy)
        )

    async def get_vault_access_policy(self, vault: str) -> str:
        return await self._run(
            "GetVaultAccessPolicy", vault, lambda: self._gateway.get_vault_access_policy(vault)
        )

    async def delete_vault_access_policy(self, vault: str) -> None:
        await self._run(
            "DeleteVaultAccessPolicy", vault, lambda: self._gateway.delete_vault_access_policy(vault)
        )

    async def initiate_vault_lock(self, vault: str, policy: str) -> LockId:
        return await self._run(
            "InitiateVaultLock", vault, lambda: self._gateway.initiate_vault_lock(vault, policy)
        )

    async def complete_vault_lock(self, vault: str, lock_id: LockId) -> None:
        await self._run("CompleteVaultLock", vault, lambda: self._gateway.complete_vault_lock(vault, lock_id))

    async def abort_vault_lock(self, vault: str) -> None:
        await self._run("AbortVaultLock", vault, lambda: self._gateway.abort_vault_lock(vault))

    async def get_vault_lock(self, vault: str) -> VaultLock:
        return await self._run("GetVaultLock", vault, lambda: self._gateway.get_vault_lock(vault))

    async def add_tags_to_vault(self, vault: str, tags: Mapping[str, str]) -> None:
        await self._run("AddTagsToVault", vault, lambda: self._gateway.add_tags_to_vault(vault, tags))

    async def remove_tags_from_vault(self, vault: str, keys: Sequence[str]) -> None:
        await self._run(
            "RemoveTagsFromVault", vault, lambda: self._gateway.remove_tags_from_vault(vault, keys)
        )

    async def list_tags_for_vault(self, vault: str) -> dict[str, str]:
        return await self._run("ListTagsForVault", vault, lambda: self._gateway.list_tags_for_vault(vault))

    async def delete_archive(self, vault: str, archive_id: ArchiveId) -> None:
        call = self._retrier.begin("DeleteArchive", vault)
        await self._retrier.run_until_gone(call, lambda: self._gateway.delete_archive(vault, archive_id))

    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None:
        call = self._retrier.begin("AbortMultipartUpload", vault)
        await self._retrier.run_until_gone(
            call, lambda: self._gateway.abort_multipart_upload(vault, upload_id)
        )

    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]:
        return await self._run(
            "ListMultipartUploads",
            vault,
            lambda: self._gateway.list_multipart_uploads(vault, limit=limit, marker=marker),
        )

    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]:
        return await self._run(
            "ListParts",
            vault,
            lambda: self._gateway.list_parts(vault, upload_id, limit=limit, marker=marker),
        )

    async def describe_job(self, vault: str, job_id: JobId) -> JobDescription:
        return await self._run("DescribeJob", vault, lambda: self._gateway.describe_job(vault, job_id))

    async def list_jobs(
        self,
        vault: str,
        *,
        completed: bool | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[JobDescription]:
        return await self._run(
            "ListJobs",
            vault,
            lambda: self._gateway.list_jobs(
                vault, completed=completed, status=status, limit=limit, marker=marker
            ),
        )

    async def get_data_retrieval_policy(self) -> RetrievalPolicy:
        return await self._run("GetDataRetrievalPolicy", None, self._gateway.get_data_retrieval_policy)

    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None:
        await self._run(
            "SetDataRetrievalPolicy", None, lambda: self._gateway.set_data_retrieval_policy(policy)
        )

    async def purchase_provisioned_capacity(self) -> CapacityId:
        return await self._run(
            "PurchaseProvisionedCapacity", None, self._gateway.purchase_provisioned_capacity
        )

    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]:
        return await self._run("ListProvisionedCapacity", None, self._gateway.list_provisioned_capacity)

    # --- how

    async def _run(self, operation: str, vault: str | None, attempt: Callable[[], Awaitable[T]]) -> T:
        return await self._retrier.run(self._retrier.begin(operation, vault), attempt)

    def _noting(self, progress: Progress | None) -> Progress:
        """A progress callback that also tells patience that bytes move."""

        def note(count: int) -> None:
            if count > 0:
                self._retrier.patience.moved()
            if progress is not None:
                progress(count)

        return note
