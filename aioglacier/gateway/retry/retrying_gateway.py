"""The gateway to the vaults that tries again, and looks for what a lost answer left behind."""

from __future__ import annotations

from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import (
    AccessDeniedError,
    OutcomeUnknownError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from aioglacier.core.models import JobAction
from aioglacier.core.upload_identity import may_be_lost
from aioglacier.gateway.contract.operation import Recovery
from aioglacier.gateway.contract.paging import follow
from aioglacier.gateway.retry.retrying import Retrying
from aioglacier.gateway.vaults.gateway import Gateway

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.core.errors import GlacierError
    from aioglacier.core.models import JobDescription, JobId, UploadId
    from aioglacier.gateway.contract.operation import Arguments

#: The service's clock may be this far behind ours for a job to count as started by this call. The service
#: accepts signatures within five minutes.
_CLOCK_TOLERANCE: Final = timedelta(minutes=10)


class RetryingGateway(Retrying, Gateway):
    """A gateway to the vaults that tries again."""

    async def find_effect(self, recovery: Recovery, arguments: Arguments, since: datetime) -> Any:
        """See ``Retrying``."""
        if recovery is Recovery.FIND_JOB:
            return await self._find_job(arguments, since - _CLOCK_TOLERANCE)
        with suppress(AccessDeniedError):  # an empty upload that stays behind is no reason to give up
            return await self._find_upload(arguments, since)
        return None

    def unknown_outcome(self, error: GlacierError, arguments: Arguments) -> OutcomeUnknownError | None:
        """See ``Retrying``.

        "No such upload" is a result at the first attempt. After a lost answer it proves nothing, because the
        lost attempt may have completed the upload.
        """
        upload_id = arguments.get("upload_id")
        if upload_id is None:
            return OutcomeUnknownError(
                f"the archive was sent and its answer lost ({error.message})",
                size=arguments["body"].nbytes,
                tree_hash=arguments["hashes"].tree_hash,
            )
        if isinstance(error, UploadNotFoundError):
            why = f"upload {upload_id} was completed, the answer lost, and now the upload is gone"
        elif isinstance(error, UnexpectedResponseError):
            why = f"upload {upload_id} was completed, and the answer is not Glacier's ({error.message})"
        else:
            return None
        return OutcomeUnknownError(why, size=arguments["size"], tree_hash=arguments["tree_hash"])

    async def _find_upload(self, arguments: Arguments, since: datetime) -> UploadId | None:
        """Take an upload that a lost answer left behind. It has no name; see ``core.upload_identity``."""
        vault = arguments["vault"]
        found = [
            upload.id
            async for upload in follow(
                "ListMultipartUploads", lambda marker: self.list_multipart_uploads(vault, marker=marker)
            )
            if may_be_lost(
                upload,
                description=arguments.get("description"),
                part_size=arguments["part_size"],
                since=since,
            )
        ]
        return await self.lost_uploads.take_empty(
            found, lambda upload_id: self.list_parts(vault, upload_id, limit=1)
        )

    async def _find_job(self, arguments: Arguments, since: datetime) -> JobId | None:
        """Return the job that a lost answer left behind, by its description."""
        jobs = follow("ListJobs", lambda marker: self.list_jobs(arguments["vault"], marker=marker))
        async with aclosing(jobs):
            async for job in jobs:
                is_ours = job.description == arguments["description"] and job.created >= since
                if is_ours and _is_same(job, arguments):
                    return job.id
        return None


def _is_same(job: JobDescription, arguments: Arguments) -> bool:
    """Return whether a job does the work that a call asked for."""
    if "archive_id" not in arguments:
        return job.action is JobAction.INVENTORY_RETRIEVAL
    byte_range = arguments.get("byte_range")
    return (
        job.action is JobAction.ARCHIVE_RETRIEVAL
        and job.archive_id == arguments["archive_id"]
        and (byte_range is None or job.byte_range == byte_range)
    )
