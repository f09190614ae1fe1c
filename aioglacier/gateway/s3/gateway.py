"""The table of the S3 API of 2006-03-01, as far as archives need it: typed signatures below their rows.

A gateway does each operation once, unless it says otherwise, and raises errors as the gateway to the vaults
does. All errors carry ``bucket``, and where the call has them ``key`` and ``upload_id``.

Paths are those below the bucket: it stands before them, or in the host's name.
"""

# The rows replace the bodies.
# mypy: disable-error-code="empty-body"
# pyright: reportReturnType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import (
    BucketIsYoursError,
    BucketNotFoundError,
    ObjectChangedError,
    ObjectConflictError,
    ObjectNotFoundError,
    RestoreInProgressError,
    UploadNotFoundError,
)
from aioglacier.core.limits import S3
from aioglacier.core.spending import Charge
from aioglacier.gateway.contract.operation import Operation, Performer, Recovery, Rule
from aioglacier.gateway.contract.row_columns import argument, fixed, nothing, text
from aioglacier.gateway.s3 import answers, documents
from aioglacier.gateway.s3.arguments import (
    BODY_CHECKSUM,
    SETTINGS,
    charge_beginning,
    charge_head,
    charge_list,
    charge_object,
    charge_restore,
    pin_object,
    write_checksum_type,
    write_completion,
    write_restore_request,
    write_switch,
    write_unless_overwriting,
    write_whole_checksum,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.models import Page, Tier, UploadId
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.s3.objects import (
        BucketDescription,
        BucketRef,
        ChecksumAlgorithm,
        LifecycleRule,
        LockDefault,
        ObjectAttributes,
        ObjectChecksum,
        ObjectEntry,
        ObjectHead,
        ObjectSettings,
        ObjectUpload,
        StoredObject,
        UploadedObjectPart,
    )
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.operation import Arguments
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Output, Progress


_LIMIT: Final = argument("limit")

GET_OBJECT: Final = Operation(
    "GetObject",
    "GET {key}",
    answers.head,
    query={"partNumber": argument("part_number"), "versionId": text("version_id")},
    headers={
        "Range": argument("byte_range", "bytes={}".format),
        "If-Match": argument("etag", '"{}"'.format),
        "x-amz-checksum-mode": fixed("ENABLED"),
    },
    missing=ObjectNotFoundError,
    meanings={"PreconditionFailed": ObjectChangedError},
    pins=pin_object,
    # The head of an answer is no progress yet; its bytes are.
    rule=Rule(is_progress=False),
)


class S3Gateway(Performer):
    """Every operation of the S3 API that archives need."""

    def facts(self, arguments: Arguments) -> Mapping[str, Any]:
        """See ``Performer``."""
        bucket: BucketRef | None = arguments.get("bucket")
        facts = {name: arguments.get(name) for name in ("key", "upload_id")}
        return {**facts, "bucket": bucket.name if bucket is not None else None}

    # --- buckets

    @Operation(
        "CreateBucket",
        "PUT ",
        nothing,
        headers={"x-amz-bucket-object-lock-enabled": argument("has_object_lock", write_switch)},
        document=lambda arguments: documents.write_location(arguments["region"]).encode(),
        rule=Rule(shown_by=BucketIsYoursError),
    )
    async def create_bucket(
        self, bucket: BucketRef, *, region: str, has_object_lock: bool | None = None
    ) -> None:
        """Create a bucket in ``region``, which must be the gateway's own.

        Raises:
            BucketExistsError: The name is taken; ``BucketIsYoursError``, a kind of it, by this account.
        """

    @Operation("HeadBucket", "HEAD ", answers.region_of, missing=BucketNotFoundError, charge=charge_head)
    async def head_bucket(self, bucket: BucketRef) -> str | None:
        """Return the bucket's region, ``None`` where the service does not tell it."""

    @Operation(
        "ListBuckets",
        "GET ",
        answers.document(documents.read_buckets, "ListAllMyBucketsResult"),
        query={"max-buckets": _LIMIT, "continuation-token": text("marker"), "prefix": text("prefix")},
        charge=charge_list,
    )
    async def list_buckets(
        self, *, prefix: str | None = None, limit: int | None = None, marker: str | None = None
    ) -> Page[BucketDescription]: ...

    @Operation(
        "DeleteBucket",
        "DELETE ",
        nothing,
        missing=BucketNotFoundError,
        rule=Rule(shown_by=BucketNotFoundError),
    )
    async def delete_bucket(self, bucket: BucketRef) -> None: ...

    @Operation(
        "GetBucketLifecycleConfiguration",
        "GET ?lifecycle",
        answers.document(documents.read_lifecycle, "LifecycleConfiguration"),
        charge=charge_head,
    )
    async def get_bucket_lifecycle(self, bucket: BucketRef) -> tuple[LifecycleRule, ...]:
        """Return the bucket's rules.

        Raises:
            ResourceNotFoundError: It has none; ``BucketNotFoundError``, a kind of it: there is no bucket.
        """

    @Operation(
        "GetBucketVersioning",
        "GET ?versioning",
        answers.document(documents.read_versioning, "VersioningConfiguration"),
        charge=charge_head,
    )
    async def get_bucket_versioning(self, bucket: BucketRef) -> bool:
        """Return whether the bucket keeps a version where an object is replaced or deleted."""

    @Operation(
        "GetObjectLockConfiguration",
        "GET ?object-lock",
        answers.document(documents.read_object_lock, "ObjectLockConfiguration"),
        charge=charge_head,
    )
    async def get_object_lock(self, bucket: BucketRef) -> LockDefault:
        """Return the retention of new objects.

        Raises:
            ResourceNotFoundError: The bucket has no Object Lock, or there is no bucket.
        """

    # --- objects

    @Operation(
        "PutObject",
        "PUT {key}",
        answers.stored_whole,
        headers={**SETTINGS, **BODY_CHECKSUM, "If-None-Match": write_unless_overwriting},
        largest_body=S3.max_body_size,
        missing=BucketNotFoundError,
        # A repetition that finds an object under the key cannot tell whose it is.
        rule=Rule(recovery=Recovery.SAY_UNKNOWN, passes=ObjectConflictError),
        charge=charge_object,
    )
    async def put_object(
        self,
        bucket: BucketRef,
        key: str,
        body: Body,
        *,
        hashes: PartHashes,
        settings: ObjectSettings,
        md5: bytes | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
        before_last: BeforeLast | None = None,
    ) -> StoredObject:
        """Send a whole object in one request.

        The service checks the payload hash in ``hashes`` as a SHA-256 checksum. Without a payload hash it
        checks ``crc64nvme``, and the body is not signed: over TLS, or to this machine, only. Without either,
        the CRC-64/NVME is computed while the body is sent, and follows it. ``md5`` takes the place of all
        three, for a store without additional checksums: its entity tag must be the same.

        Raises:
            ObjectExistsError: There is an object under this key, and ``overwrite`` is not set.
            IntegrityError: The service refused the checksum, or acknowledged none or another.
            OutcomeUnknownError: From a gateway that retries: an answer was lost, and there is an object now.
        """

    @Operation(
        "HeadObject",
        "HEAD {key}",
        answers.head,
        query={"partNumber": argument("part_number"), "versionId": text("version_id")},
        headers={"x-amz-checksum-mode": fixed("ENABLED")},
        missing=ObjectNotFoundError,
        charge=charge_head,
    )
    async def head_object(
        self, bucket: BucketRef, key: str, *, part_number: int | None = None, version_id: str | None = None
    ) -> ObjectHead:
        """Describe an object; with ``part_number``, with the checksum of that part and the count of parts.

        The answer to a HEAD has no text, so a missing bucket is an ``ObjectNotFoundError`` too.
        """

    def get_object(
        self,
        bucket: BucketRef,
        key: str,
        *,
        byte_range: ByteRange | None = None,
        part_number: int | None = None,
        etag: str | None = None,
        version_id: str | None = None,
        total: int | None = None,
    ) -> AbstractAsyncContextManager[Output[ObjectHead]]:
        """Open an object, or a range or a part of it.

        A range carries no checksum; a part does, in ``output.head.checksum``. With ``etag``, an object that
        was replaced raises ``ObjectChangedError``; with ``total``, its size, an answer of another size is a
        failure. Leaving the block before the end drops the connection. A gateway that retries opens another
        connection where one breaks off.

        Raises:
            NotRetrievedError: The object must be restored first.
        """
        return self.open_output(
            GET_OBJECT,
            {
                "bucket": bucket,
                "key": key,
                "byte_range": byte_range,
                "part_number": part_number,
                "etag": etag,
                "version_id": version_id,
                "total": total,
            },
        )

    @Operation(
        "DeleteObject",
        "DELETE {key}",
        nothing,
        query={"versionId": text("version_id")},
        missing=BucketNotFoundError,
    )
    async def delete_object(self, bucket: BucketRef, key: str, *, version_id: str | None = None) -> None:
        """Delete an object; a key without one is no error.

        Raises:
            AccessDeniedError: Not allowed, be it by a policy or by an Object Lock.
        """

    @Operation(
        "GetObjectAttributes",
        "GET {key}?attributes",
        answers.document(documents.read_attributes),
        headers={
            "x-amz-object-attributes": fixed("ETag,Checksum,ObjectParts,StorageClass,ObjectSize"),
            "x-amz-max-parts": _LIMIT,
            "x-amz-part-number-marker": text("marker"),
        },
        missing=ObjectNotFoundError,
        charge=charge_head,
    )
    async def get_object_attributes(
        self, bucket: BucketRef, key: str, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[ObjectAttributes, Page[UploadedObjectPart]]:
        """Describe an object and a page of the parts that it was uploaded in, with their checksums.

        Parts that were uploaded without a checksum are not listed.
        """

    @Operation(
        "ListObjectsV2",
        "GET ?list-type=2&encoding-type=url",
        answers.objects,
        query={
            "prefix": text("prefix"),
            "start-after": text("after"),
            "max-keys": _LIMIT,
            "continuation-token": text("marker"),
        },
        headers={"x-amz-optional-object-attributes": fixed("RestoreStatus")},
        missing=BucketNotFoundError,
        charge=charge_list,
    )
    async def list_objects(
        self,
        bucket: BucketRef,
        *,
        prefix: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[ObjectEntry]:
        """List objects by key, with the state of their restores, those after the key ``after`` if given."""

    @Operation(
        "RestoreObject",
        "POST {key}?restore",
        answers.is_new,
        query={"versionId": text("version_id")},
        document=write_restore_request,
        missing=ObjectNotFoundError,
        rule=Rule(shown_by=RestoreInProgressError),
        charge=charge_restore,
    )
    async def restore_object(
        self,
        bucket: BucketRef,
        key: str,
        *,
        days: int | None,
        tier: Tier | None = None,
        storage_class: str | None = None,
        version_id: str | None = None,
        size: int | None = None,
    ) -> bool | None:
        """Ask for a copy that can be read for ``days``, or change how long an existing copy lives.

        ``size`` and ``storage_class`` are not sent. The price depends on the size, and a tier that the class
        lacks is refused here, since services do not refuse it. A faster tier speeds a running restore up.

        Returns:
            Whether a restore began. ``False``: there is a copy, which now lives as asked. ``None``: from a
            gateway that retries, an attempt without an answer began it.

        Raises:
            RestoreInProgressError: One is running, and this tier is no faster.
            InsufficientCapacityError: No Expedited restore is possible now.
        """

    # --- multipart uploads

    @Operation(
        "CreateMultipartUpload",
        "POST {key}?uploads",
        answers.document(answers.read_upload_id, "InitiateMultipartUploadResult"),
        headers={
            **SETTINGS,
            "x-amz-checksum-algorithm": argument("algorithm"),
            "x-amz-checksum-type": argument("algorithm", write_checksum_type),
        },
        missing=BucketNotFoundError,
        rule=Rule(recovery=Recovery.FIND_UPLOAD),
        charge=charge_beginning,
    )
    async def create_multipart_upload(
        self, bucket: BucketRef, key: str, *, settings: ObjectSettings, algorithm: ChecksumAlgorithm | None
    ) -> UploadId:
        """Begin an upload, whose parts carry checksums in ``algorithm``, or only their MD5.

        A gateway that retries takes the upload that a lost answer left behind; see ``retry.lost_uploads``.
        """

    @Operation(
        "UploadPart",
        "PUT {key}",
        answers.stored_part,
        query={"partNumber": argument("number"), "uploadId": text("upload_id")},
        headers=BODY_CHECKSUM,
        largest_body=S3.max_body_size,
        missing=UploadNotFoundError,
        charge=lambda arguments: Charge(parts=1, stored=arguments["body"].nbytes),
    )
    async def upload_part(
        self,
        bucket: BucketRef,
        key: str,
        upload_id: UploadId,
        body: Body,
        *,
        number: int,
        hashes: PartHashes,
        md5: bytes | None = None,
        progress: Progress | None = None,
    ) -> UploadedObjectPart:
        """Send part ``number``, counted from 1; see ``put_object`` for its hashes.

        Raises:
            IntegrityError: The service refused the checksum, or acknowledged none or another.
        """

    @Operation(
        "CompleteMultipartUpload",
        "POST {key}",
        answers.completed,
        query={"uploadId": text("upload_id")},
        headers={
            "x-amz-mp-object-size": argument("size"),
            "": write_whole_checksum,
            "If-None-Match": write_unless_overwriting,
        },
        document=write_completion,
        missing=UploadNotFoundError,
        is_slow=True,
        # AWS answers a repetition with the same object for a while, other services with an error.
        rule=Rule(recovery=Recovery.SAY_UNKNOWN),
        charge=lambda _: Charge(uploads=1),
    )
    async def complete_multipart_upload(
        self,
        bucket: BucketRef,
        key: str,
        upload_id: UploadId,
        *,
        parts: Sequence[UploadedObjectPart],
        size: int,
        checksum: ObjectChecksum | None = None,
        overwrite: bool = False,
    ) -> StoredObject:
        """Make an object of parts.

        ``checksum`` is that of the whole, in the upload's algorithm: of the parts' checksums, with their
        count, or of all bytes. Only the latter is sent; the answer is compared with either.

        Raises:
            ObjectExistsError: There is an object under this key, and ``overwrite`` is not set.
            ObjectConflictError: Another write to the key was in progress; the upload must begin again.
            IntegrityError: The service found another checksum; ``error.is_stored`` tells whether it made an
                object nevertheless.
            OutcomeUnknownError: From a gateway that retries: an answer was lost, and a repetition found the
                upload gone or an object under the key. The object's head tells whose it is.
        """

    @Operation(
        "AbortMultipartUpload",
        "DELETE {key}",
        nothing,
        query={"uploadId": text("upload_id")},
        missing=UploadNotFoundError,
        rule=Rule(shown_by=UploadNotFoundError),
    )
    async def abort_multipart_upload(self, bucket: BucketRef, key: str, upload_id: UploadId) -> None: ...

    @Operation(
        "ListParts",
        "GET {key}",
        answers.document(documents.read_parts, "ListPartsResult"),
        query={"uploadId": text("upload_id"), "max-parts": _LIMIT, "part-number-marker": text("marker")},
        missing=UploadNotFoundError,
        charge=charge_list,
    )
    async def list_parts(
        self,
        bucket: BucketRef,
        key: str,
        upload_id: UploadId,
        *,
        limit: int | None = None,
        marker: str | None = None,
    ) -> tuple[ObjectUpload, Page[UploadedObjectPart]]: ...

    @Operation(
        "ListMultipartUploads",
        "GET ?uploads&encoding-type=url",
        answers.document(documents.read_uploads, "ListMultipartUploadsResult"),
        query={
            "prefix": text("prefix"),
            "max-uploads": _LIMIT,
            "key-marker": argument("marker", lambda marker: documents.read_marker(marker, "key-marker")),
            "upload-id-marker": argument(
                "marker", lambda marker: documents.read_marker(marker, "upload-id-marker")
            ),
        },
        missing=BucketNotFoundError,
        charge=charge_list,
    )
    async def list_multipart_uploads(
        self,
        bucket: BucketRef,
        *,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[ObjectUpload]: ...
