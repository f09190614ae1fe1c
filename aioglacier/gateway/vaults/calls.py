"""Small calls without botocore: a few headers or a little JSON go out, and as little comes back."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from aioglacier.core.checks import check_vault_name
from aioglacier.core.errors import GlacierError
from aioglacier.gateway.vaults.answers import not_as_promised
from aioglacier.gateway.vaults.data import DataPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aioglacier.gateway.http.request import Answer

T = TypeVar("T")


class Calls(DataPlane):
    """``DataPlane``, and what all such calls have in common."""

    async def _ask(
        self,
        operation: str,
        method: str,
        vault: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        url = self._url(f"vaults/{check_vault_name(vault)}/{path}")
        if query:
            url += "?" + urlencode(query, quote_via=quote)
        all_headers = {**self._headers(), **(headers or {})}
        request = self._request(operation, method, url, all_headers, memoryview(body))
        if operation == "CompleteMultipartUpload":
            request = replace(request, first_byte_timeout_seconds=self._options.timeouts.completion)
        try:
            return await self._wire.exchange(request)
        except GlacierError as error:
            error.vault = vault
            raise

    async def _get(
        self,
        operation: str,
        vault: str,
        path: str,
        read: Callable[[Mapping[str, Any]], T],
        query: Mapping[str, str] | None = None,
    ) -> T:
        answer = await self._ask(operation, "GET", vault, path, query=query)
        with reading(operation, vault):
            return read(_document(answer.body))


def paging(limit: int | None, marker: str | None) -> dict[str, str]:
    """The query for one page of a list."""
    query = {} if limit is None else {"limit": str(limit)}
    return query if marker is None else {**query, "marker": marker}


@contextmanager
def reading(operation: str, vault: str) -> Iterator[None]:
    """Turn what is missing in an answer, or is of a wrong kind, into an error of ours."""
    try:
        yield
    except GlacierError as error:
        error.vault = vault
        raise
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        unexpected = not_as_promised(operation, error)
        unexpected.vault = vault
        raise unexpected from error


def _document(body: bytes) -> Mapping[str, Any]:
    """A document without what is null, which means the same as absent."""
    document: Mapping[str, Any] = json.loads(body, object_hook=_without_nulls)
    if not isinstance(document, dict):
        raise TypeError("it is no document")
    return document


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
