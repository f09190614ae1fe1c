"""The small calls of an upload, without botocore: what they send is headers, and so is most of what comes.

Beside bodies they are all that an upload asks of the service, so it never waits for botocore to be loaded.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from aioglacier.core.checks import check_description, check_id, check_vault_name
from aioglacier.core.errors import GlacierError
from aioglacier.core.models import Page, UploadId
from aioglacier.core.planning import check_part_size
from aioglacier.gateway import documents
from aioglacier.gateway.answers import TREE_HASH_HEADER, not_as_promised, page_of, stored_archive
from aioglacier.gateway.data import DataPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aioglacier.core.models import StoredArchive, UploadDescription, UploadedPart
    from aioglacier.gateway.wire import Answer

T = TypeVar("T")


class UploadCalls(DataPlane):
    """``DataPlane``, and what begins, ends, lists and aborts uploads."""

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
        with _read(operation, vault):
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
        with _read(operation, vault):
            return stored_archive(operation, answer.headers, tree_hash=tree_hash)

    async def abort_multipart_upload(self, vault: str, upload_id: UploadId) -> None:
        path = f"multipart-uploads/{check_id('upload', upload_id)}"
        await self._ask("AbortMultipartUpload", "DELETE", vault, path)

    async def list_multipart_uploads(
        self, vault: str, *, limit: int | None = None, marker: str | None = None
    ) -> Page[UploadDescription]:
        read = page_of("UploadsList", documents.read_upload)
        return await self._list("ListMultipartUploads", vault, "multipart-uploads", limit, marker, read)

    async def list_parts(
        self, vault: str, upload_id: UploadId, *, limit: int | None = None, marker: str | None = None
    ) -> tuple[UploadDescription, Page[UploadedPart]]:
        read_parts = page_of("Parts", documents.read_part)
        return await self._list(
            "ListParts",
            vault,
            f"multipart-uploads/{check_id('upload', upload_id)}",
            limit,
            marker,
            lambda document: (documents.read_upload(document), read_parts(document)),
        )

    async def _list(
        self,
        operation: str,
        vault: str,
        path: str,
        limit: int | None,
        marker: str | None,
        read: Callable[[Mapping[str, Any]], T],
    ) -> T:
        query = {} if limit is None else {"limit": str(limit)}
        if marker is not None:
            query["marker"] = marker
        answer = await self._ask(operation, "GET", vault, path, query=query)
        with _read(operation, vault):
            return read(_document(answer.body))

    async def _ask(
        self,
        operation: str,
        method: str,
        vault: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        url = self._url(f"vaults/{check_vault_name(vault)}/{path}")
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        request = self._request(operation, method, url, {**self._headers(), **(headers or {})})
        if operation == "CompleteMultipartUpload":
            request = replace(request, first_byte_timeout_seconds=self._options.complete_timeout_seconds)
        try:
            return await self._wire.exchange(request)
        except GlacierError as error:
            error.vault = vault
            raise


def _document(body: bytes) -> Mapping[str, Any]:
    """A document without what is null, which means the same as absent."""
    document: Mapping[str, Any] = json.loads(body, object_hook=_without_nulls)
    if not isinstance(document, dict):
        raise TypeError("it is no document")
    return document


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


@contextmanager
def _read(operation: str, vault: str) -> Iterator[None]:
    """Turn what is missing in an answer, or is of a wrong kind, into an error of ours."""
    try:
        yield
    except GlacierError as error:
        error.vault = vault
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        unexpected = not_as_promised(operation, error)
        unexpected.vault = vault
        raise unexpected from error
