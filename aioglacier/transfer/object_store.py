"""An S3 bucket as a store: one object under one key, whole or in parts.

What is proven: each part by the checksum that the service computed and echoed, the whole by the checksum of
those. SHA-256 is computed in the same pass as the tree hash and is also the hash that the request signs.
CRC64NVME takes the place of both: it finds damage and no forgery, the body is not signed, and the object has
no tree hash.

After a lost answer, the object's head shows whether the request took effect. An object under the key proves
nothing, since another program may have written it: each upload has a random token in its metadata, and the
token, the checksum and the size decide. An upload that was begun elsewhere has a token that is not known
here; then the checksum and the size decide.

A store that ``falls_back`` goes on with the MD5 of each body where the service refuses S3's checksum headers,
or acknowledges none. The proof is the entity tag then: the MD5 of a body, or of those of the parts.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar

from aioglacier.core.crc import IS_COMPILED, combine_crc64nvme
from aioglacier.core.errors import (
    AccessDeniedError,
    GlacierError,
    IntegrityError,
    ObjectConflictError,
    ObjectExistsError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    UploadExpiredError,
    UploadNotFoundError,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import ArchiveId
from aioglacier.core.place import Place
from aioglacier.core.s3.objects import (
    AUTO,
    DESCRIPTION_NAME,
    TREE_HASH_NAME,
    UPLOAD_NAME,
    ArchivedObject,
    ChecksumAlgorithm,
    ObjectChecksum,
    StoredObject,
    UploadedObjectPart,
)
from aioglacier.gateway.contract.paging import follow
from aioglacier.gateway.s3.documents import md5_of_etag
from aioglacier.transfer.content_md5 import joined, md5_of, refuses_checksums
from aioglacier.transfer.hashing.part_job import CRC, CRC_OF_SENT, PAYLOAD
from aioglacier.transfer.store import Destination, StoreRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from aioglacier.core.models import Page, UploadId
    from aioglacier.core.s3.objects import BucketRef, ObjectHead, ObjectSettings
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.transfer.store import PartDone

_log: Final = logging.getLogger("aioglacier.transfer")

R = TypeVar("R")

#: S3 keeps an unfinished upload until a rule or a request removes it.
RULES: Final[Mapping[ChecksumAlgorithm, StoreRules]] = {
    ChecksumAlgorithm.SHA256: StoreRules(
        S3, PAYLOAD, PAYLOAD, lambda hashes: hashes.payload_hash, None, takes_empty=True
    ),
    ChecksumAlgorithm.CRC64NVME: StoreRules(
        S3,
        CRC_OF_SENT if IS_COMPILED else CRC,  # in pure Python it takes minutes, which the loop must not wait
        CRC,
        lambda hashes: hashes.crc64nvme,
        None,
        takes_empty=True,
    ),
}


class ObjectStore:
    """A bucket that takes one object under one key.

    The key begins with ``prefix``, which the id of the object lacks. ``part_size`` is that of an upload that
    goes on, and ``token`` the random word in its metadata, where it is on record.
    """

    def __init__(
        self,
        gateway: S3Gateway,
        bucket: BucketRef,
        key: str,
        settings: ObjectSettings,
        *,
        algorithm: ChecksumAlgorithm = ChecksumAlgorithm.SHA256,
        falls_back: bool = False,
        overwrite: bool = False,
        prefix: str = "",
        part_size: int = 0,
        token: str | None = None,
    ) -> None:
        self.rules = RULES[algorithm]
        self._gateway = gateway
        self._bucket = bucket
        self._key = key
        self._settings = settings
        self._algorithm = algorithm
        self._falls_back = falls_back
        self._has_only_md5 = False
        self._overwrite = overwrite
        self._prefix = prefix
        self._part_size = part_size
        self._token = token

    @property
    def destination(self) -> Destination:
        """See ``SharedStore``."""
        bucket = self._bucket
        algorithm = AUTO if self._falls_back else self._algorithm
        return Destination(bucket.name, self._key, algorithm, bucket.owner, bucket.is_requester_pays)

    async def note_parts(self, parts: Sequence[PartDone]) -> None:
        """See ``SharedStore``; nothing is recorded here."""

    async def store_whole(
        self, body: Body, hashes: PartHashes, progress: Progress | None, before_last: BeforeLast | None = None
    ) -> ArchivedObject:
        """PutObject."""
        proof = self.rules.proof(hashes)
        checksum = ObjectChecksum(self._algorithm, proof) if proof else None  # or the answer tells it
        settings = self._with_token({TREE_HASH_NAME: hashes.tree_hash.hex()} if hashes.tree_hash else {})

        async def put(md5: bytes | None) -> StoredObject:
            return await self._gateway.put_object(
                self._bucket,
                self._key,
                body,
                hashes=hashes,
                settings=settings,
                md5=md5,
                overwrite=self._overwrite,
                progress=progress,
                before_last=before_last,
            )

        try:
            stored = await self._put(body, put)
            checksum = stored.checksum or checksum
        except IntegrityError as error:
            if error.actual or not self._falls_back:
                raise
            # It is stored, and only the checksum was ignored.
            md5 = ObjectChecksum(ChecksumAlgorithm.MD5, await md5_of(body))
            head = await self._look(error)
            # The checksum is what the service ignored, so token, size and MD5 prove it.
            if head is None or not self._is_ours(head, body.nbytes, None) or md5_of_etag(head.etag) != md5:
                raise
            return self.from_head(head, hashes.tree_hash, md5)
        except ObjectExistsError as error:
            raise self._exists(error) from error
        except OutcomeUnknownError as error:
            head = await self._look(error)
            if head is not None and self._is_ours(head, body.nbytes, checksum):
                return self.from_head(head, hashes.tree_hash, checksum)
            if head is not None and not self._overwrite:
                raise self._exists(None) from error
            raise  # with no object, the lost request may still be on its way
        return self._archived(stored, body.nbytes, hashes.tree_hash, checksum)

    async def initiate(self, part_size: int) -> UploadId:
        """CreateMultipartUpload. A key that is taken is refused before a part is sent."""
        self._part_size = part_size
        await self.check_free()
        begin = partial(
            self._gateway.create_multipart_upload, self._bucket, self._key, settings=self._with_token({})
        )
        if not self._has_only_md5:
            try:
                return await begin(algorithm=self._algorithm)
            except GlacierError as error:
                self._fall_back(error)
        return await begin(algorithm=None)

    async def check_free(self) -> None:
        """Refuse a key that is taken, unless the object may be replaced."""
        if not self._overwrite:
            with suppress(ObjectNotFoundError, AccessDeniedError):  # the end of the upload finds it, too
                await self._gateway.head_object(self._bucket, self._key)
                raise self._exists(None)

    async def put_part(
        self, upload_id: UploadId, start: int, body: Body, hashes: PartHashes, progress: Progress | None
    ) -> UploadedObjectPart:
        """UploadPart; the receipt names the part's bytes at the completion."""

        async def put(md5: bytes | None) -> UploadedObjectPart:
            return await self._gateway.upload_part(
                self._bucket,
                self._key,
                upload_id,
                body,
                number=start // self._part_size + 1,  # S3 counts from 1
                hashes=hashes,
                md5=md5,
                progress=progress,
            )

        try:
            return await self._put(body, put, repeats_ignored=True)
        except UploadNotFoundError as error:
            raise self._gone(upload_id, "it was completed, aborted or removed by a lifecycle rule") from error

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> ArchivedObject:
        """CompleteMultipartUpload, with the object's head where the answer leaves a doubt."""
        try:
            parts = await self._parts_of(upload_id, receipts)
        except UploadNotFoundError as error:
            return await self._settle(upload_id, error, size, tree_hash, None)
        checksum = self._checksum_of(parts)
        sent = None if checksum.algorithm is ChecksumAlgorithm.MD5 else checksum
        try:
            stored = await self._gateway.complete_multipart_upload(
                self._bucket,
                self._key,
                upload_id,
                parts=parts,
                size=size,
                checksum=sent,
                overwrite=self._overwrite,
            )
        except ObjectExistsError as error:
            raise self._exists(error) from error
        except ObjectConflictError as error:
            # S3's advice: the upload cannot be completed any more, so begin another one.
            with suppress(UploadNotFoundError):
                await self._gateway.abort_multipart_upload(self._bucket, self._key, upload_id)
            raise self._gone(upload_id, "another write to the key came in between") from error
        except (OutcomeUnknownError, UploadNotFoundError) as error:
            return await self._settle(upload_id, error, size, tree_hash, checksum)
        if stored.checksum is None:  # or the gateway has compared it
            head = await self._gateway.head_object(self._bucket, self._key, version_id=stored.version_id)
            self._check(head, size, checksum)
        return self._archived(stored, size, tree_hash, checksum)

    async def abort(self, upload_id: UploadId) -> None:
        """AbortMultipartUpload."""
        await self._gateway.abort_multipart_upload(self._bucket, self._key, upload_id)

    async def _parts_of(self, upload_id: UploadId, receipts: Sequence[object]) -> list[UploadedObjectPart]:
        """Return the receipt of every part; S3 lists those that are not known here."""
        known = [receipt for receipt in receipts if isinstance(receipt, UploadedObjectPart)]
        if known and len(known) == len(receipts):
            return known
        listed = {part.number: part async for part in self._list_parts(upload_id)}
        listed.update({part.number: part for part in known})  # a list may lack their checksums
        return [listed[number] for number in sorted(listed)]

    def _list_parts(self, upload_id: UploadId) -> AsyncIterator[UploadedObjectPart]:
        async def fetch(marker: str | None) -> Page[UploadedObjectPart]:
            _, page = await self._gateway.list_parts(self._bucket, self._key, upload_id, marker=marker)
            return page

        return follow("ListParts", fetch)

    # --- what became of it

    def from_head(
        self, head: ObjectHead, tree_hash: bytes, checksum: ObjectChecksum | None = None
    ) -> ArchivedObject:
        """Return the object of a head that was found to be ours."""
        found = StoredObject(head.etag, head.checksum, head.version_id, head.modified)
        return self._archived(found, head.size, tree_hash, checksum)

    async def _settle(
        self,
        upload_id: UploadId,
        error: GlacierError,
        size: int,
        tree_hash: bytes,
        checksum: ObjectChecksum | None,
    ) -> ArchivedObject:
        """Decide by the object's head whether an upload that is gone became the object.

        The checksum is not known where the parts went with the upload; the token decides then.
        """
        head = await self._look(error)
        if head is None:
            raise self._gone(upload_id, "and there is no object under the key") from error
        if self._is_ours(head, size, checksum):
            return self.from_head(head, tree_hash, checksum)
        if not self._overwrite:
            raise self._exists(None) from error
        raise error

    async def _look(self, error: GlacierError) -> ObjectHead | None:
        """Return the object's head, ``None`` without an object; raise ``error`` if it cannot be seen."""
        try:
            return await self._gateway.head_object(self._bucket, self._key)
        except ObjectNotFoundError:
            return None
        except GlacierError as failure:
            error.add_note(f"the object could not be looked at: {failure}")
            raise error from failure

    def _is_ours(self, head: ObjectHead, size: int, checksum: ObjectChecksum | None) -> bool:
        if head.size != size:
            return False
        if self._token is not None and head.metadata.get(UPLOAD_NAME) != self._token:
            return False
        if head.checksum is None or checksum is None:  # the token alone may decide, but nothing less
            return self._token is not None
        return head.checksum == checksum

    def _check(self, head: ObjectHead, size: int, checksum: ObjectChecksum) -> None:
        """Compare a finished object with what was sent."""
        is_md5 = checksum.algorithm is ChecksumAlgorithm.MD5
        found = md5_of_etag(head.etag) if is_md5 else head.checksum
        if head.size == size and found in {None, checksum}:
            return
        raise IntegrityError(
            f"s3://{self._bucket.name}/{self._key} has {head.size} bytes, not {size}, or another checksum",
            expected=checksum.value,
            actual=found.value if found is not None else b"",
            kind=str(self._algorithm),
        )

    # --- how

    async def _put(
        self, body: Body, put: Callable[[bytes | None], Awaitable[R]], *, repeats_ignored: bool = False
    ) -> R:
        """Send a body by its checksum, or by its MD5 where the service has no other."""
        if not self._has_only_md5:
            try:
                return await put(None)
            except GlacierError as error:
                if isinstance(error, IntegrityError) and not repeats_ignored:
                    raise
                self._fall_back(error)
        return await put(await md5_of(body))

    def _fall_back(self, error: GlacierError) -> None:
        """Do without additional checksums if the service refused or ignored them; else raise the error."""
        is_ignored = isinstance(error, IntegrityError) and not error.actual
        if not self._falls_back or not (is_ignored or refuses_checksums(error)):
            raise error
        if not self._has_only_md5:  # else another part has learned it
            _log.warning("the store of s3://%s takes no SHA-256; sending MD5 instead", self._bucket.name)
        self._has_only_md5 = True

    def _with_token(self, more: Mapping[str, str]) -> ObjectSettings:
        self._token = self._token or secrets.token_hex(8)
        metadata = {**self._settings.metadata, UPLOAD_NAME: self._token, **more}
        return replace(self._settings, metadata=metadata)

    def _checksum_of(self, parts: Sequence[UploadedObjectPart]) -> ObjectChecksum:
        """Return the checksum that the whole must have."""
        values = [(part.checksum or b"", part.size) for part in parts]
        if self._has_only_md5:
            whole = joined([found.value for part in parts if (found := md5_of_etag(part.etag))])
            return ObjectChecksum(ChecksumAlgorithm.MD5, whole, len(parts))
        if self._algorithm is ChecksumAlgorithm.SHA256:
            whole = sha256(b"".join(value for value, _ in values)).digest()
            return ObjectChecksum(self._algorithm, whole, len(parts))
        crc = 0
        for value, size in values:
            crc = combine_crc64nvme(crc, int.from_bytes(value, "big"), size)
        return ObjectChecksum(self._algorithm, crc.to_bytes(8, "big"))

    def _archived(
        self, stored: StoredObject, size: int, tree_hash: bytes, checksum: ObjectChecksum | None
    ) -> ArchivedObject:
        return ArchivedObject(
            ArchiveId(self._key.removeprefix(self._prefix)),
            str(Place(self._bucket.name, self._prefix)),
            size,
            tree_hash,
            self._settings.metadata.get(DESCRIPTION_NAME, ""),
            stored.stored_at,
            self._bucket.name,
            checksum or stored.checksum or ObjectChecksum(self._algorithm, b""),
            self._settings.storage_class,
            stored.etag,
            stored.version_id,
        )

    def _exists(self, error: ObjectExistsError | None) -> ObjectExistsError:
        failure = ObjectExistsError(
            f"s3://{self._bucket.name}/{self._key} exists and was not replaced; choose another key, or "
            "overwrite it (overwrite=True)",
            operation=error.operation if error is not None else "HeadObject",
            code=error.code if error is not None else "",
            status=error.status if error is not None else 200,
            request_id=error.request_id if error is not None else None,
        )
        failure.bucket, failure.key = self._bucket.name, self._key
        return failure

    def _gone(self, upload_id: UploadId, why: str) -> UploadExpiredError:
        return UploadExpiredError(
            f"upload {upload_id} of s3://{self._bucket.name}/{self._key} is no longer there: {why}; upload "
            "the source again"
        )
