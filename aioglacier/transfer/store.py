"""The protocol of a place that keeps archives, as the engine uses it, and a Glacier vault as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aioglacier.core.errors import UploadExpiredError, UploadNotFoundError

if TYPE_CHECKING:
    from aioglacier.core.models import StoredArchive, UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.gateway.vaults.gateway import Gateway


@dataclass(frozen=True, slots=True)
class FinishedUpload:
    """The result of an engine: the store's answer beside what was computed here."""

    stored: StoredArchive
    size: int
    tree_hash: bytes


class ArchiveStore(Protocol):
    """A place that takes one archive, whole or in parts that arrive in any order."""

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> StoredArchive:
        """Store the archive in one request, which takes no effect before ``before_last`` has returned."""
        ...

    async def initiate(self, part_size: int) -> UploadId:
        """Begin an upload in parts."""
        ...

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> None:
        """Store one part; returning means that it is proven to be there. Repeating replaces it."""
        ...

    async def complete(self, upload_id: UploadId, size: int, tree_hash: bytes) -> StoredArchive:
        """Make the parts one archive."""
        ...

    async def abort(self, upload_id: UploadId) -> None:
        """Forget the upload and its parts."""
        ...


class GlacierStore:
    """A vault that takes one archive with one description."""

    def __init__(self, gateway: Gateway, vault: str, description: str | None) -> None:
        self._gateway = gateway
        self._vault = vault
        self._description = description

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> StoredArchive:
        """UploadArchive."""
        return await self._gateway.upload_archive(
            self._vault,
            body,
            hashes=hashes,
            description=self._description,
            progress=progress,
            before_last=before_last,
        )

    async def initiate(self, part_size: int) -> UploadId:
        """InitiateMultipartUpload."""
        return await self._gateway.initiate_multipart_upload(
            self._vault, part_size=part_size, description=self._description
        )

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> None:
        """UploadMultipartPart."""
        try:
            await self._gateway.upload_multipart_part(
                self._vault, upload_id, body, start=start, hashes=hashes, progress=progress
            )
        except UploadNotFoundError as error:
            raise _expired(upload_id) from error

    async def complete(self, upload_id: UploadId, size: int, tree_hash: bytes) -> StoredArchive:
        """CompleteMultipartUpload."""
        try:
            return await self._gateway.complete_multipart_upload(
                self._vault, upload_id, size=size, tree_hash=tree_hash
            )
        except UploadNotFoundError as error:
            raise _expired(upload_id) from error

    async def abort(self, upload_id: UploadId) -> None:
        """AbortMultipartUpload."""
        await self._gateway.abort_multipart_upload(self._vault, upload_id)


def _expired(upload_id: UploadId) -> UploadExpiredError:
    """Return the error for an upload that the service has removed."""
    return UploadExpiredError(
        f"upload {upload_id} is no longer at the service, which removes one after 24 hours without "
        "activity; its parts are gone, so upload the archive again"
    )
