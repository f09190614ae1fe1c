"""The small calls of an upload, without botocore: what they send is headers, and so is most of what comes.

Beside bodies they are all that an upload asks of the service, so it never waits for botocore to be loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.core.checks import check_description, check_id
from aioglacier.core.models import Page, UploadId
from aioglacier.core.planning import check_part_size
from aioglacier.gateway.vaults import documents
from aioglacier.gateway.vaults.answers import TREE_HASH_HEADER, page_of, stored_archive
from aioglacier.gateway.vaults.calls import Calls, paging, reading

if TYPE_CHECKING:
    from aioglacier.core.models import StoredArchive, UploadDescription, UploadedPart


class UploadCalls(Calls):
    """``Calls``, and what begins, ends, lists and aborts uploads."""

    async def initiate_multipart_upload(
        self, vault: str, *, part_size: int, description: str | None = None
    ) -> UploadId:
        check_part_size(part_size)
        text = check_description(description)
        headers = {"x-amz-part-size": str(part_size)}
        if text:
            headers["x-amz-archive-description"] = text
        operation = "InitiateMultipartUpload"
        answer = await self._ask(operation, "POST", vault, "multipart-uploads", headers)
        with reading(operation, vault):
            upload_id = answer.headers["x-amz-multipart-upload-id"]
            if not upload_id:
                raise ValueError("uploadId is empty")
        return UploadId(upload_id)

    async def complete_multipart_upload(
        self, vault: str, upload_id: UploadId, *, size: int, tree_hash: bytes
    ) -> StoredArchive:
        operation = "CompleteMultipartUpload"
        headers = {"x-amz-archive-size": str(size), TREE_HASH_HEADER: tree_hash.hex()}
        path = f"multipart-uploads/{check_id('upload', upload_id)}"
        answer = await self._ask(operation, "POST", vault, path, headers)
        with reading(operation, vault):
            return stored_archive(operation, answer.headers, tree_hash=tree_hash)

    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None:
        path = f"multipart-uploads/{check_id('upload', upload_id)}"
        await self._ask("AbortMultipartUpload", "DELETE", vault, path)

    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]:
        read = page_of("UploadsList", documents.read_upload)
        query = paging(limit, marker)
        return await self._get("ListMultipartUploads", vault, "multipart-uploads", read, query)

    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]:
        read_parts = page_of("Parts", documents.read_part)
        return await self._get(
            "ListParts",
            vault,
            f"multipart-uploads/{check_id('upload', upload_id)}",
            lambda document: (documents.read_upload(document), read_parts(document)),
            paging(limit, marker),
        )
