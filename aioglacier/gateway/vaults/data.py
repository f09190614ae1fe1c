"""The bodies: parts and archives up, job output down, and any request there is no method for."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from aioglacier.core.checks import check_description, check_id, check_vault_name
from aioglacier.core.errors import (
    EmptyArchiveError,
    GlacierError,
    InvalidPlanError,
)
from aioglacier.core.limits import VAULT
from aioglacier.core.ranges import ByteRange
from aioglacier.gateway.http.judge import check_is_glacier
from aioglacier.gateway.http.request import NO_BODY, Request
from aioglacier.gateway.http.request_bodies import change_in
from aioglacier.gateway.http.service_errors import payload_refusal
from aioglacier.gateway.http.signing import PAYLOAD_HASH_HEADER
from aioglacier.gateway.vaults.answers import TREE_HASH_HEADER, check_echo, stored_archive
from aioglacier.gateway.vaults.job_output import HttpJobOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aioglacier.core.models import JobId, StoredArchive, UploadId
    from aioglacier.core.treehash import PartHashes
    from aioglacier.gateway.contract.options import GatewayOptions
    from aioglacier.gateway.contract.protocols import BeforeLast, Body, Progress
    from aioglacier.gateway.http.request import Answer
    from aioglacier.gateway.http.wire import Wire

API_VERSION: Final = "2012-06-01"


class DataPlane:
    """The operations that carry bodies."""

    def __init__(self, wire: Wire, options: GatewayOptions, *, user_agent: str) -> None:
        self._wire = wire
        self._options = options
        self._user_agent = user_agent

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
        operation = "UploadArchive"
        _check_size("an archive sent in one request", body, VAULT.max_single_upload_size)
        text = check_description(description)
        headers = self._body_headers(hashes)
        if text:
            headers["x-amz-archive-description"] = text
        url = self._url(f"vaults/{check_vault_name(vault)}/archives")
        try:
            with _taken_back_on_failure(progress) as counted:
                request = self._request(operation, "POST", url, headers, body, counted)
                answer = await self._wire.exchange(replace(request, before_last=before_last))
                return stored_archive(operation, answer.headers, tree_hash=hashes.tree_hash)
        except GlacierError as error:
            error.vault = vault
            if refused := payload_refusal(error, what="the archive", tree_hash=hashes.tree_hash):
                raise await change_in(body) or refused from error
            raise

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
        operation = "UploadMultipartPart"
        _check_size("a part", body, VAULT.max_part_size)
        range_ = ByteRange(start, start + body.nbytes)
        headers = {**self._body_headers(hashes), "Content-Range": f"bytes {range_}/*"}
        url = self._url(f"vaults/{check_vault_name(vault)}/multipart-uploads/{check_id('upload', upload_id)}")
        try:
            with _taken_back_on_failure(progress) as counted:
                request = self._request(operation, "PUT", url, headers, body, counted)
                answer = await self._wire.exchange(request)
                check_echo(answer.headers, tree_hash=hashes.tree_hash, byte_range=range_)
        except GlacierError as error:
            error.vault, error.upload_id = vault, upload_id
            if refused := payload_refusal(
                error, what=f"the part of bytes {range_}", tree_hash=hashes.tree_hash, byte_range=range_
            ):
                raise await change_in(body) or refused from error
            raise

    @asynccontextmanager
    async def get_job_output(
        self, vault: str, job_id: JobId, byte_range: ByteRange | None = None
    ) -> AsyncIterator[HttpJobOutput]:
        operation = "GetJobOutput"
        headers = self._headers()
        if byte_range is not None:
            headers["Range"] = f"bytes={byte_range}"
        url = self._url(f"vaults/{check_vault_name(vault)}/jobs/{check_id('job', job_id)}/output")
        try:
            async with self._wire.opened(self._request(operation, "GET", url, headers)) as answer:
                check_is_glacier(operation, answer.status, answer.headers)
                output = HttpJobOutput(answer, byte_range)
                try:
                    yield output
                finally:
                    output.close()
        except GlacierError as error:
            error.vault = vault
            raise

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        if not re.fullmatch(r"[A-Z]+", method.upper()):
            raise InvalidPlanError(f"{method!r} is no HTTP method")
        url = self._url(path)
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        all_headers = {**self._headers(), **(headers or {})}
        request = self._request(f"{method} {path}", method.upper(), url, all_headers, memoryview(body))
        return await self._wire.exchange(request, allow_refusal=True)

    def _url(self, path: str) -> str:
        """A path below the account, or, beginning with a slash, the whole; encoded as it is signed."""
        whole = path if path.startswith("/") else f"/{self._options.account_id}/{path}"
        return self._wire.origin + _encoded(whole)

    def _headers(self) -> dict[str, str]:
        return {"User-Agent": self._user_agent, "x-amz-glacier-version": API_VERSION}

    def _body_headers(self, hashes: PartHashes) -> dict[str, str]:
        return {
            **self._headers(),
            PAYLOAD_HASH_HEADER: hashes.payload_hash.hex(),
            TREE_HASH_HEADER: hashes.tree_hash.hex(),
        }

    def _request(
        self,
        operation: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = NO_BODY,
        progress: Progress | None = None,
    ) -> Request:
        return Request(
            operation=operation,
            method=method,
            url=url,
            headers=headers,
            body=body,
            progress=progress,
            first_byte_timeout_seconds=self._options.timeouts.first_byte,
        )


@lru_cache(maxsize=64)
def _encoded(path: str) -> str:
    """A path as it is sent. All parts of an upload have the same."""
    return quote(path, safe="/~%")


@contextmanager
def _taken_back_on_failure(progress: Progress | None) -> Iterator[Progress | None]:
    """Count what moves, and if the request fails take back what is counted: all of it will go again.

    The payload has taken back what it did not send to the end; of a refusal after the last byte it knows
    nothing.
    """
    if progress is None:
        yield None
        return
    moved = 0

    def count(bytes_: int) -> None:
        nonlocal moved
        moved += bytes_
        progress(bytes_)

    try:
        yield count
    except BaseException:
        if moved:
            progress(-moved)
        raise


def _check_size(what: str, body: Body, largest: int) -> None:
    if body.nbytes == 0:
        raise EmptyArchiveError(f"{what} would be empty")
    if body.nbytes > largest:
        raise InvalidPlanError(f"{what} has at most {largest} bytes, not {body.nbytes}; send it in parts")
