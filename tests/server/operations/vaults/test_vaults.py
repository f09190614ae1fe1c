"""Vaults: created, described, listed and deleted as at the service."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import boto3
import pytest
from anyio import to_thread

from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Boto, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

VERSION = {"x-amz-glacier-version": "2012-06-01"}
ARN = "arn:aws:glacier:us-east-1:012345678901:vaults/"


async def test_create_vault_answers_with_its_location(boto: Boto) -> None:
    """The location is relative and names the real account."""
    answer = await boto("create_vault", vaultName="photos")
    assert answer["location"] == "/012345678901/vaults/photos"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201


async def test_create_vault_again_changes_nothing(boto: Boto) -> None:
    """A second CreateVault succeeds and keeps the first date."""
    before = await boto("describe_vault")
    await boto("create_vault")
    after = await boto("describe_vault")
    assert before["CreationDate"] == after["CreationDate"]


async def test_describe_vault_has_the_service_s_bytes(faithful: LocalGlacier) -> None:
    """A fresh vault's document: compact, alphabetical, nulls written."""
    await send(faithful, "PUT", "/-/vaults/demo")
    answer = await send(faithful, "GET", "/-/vaults/demo")
    date = answer.body.decode().split('"')[3]
    assert len(date) == len("2026-11-20T10:00:00.123Z")
    assert answer.body.decode() == (
        f'{{"CreationDate":"{date}","LastInventoryDate":null,"NumberOfArchives":0,"SizeInBytes":0,'
        f'"VaultARN":"{ARN}demo","VaultName":"demo"}}'
    )


async def test_answers_have_the_service_s_headers(faithful: LocalGlacier) -> None:
    """Request id of 47 characters, JSON of two bytes, a length and a date on a 201."""
    answer = await send(faithful, "PUT", "/-/vaults/demo")
    assert answer.status == 201
    assert answer.body == b"{}"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == "2"
    assert len(answer.headers["x-amzn-RequestId"]) == 47
    assert answer.headers["Date"].endswith("GMT")


async def test_a_missing_vault_is_named_by_its_arn(faithful: LocalGlacier) -> None:
    """The error has the service's exact bytes."""
    answer = await send(faithful, "GET", "/-/vaults/nothere")
    assert answer.status == 404
    assert answer.body.decode() == (
        f'{{"code":"ResourceNotFoundException","message":"Vault not found for ARN: {ARN}nothere",'
        '"type":"Client"}'
    )


async def test_bad_vault_names_are_refused_on_create_and_not_found_elsewhere(faithful: LocalGlacier) -> None:
    """CreateVault says 400, a lookup of an impossible name 404."""
    for name in ("a%20b", "a:b", "x" * 256, "a%2Fb", "%C3%A9", "a%00b"):
        assert (await send(faithful, "PUT", f"/-/vaults/{name}")).error == (
            400,
            "InvalidParameterValueException",
        )
        assert (await send(faithful, "GET", f"/-/vaults/{name}")).error == (404, "ResourceNotFoundException")


async def test_dot_segments_are_refused(faithful: LocalGlacier) -> None:
    """Neither "." nor ".." names a vault, escaped or not."""
    for path in ("/-/vaults/..", "/-/vaults/.", "/-/vaults/%2e%2e", "/-/vaults/x/../y"):
        assert (await send(faithful, "PUT", path)).error == (400, "BadRequest")


async def test_list_vaults_goes_on_after_a_marker(boto: Boto) -> None:
    """Pages are in ASCII order and their marker is an ARN."""
    for name in ("b", "a", "C", "d_1"):
        await boto("create_vault", vaultName=name)
    first = await boto("list_vaults", limit="3")
    assert [vault["VaultName"] for vault in first["VaultList"]] == ["C", "a", "b"]
    assert first["Marker"] == ARN + "b"
    second = await boto("list_vaults", limit="3", marker=first["Marker"])
    assert [vault["VaultName"] for vault in second["VaultList"]] == ["d_1", "v"]
    assert "Marker" not in second


async def test_list_vaults_refuses_a_bad_limit_or_marker(boto: Boto) -> None:
    """Limits are 1 to 10, markers come from the list."""
    for arguments in ({"limit": "0"}, {"limit": "11"}, {"limit": "x"}, {"marker": "elsewhere"}):
        status, code, _ = await boto.refused("list_vaults", **arguments)
        assert (status, code) == (400, "InvalidParameterValueException")


@pytest.mark.slow
async def test_the_1001st_vault_is_refused(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """An account has a thousand vaults in a region."""

    def fill() -> None:
        with closing(HTTPConnection("127.0.0.1", faithful.port)) as connection:
            for number in range(999):  # by hand: boto3 would take four times as long
                connection.request("PUT", f"/-/vaults/n{number}", headers=VERSION)
                connection.getresponse().read()

    await to_thread.run_sync(fill)
    status, code, _ = await slow_boto.refused("create_vault", vaultName="one-more")
    assert (status, code) == (400, "LimitExceededException")
    await slow_boto("create_vault", vaultName="n5")


async def test_delete_vault_needs_an_empty_inventory(boto: Boto) -> None:
    """With archives it is refused; without, deleting succeeds, and again."""
    archive_id = await boto.upload(b"x")
    status, code, message = await boto.refused("delete_vault")
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == f"Vault not empty or recently written to: {ARN}v"
    await boto("delete_archive", archiveId=archive_id)
    assert (await boto("delete_vault"))["ResponseMetadata"]["HTTPStatusCode"] == 204
    await boto("delete_vault")
    assert (await boto.refused("describe_vault"))[0] == 404


async def test_delete_vault_waits_for_the_next_inventory(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """A vault that was emptied today can be deleted tomorrow."""
    archive_id = await slow_boto.upload(b"x")
    await slow_boto("delete_archive", archiveId=archive_id)
    assert (await slow_boto.refused("delete_vault"))[0] == 400
    await faithful.advance(24 * 3600 + 1)
    await slow_boto("delete_vault")


async def test_delete_vault_takes_everything_along(boto: Boto, server: LocalGlacier) -> None:
    """A new vault of the name has no uploads, tags, policies or jobs of the old one."""
    await boto("initiate_multipart_upload", partSize="1048576")
    await boto("add_tags_to_vault", Tags={"a": "b"})
    await boto.job(Type="inventory-retrieval")
    await boto("delete_vault")
    await boto("create_vault")
    assert (await boto("list_multipart_uploads"))["UploadsList"] == []
    assert (await boto("list_tags_for_vault"))["Tags"] == {}
    assert (await boto("list_jobs"))["JobList"] == []
    assert server.url


async def test_boto3_s_resources_work(server: LocalGlacier) -> None:
    """The resource layer works with vaults, archives and jobs."""

    def use() -> bytes:
        resource = boto3.resource(
            "glacier",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )
        account = resource.Account("-")
        vault = account.create_vault(vaultName="res")
        archive = vault.upload_archive(archiveDescription="by resource", body=b"hello")
        job = archive.initiate_archive_retrieval()
        job.load()
        assert job.status_code == "Succeeded"
        assert [one.name for one in account.vaults.all()] == ["res"]
        data = job.get_output()["body"].read()
        archive.delete()
        assert isinstance(data, bytes)
        return data

    assert await to_thread.run_sync(use) == b"hello"
