"""The seam between the house and the service: what every gateway, real, wrapping or fake, offers.

Methods are named after the service's operations. Each does one operation once, unless it says otherwise,
and raises an error of ``aioglacier.core.errors``: ``ServiceError`` where the service refused,
``TransportError`` where it could not be talked to, ``CredentialsError`` where it did not believe us.

A cancelled call may or may not have taken effect at the service; what it held here, connection and memory,
is released before the cancellation goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

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
    from aioglacier.files.reading import FileRange

    #: What a request sends: memory, or a range of an open file, which every attempt reads anew. It must not
    #: change until the call is over; what changes all the same is refused by its hashes.
    Body = memoryview | FileRange

    #: Told how many more bytes have been handed to the connection, and, as a negative number, how many of
    #: them were in vain because the attempt failed. Of a success the sum is the size. Must be quick.
    Progress = Callable[[int], None]

    #: Awaited, at each attempt, when all of a body but its last slice was handed over. The request cannot
    #: take effect before it returns. It must not raise: what then becomes of the attempt is not defined.
    BeforeLast = Callable[[], Awaitable[None]]


class QueueUnreadableError(Exception):
    """A queue of notifications cannot be read now; whoever listens falls back to asking the service."""


class JobOutput(Protocol):
    """An open answer with the bytes, or some of the bytes, of a job's output. Its bytes are read once."""

    @property
    def size(self) -> int:
        """Bytes this answer promises."""
        ...

    @property
    def total(self) -> int:
        """Bytes of the whole output."""
        ...

    @property
    def tree_hash(self) -> bytes | None:
        """The service's tree hash of exactly these bytes, where it can vouch for them."""
        ...

    @property
    def description(self) -> str:
        """The archive's description, "" without one."""
        ...

    @property
    def content_type(self) -> str:
        """As sent."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, in blocks as they arrive.

        Raises:
            ConnectionLostError: Fewer bytes came than promised.
            StalledTransferError: They stopped coming.
        """
        ...

    async def receive_into(self, view: memoryview, progress: Progress) -> None:
        """Fill ``view`` with the next bytes, where it can be without a copy on the way.

        ``progress`` is told of bytes that are in the view, in order. When this returns or raises, or is
        cancelled, the view is the caller's again; what was not told of does not count.

        Raises:
            ConnectionLostError: Fewer bytes came than promised, or fewer are left than were asked for.
            StalledTransferError: They stopped coming.
        """
        ...


class RawResponse(Protocol):
    """An answer to a request that has no method of its own."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any case."""
        ...

    @property
    def body(self) -> bytes:
        """All of it, but of an error at most its first 64 KiB."""
        ...


class Gateway(Protocol):
    """Every operation of the vault API of 2012-06-01."""

    @property
    def region(self) -> str:
        """The region requests are signed for."""
        ...

    @property
    def origin(self) -> str:
        """The scheme, host and port that bytes go to, and nowhere else."""
        ...

    # --- vaults

    async def create_vault(self, vault: str) -> None: ...

    async def describe_vault(self, vault: str) -> VaultDescription: ...

    async def delete_vault(self, vault: str) -> None: ...

    async def list_vaults(
        self, *, limit: int | None = None, marker: str | None = None
    ) -> Page[VaultDescription]: ...

    async def set_vault_notifications(self, vault: str, config: NotificationConfig) -> None: ...

    async def get_vault_notifications(self, vault: str) -> NotificationConfig: ...

    async def delete_vault_notifications(self, vault: str) -> None: ...

    async def set_vault_access_policy(self, vault: str, policy: str) -> None: ...

    async def get_vault_access_policy(self, vault: str) -> str: ...

    async def delete_vault_access_policy(self, vault: str) -> None: ...

    async def initiate_vault_lock(self, vault: str, policy: str) -> LockId: ...

    async def complete_vault_lock(self, vault: str, lock_id: LockId) -> None: ...

    async def abort_vault_lock(self, vault: str) -> None: ...

    async def get_vault_lock(self, vault: str) -> VaultLock: ...

    async def add_tags_to_vault(self, vault: str, tags: Mapping[str, str]) -> None: ...

    async def remove_tags_from_vault(self, vault: str, keys: Sequence[str]) -> None: ...

    async def list_tags_for_vault(self, vault: str) -> dict[str, str]: ...

    # --- archives

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
        """Send a whole archive in one request.

        ``body`` is sent slice by slice and must not change until this returns. ``progress`` is told of bytes
        as they go, and of as many below zero if the request fails.

        Raises:
            SourceChangedError: The file that the body is a range of has changed since it was opened.
            SourceUnreadableError: The file cannot be read.
            UnexpectedResponseError: A success without an archive id.
            IntegrityError: The service computed another tree hash; the error names the archive id.
        """
        ...

    async def delete_archive(self, vault: str, archive_id: ArchiveId) -> None: ...

    # --- multipart uploads

    async def initiate_multipart_upload(
        self, vault: str, *, part_size: int, description: str | None = None
    ) -> UploadId: ...

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
        """Send one part, whose first byte is byte ``start`` of the archive.

        ``body`` is sent slice by slice and must not change until this returns. Returning means that the
        service echoed our tree hash. ``progress`` is as in ``upload_archive``.

        Raises:
            SourceChangedError: The file that the body is a range of has changed since it was opened.
            SourceUnreadableError: The file cannot be read.
            IntegrityError: The service refused the hash or echoed none or another; the part does not count.
        """
        ...

    async def complete_multipart_upload(
        self, vault: str, upload_id: UploadId, *, size: int, tree_hash: bytes
    ) -> StoredArchive: ...

    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None: ...

    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]: ...

    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]: ...

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
        """InitiateJob for an archive."""
        ...

    async def initiate_inventory_retrieval(
        self,
        vault: str,
        parameters: InventoryParameters,
        *,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        """InitiateJob for an inventory."""
        ...

    async def describe_job(self, vault: str, job_id: JobId) -> JobDescription: ...

    async def list_jobs(
        self,
        vault: str,
        *,
        completed: bool | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[JobDescription]: ...

    def get_job_output(
        self, vault: str, job_id: JobId, byte_range: ByteRange | None = None
    ) -> AbstractAsyncContextManager[JobOutput]:
        """Open the output of a finished job, or a range of it that counts from the output's start.

        Leaving the block before the end drops the connection.
        """
        ...

    # --- the account

    async def get_data_retrieval_policy(self) -> RetrievalPolicy: ...

    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None: ...

    async def purchase_provisioned_capacity(self) -> CapacityId: ...

    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]: ...

    # --- anything else

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> RawResponse:
        """Send one signed request, for what has no method here; any status is returned but a redirect's.

        ``path`` begins after the account, as ``vaults/photos``; a leading "/" makes it the whole path.
        """
        ...
