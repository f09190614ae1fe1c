"""The table of the vault API of 2012-06-01: each operation's typed signature below its row.

A gateway does each operation once, unless it says otherwise, and raises errors of ``aioglacier.core.errors``:
``ServiceError`` where the service refused, ``TransportError`` where it gave no answer of its own,
``CredentialsError`` where it did not accept the caller.

A cancelled call may or may not have taken effect at the service. Its connection and its memory are released
before the cancellation goes on.
"""

# The rows replace the bodies.
# mypy: disable-error-code="empty-body"
# pyright: reportReturnType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aioglacier.core.errors import (
    ArchiveNotFoundError,
    JobNotFoundError,
    UploadNotFoundError,
    VaultNotFoundError,
)
from aioglacier.core.limits import VAULT
from aioglacier.core.models import CapacityId, JobId, LockId, Tier, UploadId
from aioglacier.core.spending import Charge
from aioglacier.gateway.contract.operation import Operation, Performer, Recovery, Repeat, Rule
from aioglacier.gateway.contract.row_columns import argument, fixed, header, nothing, text
from aioglacier.gateway.vaults import documents
from aioglacier.gateway.vaults.answers import (
    TREE_HASH_HEADER,
    acknowledged,
    document,
    job_tree_hash,
    part_range,
    stored_archive,
)
from aioglacier.gateway.vaults.arguments import (
    BODY_HASHES,
    DESCRIPTION,
    PAGE,
    members,
    write_archive_id,
    write_part_size,
    write_retrieval_range,
    write_tag_keys,
    write_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from aioglacier.core.models import (
        ArchiveId,
        InventoryParameters,
        JobDescription,
        JobStatus,
        NotificationConfig,
        Page,
        ProvisionedCapacity,
        RetrievalPolicy,
        StoredArchive,
        UploadDescription,
        UploadedPart,
        VaultDescription,
        VaultLock,
    )
    from aioglacier.core.ranges import ByteRange
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.operation import Arguments
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Output, Progress

#: A second job costs the same again, so the retry layer looks for the first in ListJobs before it asks again.
_JOB: Final = Rule(
    Repeat.IF_WITHOUT_EFFECT,
    recovery=Recovery.FIND_JOB,
    hint="the job may run all the same: look at the vault's jobs before starting another, or give each job "
    "its own description, by which a lost one is found",
)


def _charge_retrieval(arguments: Arguments) -> Charge:
    byte_range = arguments.get("byte_range")
    size = arguments.get("size") if byte_range is None else byte_range.size
    return Charge(tier=arguments.get("tier") or Tier.STANDARD, retrieved=size)


GET_JOB_OUTPUT: Final = Operation(
    "GetJobOutput",
    "GET vaults/{vault}/jobs/{job_id}/output",
    job_tree_hash,
    headers={"Range": argument("byte_range", "bytes={}".format)},
    missing=JobNotFoundError,
    # The head of an answer is no progress yet; its bytes are.
    rule=Rule(is_progress=False),
)


class Gateway(Performer):
    """Every operation of the vault API."""

    def facts(self, arguments: Arguments) -> Mapping[str, Any]:
        """See ``Performer``."""
        return {name: arguments.get(name) for name in ("vault", "archive_id", "job_id")}

    # --- vaults

    @Operation("CreateVault", "PUT vaults/{vault}", nothing)
    async def create_vault(self, vault: str) -> None: ...

    @Operation(
        "DescribeVault", "GET vaults/{vault}", document(documents.read_vault), missing=VaultNotFoundError
    )
    async def describe_vault(self, vault: str) -> VaultDescription: ...

    @Operation(
        "DeleteVault",
        "DELETE vaults/{vault}",
        nothing,
        missing=VaultNotFoundError,
        rule=Rule(shown_by=VaultNotFoundError),
    )
    async def delete_vault(self, vault: str) -> None: ...

    @Operation(
        "ListVaults", "GET vaults", document(documents.page_of("VaultList", documents.read_vault)), query=PAGE
    )
    async def list_vaults(
        self, *, limit: int | None = None, marker: str | None = None
    ) -> Page[VaultDescription]: ...

    @Operation(
        "SetVaultNotifications",
        "PUT vaults/{vault}/notification-configuration",
        nothing,
        document=members(
            {
                "SNSTopic": argument("config", lambda config: config.sns_topic),
                "Events": argument("config", lambda config: sorted(config.events)),
            }
        ),
    )
    async def set_vault_notifications(self, vault: str, config: NotificationConfig) -> None: ...

    @Operation(
        "GetVaultNotifications",
        "GET vaults/{vault}/notification-configuration",
        document(documents.read_notifications),
    )
    async def get_vault_notifications(self, vault: str) -> NotificationConfig: ...

    @Operation("DeleteVaultNotifications", "DELETE vaults/{vault}/notification-configuration", nothing)
    async def delete_vault_notifications(self, vault: str) -> None: ...

    @Operation(
        "SetVaultAccessPolicy",
        "PUT vaults/{vault}/access-policy",
        nothing,
        document=members({"Policy": text("policy")}),
    )
    async def set_vault_access_policy(self, vault: str, policy: str) -> None: ...

    @Operation(
        "GetVaultAccessPolicy", "GET vaults/{vault}/access-policy", document(documents.read_access_policy)
    )
    async def get_vault_access_policy(self, vault: str) -> str: ...

    @Operation("DeleteVaultAccessPolicy", "DELETE vaults/{vault}/access-policy", nothing)
    async def delete_vault_access_policy(self, vault: str) -> None: ...

    @Operation(
        "InitiateVaultLock",
        "POST vaults/{vault}/lock-policy",
        header("x-amz-lock-id", LockId),
        document=members({"Policy": text("policy")}),
        # The second is refused while the first is in progress, and its lock id would be lost.
        rule=Rule(
            Repeat.NEVER,
            hint="the lock may be in progress all the same: look at it, and abort it to begin again",
        ),
    )
    async def initiate_vault_lock(self, vault: str, policy: str) -> LockId: ...

    @Operation("CompleteVaultLock", "POST vaults/{vault}/lock-policy/{lock_id}", nothing)
    async def complete_vault_lock(self, vault: str, lock_id: LockId) -> None: ...

    @Operation("AbortVaultLock", "DELETE vaults/{vault}/lock-policy", nothing)
    async def abort_vault_lock(self, vault: str) -> None: ...

    @Operation("GetVaultLock", "GET vaults/{vault}/lock-policy", document(documents.read_lock))
    async def get_vault_lock(self, vault: str) -> VaultLock: ...

    @Operation(
        "AddTagsToVault",
        "POST vaults/{vault}/tags?operation=add",
        nothing,
        document=members({"Tags": argument("tags", write_tags)}),
    )
    async def add_tags_to_vault(self, vault: str, tags: Mapping[str, str]) -> None: ...

    @Operation(
        "RemoveTagsFromVault",
        "POST vaults/{vault}/tags?operation=remove",
        nothing,
        document=members({"TagKeys": argument("keys", write_tag_keys)}),
    )
    async def remove_tags_from_vault(self, vault: str, keys: Sequence[str]) -> None: ...

    @Operation("ListTagsForVault", "GET vaults/{vault}/tags", document(documents.read_tags))
    async def list_tags_for_vault(self, vault: str) -> dict[str, str]: ...

    # --- archives

    @Operation(
        "UploadArchive",
        "POST vaults/{vault}/archives",
        stored_archive,
        headers={**BODY_HASHES, "x-amz-archive-description": DESCRIPTION},
        largest_body=VAULT.max_single_upload_size,
        missing=VaultNotFoundError,
        # Every success makes another archive, under an id that is in its answer only.
        rule=Rule(Repeat.IF_WITHOUT_EFFECT, recovery=Recovery.SAY_UNKNOWN),
        charge=lambda arguments: Charge(uploads=1, stored=arguments["body"].nbytes, archives=1),
    )
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

        ``body`` is sent slice by slice and must not change until this returns. ``progress`` is called with
        the count of bytes as they go, and with as many below zero if the request fails.

        Raises:
            SourceChangedError: The file that the body is a range of has changed since it was opened.
            SourceUnreadableError: The file cannot be read.
            UnexpectedResponseError: A success without an archive id.
            IntegrityError: The service computed another tree hash; the error names the archive id.
            OutcomeUnknownError: From a gateway that retries: the archive may be stored, under an unknown id.
        """

    @Operation(
        "DeleteArchive",
        "DELETE vaults/{vault}/archives/{archive_id}",
        nothing,
        missing=ArchiveNotFoundError,
        rule=Rule(shown_by=ArchiveNotFoundError),
    )
    async def delete_archive(self, vault: str, archive_id: ArchiveId) -> None: ...

    # --- multipart uploads

    @Operation(
        "InitiateMultipartUpload",
        "POST vaults/{vault}/multipart-uploads",
        header("x-amz-multipart-upload-id", UploadId),
        headers={
            "x-amz-part-size": argument("part_size", write_part_size),
            "x-amz-archive-description": DESCRIPTION,
        },
        missing=VaultNotFoundError,
        # One that is not found costs nothing, and the service removes it after a day.
        rule=Rule(recovery=Recovery.FIND_UPLOAD),
        charge=lambda _: Charge(parts=1, archives=1),
    )
    async def initiate_multipart_upload(
        self, vault: str, *, part_size: int, description: str | None = None
    ) -> UploadId:
        """Begin an upload.

        A gateway that retries takes the upload that a lost answer left behind, and gives no two calls the
        same; see ``core.upload_identity``.
        """

    @Operation(
        "UploadMultipartPart",
        "PUT vaults/{vault}/multipart-uploads/{upload_id}",
        acknowledged,
        headers={**BODY_HASHES, "Content-Range": lambda arguments: f"bytes {part_range(arguments)}/*"},
        largest_body=VAULT.max_part_size,
        missing=UploadNotFoundError,
        charge=lambda arguments: Charge(parts=1, stored=arguments["body"].nbytes),
    )
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

    @Operation(
        "CompleteMultipartUpload",
        "POST vaults/{vault}/multipart-uploads/{upload_id}",
        stored_archive,
        headers={"x-amz-archive-size": argument("size"), TREE_HASH_HEADER: argument("tree_hash", bytes.hex)},
        missing=UploadNotFoundError,
        is_slow=True,
        # A repetition names the same archive for a while.
        rule=Rule(recovery=Recovery.SAY_UNKNOWN),
        charge=lambda _: Charge(uploads=1),
    )
    async def complete_multipart_upload(
        self, vault: str, upload_id: UploadId, *, size: int, tree_hash: bytes
    ) -> StoredArchive:
        """Complete an upload.

        Raises:
            OutcomeUnknownError: From a gateway that retries: an answer was lost, and the repetition found the
                upload gone; or no answer named the archive.
        """

    @Operation(
        "AbortMultipartUpload",
        "DELETE vaults/{vault}/multipart-uploads/{upload_id}",
        nothing,
        missing=UploadNotFoundError,
        # A repetition succeeds for a while, then the upload is gone.
        rule=Rule(shown_by=UploadNotFoundError),
    )
    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None: ...

    @Operation(
        "ListMultipartUploads",
        "GET vaults/{vault}/multipart-uploads",
        document(documents.page_of("UploadsList", documents.read_upload)),
        query=PAGE,
        missing=VaultNotFoundError,
    )
    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]: ...

    @Operation(
        "ListParts",
        "GET vaults/{vault}/multipart-uploads/{upload_id}",
        document(documents.read_parts),
        query=PAGE,
        missing=UploadNotFoundError,
    )
    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]: ...

    # --- jobs

    @Operation(
        "InitiateJob",
        "POST vaults/{vault}/jobs",
        header("x-amz-job-id", JobId),
        document=members(
            {
                "Type": fixed("archive-retrieval"),
                "ArchiveId": argument("archive_id", write_archive_id),
                "Tier": argument("tier"),
                "RetrievalByteRange": argument("byte_range", write_retrieval_range),
                "SNSTopic": text("sns_topic"),
                "Description": DESCRIPTION,
            }
        ),
        rule=_JOB,
        charge=_charge_retrieval,
    )
    async def initiate_archive_retrieval(
        self,
        vault: str,
        archive_id: ArchiveId,
        *,
        tier: Tier | None = None,
        byte_range: ByteRange | None = None,
        sns_topic: str | None = None,
        description: str | None = None,
        size: int | None = None,
    ) -> JobId:
        """Start a retrieval. ``size``, of the archive, is not sent: without a range, the price depends on it.

        After a lost answer, a gateway that retries adopts a job with the same description and archive that
        was created since the call began, so give each job its own description. Without one it cannot look,
        and raises the error of the lost answer.
        """

    @Operation(
        "InitiateJob",
        "POST vaults/{vault}/jobs",
        header("x-amz-job-id", JobId),
        document=members(
            {
                "Type": fixed("inventory-retrieval"),
                "Format": argument("parameters", lambda parameters: str(parameters.format)),
                "InventoryRetrievalParameters": argument(
                    "parameters", lambda parameters: documents.write_inventory(parameters) or None
                ),
                "SNSTopic": text("sns_topic"),
                "Description": DESCRIPTION,
            }
        ),
        rule=_JOB,
        # The price pages know requests for upload and for retrieval; an inventory is one of the latter.
        charge=lambda _: Charge(tier=Tier.STANDARD),
    )
    async def initiate_inventory_retrieval(
        self,
        vault: str,
        parameters: InventoryParameters,
        *,
        sns_topic: str | None = None,
        description: str | None = None,
    ) -> JobId:
        """Start an inventory job; see ``initiate_archive_retrieval``."""

    @Operation(
        "DescribeJob",
        "GET vaults/{vault}/jobs/{job_id}",
        document(documents.read_job),
        missing=JobNotFoundError,
    )
    async def describe_job(self, vault: str, job_id: JobId) -> JobDescription: ...

    @Operation(
        "ListJobs",
        "GET vaults/{vault}/jobs",
        document(documents.page_of("JobList", documents.read_job)),
        query={
            **PAGE,
            "completed": argument("completed", lambda completed: "true" if completed else "false"),
            "statuscode": argument("status"),
        },
    )
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
        self, vault: str, job_id: JobId, byte_range: ByteRange | None = None, *, total: int | None = None
    ) -> AbstractAsyncContextManager[Output[bytes | None]]:
        """Open the output of a finished job, or a range of it that counts from the output's start.

        With ``total``, the size that the job promises, an answer from an output of another size is a failure.
        Leaving the block before the end drops the connection. A gateway that retries opens another connection
        where one breaks off.
        """
        return self.open_output(
            GET_JOB_OUTPUT, {"vault": vault, "job_id": job_id, "byte_range": byte_range, "total": total}
        )

    # --- the account

    @Operation(
        "GetDataRetrievalPolicy", "GET policies/data-retrieval", document(documents.read_retrieval_policy)
    )
    async def get_data_retrieval_policy(self) -> RetrievalPolicy: ...

    @Operation(
        "SetDataRetrievalPolicy",
        "PUT policies/data-retrieval",
        nothing,
        document=members({"Policy": argument("policy", documents.write_retrieval_policy)}),
    )
    async def set_data_retrieval_policy(self, policy: RetrievalPolicy) -> None: ...

    @Operation(
        "PurchaseProvisionedCapacity",
        "POST provisioned-capacity",
        header("x-amz-capacity-id", CapacityId),
        # Buys again, for a month.
        rule=Rule(Repeat.NEVER, hint="the unit may be bought all the same: look at the provisioned capacity"),
    )
    async def purchase_provisioned_capacity(self) -> CapacityId: ...

    @Operation("ListProvisionedCapacity", "GET provisioned-capacity", document(documents.read_capacities))
    async def list_provisioned_capacity(self) -> tuple[ProvisionedCapacity, ...]: ...
