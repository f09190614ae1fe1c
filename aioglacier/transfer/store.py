"""The protocol of a place that keeps archives, as the engine uses it, and a Glacier vault as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from aioglacier.core.errors import UploadExpiredError, UploadNotFoundError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioglacier.core.limits import PartLimits
    from aioglacier.core.models import StoredArchive, UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.gateway.vaults.gateway import Gateway


A_co = TypeVar("A_co", covariant=True)


class StoreRules(NamedTuple):
    """The facts of a kind of place that an engine needs.

    Attributes:
        limits: Its limits for parts.
        sent_hashes: The hashes to make of a part that is sent, see ``hashing.part_job``.
        known_hashes: The hashes to make of a part that the place may have.
        proof: Chooses the hash by which the place lists a part.
        upload_idle_seconds: How long an upload without activity is kept; ``None`` for ever.
        takes_empty: Whether an archive may have no bytes.
    """

    limits: PartLimits
    sent_hashes: str
    known_hashes: str
    proof: Callable[[PartHashes], bytes]
    upload_idle_seconds: int | None
    takes_empty: bool = False


VAULT_RULES: Final = StoreRules(
    VAULT, "payload", "tree", lambda hashes: hashes.tree_hash, VAULT.upload_idle_seconds
)


class ArchiveStore(Protocol[A_co]):
    """A place that takes one archive, whole or in parts that arrive in any order."""

    @property
    def rules(self) -> StoreRules:
        """The rules of this kind of place."""
        ...

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> A_co:
        """Store the archive in one request, which takes no effect before ``before_last`` has returned."""
        ...

    async def initiate(self, part_size: int) -> UploadId:
        """Begin an upload in parts."""
        ...

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> object:
        """Store one part; returning means that it is proven to be there. Repeating replaces it.

        Returns:
            A receipt that the completion needs, where this kind of place gives one.
        """
        ...

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> A_co:
        """Make the parts one archive. A part that was known before this engine began has no receipt."""
        ...

    async def abort(self, upload_id: UploadId) -> None:
        """Forget the upload and its parts."""
        ...


class Destination(NamedTuple):
    """The place of an upload as plain data, from which another process makes a store again.

    Attributes:
        name: The vault or the bucket.
        key: The whole key of the object; ``None`` for a vault.
        algorithm: Of the object's checksums.
        owner: See ``BucketRef``.
        is_requester_pays: See ``BucketRef``.
    """

    name: str
    key: str | None = None
    algorithm: str = ""
    owner: str | None = None
    is_requester_pays: bool = False


class PartDone(NamedTuple):
    """A part that another process has hashed, and its receipt if it was sent and the place gives one."""

    part: int  # its index
    size: int
    hashes: PartHashes
    receipt: object = None


@runtime_checkable
class SharedStore(ArchiveStore[A_co], Protocol[A_co]):
    """A store to which other processes may send parts of the same upload."""

    @property
    def destination(self) -> Destination:
        """The place."""
        ...

    async def note_parts(self, parts: Sequence[PartDone]) -> None:
        """Record parts that other processes have sent; return when that is on disk."""
        ...


class GlacierStore:
    """A vault that takes one archive with one description."""

    rules: Final = VAULT_RULES

    def __init__(self, gateway: Gateway, vault: str, description: str | None) -> None:
        self._gateway = gateway
        self._vault = vault
        self._description = description

    @property
    def destination(self) -> Destination:
        """See ``SharedStore``."""
        return Destination(self._vault)

    async def note_parts(self, parts: Sequence[PartDone]) -> None:
        """See ``SharedStore``; nothing is recorded here."""

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> Archive:
        """UploadArchive."""
        stored = await self._gateway.upload_archive(
            self._vault,
            body,
            hashes=hashes,
            description=self._description,
            progress=progress,
            before_last=before_last,
        )
        return self._archive(stored, body.nbytes, hashes.tree_hash)

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

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> Archive:
        """CompleteMultipartUpload."""
        del receipts
        try:
            stored = await self._gateway.complete_multipart_upload(
                self._vault, upload_id, size=size, tree_hash=tree_hash
            )
        except UploadNotFoundError as error:
            raise _expired(upload_id) from error
        return self._archive(stored, size, tree_hash)

    async def abort(self, upload_id: UploadId) -> None:
        """AbortMultipartUpload."""
        await self._gateway.abort_multipart_upload(self._vault, upload_id)

    def _archive(self, stored: StoredArchive, size: int, tree_hash: bytes) -> Archive:
        return Archive(stored.id, self._vault, size, tree_hash, self._description or "", stored.stored_at)


def _expired(upload_id: UploadId) -> UploadExpiredError:
    """Return the error for an upload that the service has removed."""
    return UploadExpiredError(
        f"upload {upload_id} is no longer at the service, which removes one after 24 hours without "
        "activity; its parts are gone, so upload the archive again"
    )
