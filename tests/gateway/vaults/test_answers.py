"""Answers that cannot be read as a row promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import UnexpectedResponseError
from aioglacier.core.models import ArchiveId, JobId
from tests.gateway.faulty import REQUEST_ID, answers

if TYPE_CHECKING:
    from aioglacier.gateway.vaults.caller import VaultCaller
    from tests.gateway.faulty import FaultyServer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"no json",
        pytest.param(b"[" * 100_000, id="100,000 levels"),
        b"{}",
        b'{"UploadsList": null}',
        b'{"UploadsList": [null]}',
        (
            b'{"UploadsList": [{"MultipartUploadId": null, "VaultARN": "a", "PartSizeInBytes": 1048576, '
            b'"CreationDate": "2026-11-24T12:00:00Z"}]}'
        ),
        (
            b'{"UploadsList": [{"MultipartUploadId": "u", "VaultARN": "a", "PartSizeInBytes": "many", '
            b'"CreationDate": "2026-11-24T12:00:00Z"}]}'
        ),
    ],
)
async def test_lists_that_are_not_as_promised(
    server: FaultyServer, gateway: VaultCaller, body: bytes
) -> None:
    """A member that is missing, null or of another kind is an error that names the vault."""
    server.then(answers(200, body, REQUEST_ID))
    with pytest.raises(UnexpectedResponseError, match="promises") as caught:
        await gateway.list_multipart_uploads("photos")
    assert caught.value.vault == "photos"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"JobId": "J"}'])
async def test_a_job_that_is_not_as_promised(server: FaultyServer, gateway: VaultCaller, body: bytes) -> None:
    """A missing member is an error that names the vault."""
    server.then(answers(200, body, REQUEST_ID))
    with pytest.raises(UnexpectedResponseError, match="promises") as caught:
        await gateway.describe_job("photos", JobId("J"))
    assert caught.value.vault == "photos"


async def test_a_job_that_begins_without_an_id(server: FaultyServer, gateway: VaultCaller) -> None:
    """A job without an id is an error."""
    server.then(answers(202, b"{}", REQUEST_ID))
    with pytest.raises(UnexpectedResponseError, match="promises") as caught:
        await gateway.initiate_archive_retrieval("photos", ArchiveId("A"))
    assert caught.value.vault == "photos"


async def test_an_upload_that_begins_without_an_id(server: FaultyServer, gateway: VaultCaller) -> None:
    """An upload without an id is an error."""
    server.then(answers(201, b"{}", REQUEST_ID | {"x-amz-multipart-upload-id": ""}))
    with pytest.raises(UnexpectedResponseError, match="promises"):
        await gateway.initiate_multipart_upload("photos", part_size=2**20)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>Log in</html>", "it is not JSON; it begins '<html>Log in</html>'"),
        (b"[]", "it is not a JSON object"),
        (b'{"VaultName": "photos"}', "it lacks 'VaultARN'"),
    ],
)
async def test_the_message_says_what_is_wrong_with_an_answer(
    server: FaultyServer, gateway: VaultCaller, body: bytes, why: str
) -> None:
    """In words, with the beginning of the answer and without a name of Python's."""
    server.then(answers(200, body, REQUEST_ID))
    with pytest.raises(UnexpectedResponseError) as caught:
        await gateway.describe_vault("photos")
    assert f"the answer is not what DescribeVault promises: {why}" in str(caught.value)
