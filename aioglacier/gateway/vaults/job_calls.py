"""The small calls about jobs, without botocore.

Beside the output they are all that a retrieval asks of the service. To load botocore takes a quarter of a
second of CPU time, a fifth of what a whole GiB takes to arrive, be hashed and be written.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aioglacier.core.checks import check_description, check_id, check_retrieval_range
from aioglacier.core.models import JobId
from aioglacier.gateway.vaults import documents
from aioglacier.gateway.vaults.answers import page_of
from aioglacier.gateway.vaults.calls import Calls, paging, reading

if TYPE_CHECKING:
    from aioglacier.core.models import (
        ArchiveId,
        InventoryParameters,
        JobDescription,
        JobStatus,
        Page,
        Tier,
    )
    from aioglacier.core.ranges import ByteRange


class JobCalls(Calls):
    """``Calls``, and what begins, describes and lists jobs."""

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
        range_ = check_retrieval_range(byte_range)
        return await self._initiate_job(
            vault,
            Type="archive-retrieval",
            ArchiveId=check_id("archive", archive_id),
            Tier=str(tier) if tier else None,
            RetrievalByteRange=str(range_) if range_ else None,
            SNSTopic=sns_topic,
            Description=check_description(description),
        )

    async def initiate_inventory_retrieval(
        self,
        vault: str,
        parameters: InventoryParameters,
        *,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        return await self._initiate_job(
            vault,
            Type="inventory-retrieval",
            Format=str(parameters.format),
            InventoryRetrievalParameters=documents.write_inventory(parameters) or None,
            SNSTopic=sns_topic,
            Description=check_description(description),
        )

    async def describe_job(self, vault: str, job_id: JobId) -> JobDescription:
        path = f"jobs/{check_id('job', job_id)}"
        return await self._get("DescribeJob", vault, path, documents.read_job)

    async def list_jobs(
        self,
        vault: str,
        *,
        completed: bool | None = None,
        status: JobStatus | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Page[JobDescription]:
        query = paging(limit, marker)
        if completed is not None:
            query["completed"] = "true" if completed else "false"
        if status is not None:
            query["statuscode"] = str(status)
        return await self._get("ListJobs", vault, "jobs", page_of("JobList", documents.read_job), query)

    async def _initiate_job(self, vault: str, **parameters: Any) -> JobId:
        given = {name: value for name, value in parameters.items() if value is not None}
        operation = "InitiateJob"
        answer = await self._ask(operation, "POST", vault, "jobs", body=json.dumps(given).encode())
        with reading(operation, vault):
            job_id = answer.headers["x-amz-job-id"]
            if not job_id:
                raise ValueError("jobId is empty")
        return JobId(job_id)
