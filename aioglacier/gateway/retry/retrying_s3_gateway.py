"""The gateway to S3 that tries again, and looks for what a lost answer left behind."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import (
    AccessDeniedError,
    ObjectConflictError,
    ObjectExistsError,
    OutcomeUnknownError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from aioglacier.core.upload_identity import CLOCK_TOLERANCE
from aioglacier.gateway.contract.paging import follow
from aioglacier.gateway.retry.retrying import Retrying
from aioglacier.gateway.s3.gateway import S3Gateway

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.errors import GlacierError
    from aioglacier.core.models import UploadId
    from aioglacier.core.s3.objects import ObjectUpload
    from aioglacier.gateway.contract.operation import Arguments, Recovery

#: Refusals of a repeated completion that do not tell what became of the lost attempt.
_PROVE_NOTHING: Final = (
    ObjectConflictError, ObjectExistsError, UnexpectedResponseError, UploadNotFoundError,
)  # fmt: skip


class RetryingS3Gateway(Retrying, S3Gateway):
    """A gateway to S3 that tries again."""

    async def find_effect(self, recovery: Recovery, arguments: Arguments, since: datetime) -> Any:
        """See ``Retrying``. Of an upload that is not found, S3 keeps nothing but its id."""
        del recovery  # only uploads are looked for
        with suppress(AccessDeniedError):
            return await self._find_upload(arguments, since)
        return None

    def unknown_outcome(self, error: GlacierError, arguments: Arguments) -> OutcomeUnknownError | None:
        """See ``Retrying``.

        After a lost answer, an object under the key may be the lost attempt's or another writer's, a missing
        upload may be complete, and a conflict may be one with the lost attempt, which still runs.
        """
        key, upload_id = arguments["key"], arguments.get("upload_id")
        if upload_id is None:
            why = f"object {key!r} was sent and its answer lost ({error.message})"
            return OutcomeUnknownError(why, size=arguments["body"].nbytes)
        proves_nothing = (
            ObjectExistsError | ObjectConflictError | UploadNotFoundError | UnexpectedResponseError
        )
        if not isinstance(error, proves_nothing):
            return None
        why = f"upload {upload_id} of {key!r} was completed and the answer lost ({error.message})"
        return OutcomeUnknownError(why, size=arguments["size"])

    async def _find_upload(self, arguments: Arguments, since: datetime) -> UploadId | None:
        """Take an upload that a lost answer left behind: of this key and kind, new, and without parts.

        If it is another writer's, the token in its metadata shows that at the end, and both write again.
        """
        bucket, key, settings = arguments["bucket"], arguments["key"], arguments["settings"]

        def fits(upload: ObjectUpload) -> bool:
            is_new = upload.started is not None and upload.started >= since - CLOCK_TOLERANCE
            is_alike = (upload.storage_class, upload.algorithm) == (
                settings.storage_class,
                arguments["algorithm"],
            )
            return upload.key == key and is_new and is_alike

        found = [
            upload.id
            async for upload in follow(
                "ListMultipartUploads",
                lambda marker: self.list_multipart_uploads(bucket, prefix=key, marker=marker),
            )
            if fits(upload)
        ]
        return await self.lost_uploads.take_empty(
            found, lambda upload_id: self.list_parts(bucket, key, upload_id, limit=1)
        )
