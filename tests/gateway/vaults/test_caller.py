"""Requests as they are built from rows, and answers that cannot be read as a row promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import InvalidPlanError, UnexpectedResponseError
from aioglacier.core.models import ArchiveId, JobId, JobStatus
from aioglacier.gateway.contract.protocols import RawRequest
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


async def test_markers_are_encoded(server: FaultyServer, gateway: VaultCaller) -> None:
    """A marker is encoded, because it may hold any character."""
    document = b'{"UploadsList": [], "Marker": null}'
    server.then(answers(200, document, REQUEST_ID))
    page = await gateway.list_multipart_uploads("photos", limit=7, marker="a/b c&d=~é")
    assert page.marker is None
    target = server.requests[-1].target
    assert target == "/-/vaults/photos/multipart-uploads?limit=7&marker=a%2Fb%20c%26d%3D~%C3%A9"


async def test_jobs_are_listed_as_asked(server: FaultyServer, gateway: VaultCaller) -> None:
    """Page and filters are in the query, if they are given."""
    for _ in range(2):
        server.then(answers(200, b'{"JobList": [], "Marker": "m"}', REQUEST_ID))
    page = await gateway.list_jobs("photos", completed=False, status=JobStatus.FAILED, limit=7, marker="a/b")
    assert (page.items, page.marker) == ((), "m")
    assert server.requests[-1].target == (
        "/-/vaults/photos/jobs?limit=7&marker=a%2Fb&completed=false&statuscode=Failed"
    )
    await gateway.list_jobs("photos")
    assert server.requests[-1].target == "/-/vaults/photos/jobs"


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


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [("x-a", "b\r\nx-c: d", "x-a"), ("x-a\n", "b", r"x-a\n"), ("", "b", "''"), ("x-a", "\0", "x-a")],
)
async def test_a_raw_request_with_a_broken_header_is_not_sent(
    server: FaultyServer, gateway: VaultCaller, name: str, value: str, named: str
) -> None:
    """The header is named, and no connection is made."""
    with pytest.raises(InvalidPlanError) as caught:
        await gateway.request(RawRequest("GET", "vaults", headers={name: value}))
    assert named in str(caught.value)
    assert not server.requests


async def test_tags_and_policies_of_another_type_are_not_sent(
    server: FaultyServer, gateway: VaultCaller
) -> None:
    """The argument is named."""
    policy: Any = {"Statement": []}
    numbers: Any = {"year": 1907}
    with pytest.raises(InvalidPlanError, match="policy must be a str"):
        await gateway.set_vault_access_policy("photos", policy)
    with pytest.raises(InvalidPlanError, match="1907"):
        await gateway.add_tags_to_vault("photos", numbers)
    with pytest.raises(InvalidPlanError, match="must be str"):
        await gateway.remove_tags_from_vault("photos", "year")
    assert not server.requests
