"""Settings read without botocore equal those that botocore finds, and it gets the rest."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import botocore.session
import pytest
from anyio import to_thread

from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.contract.key_source import Keys
from aioglacier.gateway.contract.options import GatewayOptions
from aioglacier.gateway.credentials.boto_session import new_session, resolve_place
from aioglacier.gateway.credentials.plain_settings import PlainSettings, read_plain
from aioglacier.server import LocalGlacier
from tests.gateway.faulty import KEY_ID, SECRET, TOKEN, options_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.faulty import FaultyServer

GIVEN: dict[str, Any] = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
IN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e"}
ENDPOINTS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:8080",
    "AWS_ENDPOINT_URL_GLACIER": "https://glacier.example.com",
}
IN_FILE = "[default]\naws_access_key_id = F\naws_secret_access_key = f\n"


def every_region() -> list[str]:
    """Return the regions of Glacier in every partition, and some that do not exist."""
    session = botocore.session.Session()
    known = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("glacier", partition, allow_non_regional=True)
    ]
    others = session.get_available_regions("ec2")
    return sorted({*known, *others, "us-east-9", "ap-northwest-12", "mx-central-1", "us-isob-east-1"})


async def as_botocore_has_it(options: GatewayOptions, service: str) -> PlainSettings:
    """Return the same settings as botocore finds them."""
    session = await to_thread.run_sync(new_session, options)
    credentials: Any = await session.get_credentials()
    frozen = await credentials.get_frozen_credentials()
    keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
    return PlainSettings(keys, credentials.method, *await to_thread.run_sync(resolve_place, options, service))


@cache
def loaded_session() -> botocore.session.Session:
    """Return botocore's session, which reads its data once."""
    return botocore.session.Session()


@pytest.mark.slow
@pytest.mark.parametrize("region", every_region())
def test_every_region_has_the_endpoint_that_botocore_resolves(region: str) -> None:
    """A plain region has the endpoint that botocore resolves."""
    plain = read_plain(GatewayOptions(region_name=region, **GIVEN), "glacier")
    if plain is None:
        assert not region.startswith("us-east-")
    else:
        meta = loaded_session().create_client("glacier", region_name=region, **GIVEN).meta
        assert (plain.region, plain.endpoint) == (meta.region_name, meta.endpoint_url)


async def test_regions_of_other_partitions_are_botocores() -> None:
    """Regions of other partitions, with other domains, are left to botocore."""
    for region in (
        "cn-north-1",
        "us-gov-west-1",
        "us-iso-east-1",
        "eusc-de-east-1",
        "aws-global",
        "fips-us-east-1",
    ):
        assert read_plain(GatewayOptions(region_name=region, **GIVEN), "glacier") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "environment", "config", "credentials"),
    [
        ({"region_name": "us-east-1", **GIVEN}, {}, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, IN_ENVIRONMENT, "[default]\nregion=eu-west-1\n", IN_FILE),
        ({**GIVEN, "aws_session_token": TOKEN}, {"AWS_REGION": "us-west-2"}, "", ""),
        (GIVEN, {"AWS_DEFAULT_REGION": "us-west-2"}, "[default]\nregion=eu-west-1\n", ""),
        (GIVEN, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, "", ""),
        (GIVEN, {}, "[default]\nregion=eu-west-1\noutput=json\n", ""),
        (GIVEN, {}, "[DEFAULT]\nregion=eu-west-1\n[default]\noutput=json\n", ""),
        (GIVEN, {}, "[default]\nregion=eu-west-1\n", IN_FILE + "region=eu-north-1\n"),
        (GIVEN, {}, "[default]\nRegion : eu-west-1 \n[profile other]\nsso_session=x\n", ""),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT, "", IN_FILE),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT | {"AWS_SESSION_TOKEN": "t"}, "", ""),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT | {"AWS_SESSION_TOKEN": ""}, "", ""),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT | {"AWS_ACCESS_KEY_ID": ""}, "", IN_FILE),
        ({"region_name": "us-east-1"}, {}, "", IN_FILE + "aws_session_token = ft\n"),
        ({"region_name": "us-east-1"}, {}, "[default]\noutput=text\n", IN_FILE + "[other]\nrole_arn=x\n"),
        ({"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:8080", **GIVEN}, {}, "", ""),
        ({"region_name": "us-east-1", "endpoint_url": "https://glacier.example.com", **GIVEN}, {}, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, {"AWS_CA_BUNDLE": "/etc/bundle.pem"}, "", ""),
        ({"region_name": "us-east-1", "endpoint_url": "https://given.example", **GIVEN}, ENDPOINTS, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, ENDPOINTS, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, ENDPOINTS | {"AWS_ENDPOINT_URL_GLACIER": ""}, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, dict.fromkeys(ENDPOINTS, ""), "", ""),
        (
            {"region_name": "us-east-1", **GIVEN},
            {"AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "",
            "",
        ),
    ],
)
async def test_plain_settings_are_those_that_botocore_finds(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    given: dict[str, Any],
    environment: dict[str, str],
    config: str,
    credentials: str,
) -> None:
    """Keys and regions from options, environment and files come in botocore's order."""
    set_up(monkeypatch, tmp_path, environment, config, credentials)
    options = GatewayOptions(**given)
    plain = read_plain(options, "glacier")
    assert plain is not None
    assert plain == await as_botocore_has_it(options, "glacier")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ({"region_name": "us-east-1"}, {}),
        ({"region_name": "eu-west-1"}, {"AWS_ENDPOINT_URL_GLACIER": "https://glacier.example.com"}),
        ({"region_name": "eu-west-1"}, ENDPOINTS | {"AWS_ENDPOINT_URL_S3": "https://store.example.com"}),
        ({"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:8080"}, {}),
    ],
)
async def test_plain_settings_of_s3_are_those_that_botocore_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, Any], environment: dict[str, str]
) -> None:
    """S3 has its own endpoints, and buckets have hosts of their own only at AWS's."""
    set_up(monkeypatch, tmp_path, environment, "", "")
    options = GatewayOptions(**given, **GIVEN)
    plain = read_plain(options, "s3")
    assert plain is not None
    assert plain == await as_botocore_has_it(options, "s3")


@pytest.mark.parametrize(
    ("given", "environment", "config", "credentials"),
    [
        (GIVEN, {}, "", ""),
        (GIVEN, {"AWS_DEFAULT_REGION": ""}, "[default]\nregion=eu-west-1\n", ""),
        ({"region_name": "us-east-1"}, {}, "", ""),
        ({"region_name": "us-east-1"}, {"AWS_ACCESS_KEY_ID": "E"}, "", IN_FILE),
        ({"region_name": "us-east-1"}, {}, "", "[default]\naws_access_key_id = F\n"),
        ({"region_name": "us-east-1"}, {}, IN_FILE, ""),
        ({"region_name": "us-east-1", "profile_name": "default"}, {}, "", IN_FILE),
        ({"region_name": "us-east-1", **GIVEN}, {"AWS_PROFILE": "default"}, "", IN_FILE),
        ({"region_name": "us-east-1", **GIVEN}, {"AWS_USE_FIPS_ENDPOINT": "true"}, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "", ""),
        ({"region_name": "us-east-1", **GIVEN}, {"AWS_ENDPOINT_URL": "https://example.com/path"}, "", ""),
        (
            {"region_name": "us-east-1", **GIVEN},
            ENDPOINTS | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "",
            "",
        ),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT | {"AWS_SECURITY_TOKEN": "t"}, "", ""),
        ({"region_name": "us-east-1"}, IN_ENVIRONMENT | {"AWS_CREDENTIAL_EXPIRATION": "2099-01-01"}, "", ""),
        (
            {"region_name": "us-east-1"},
            {"AWS_ROLE_ARN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "y"},
            "",
            IN_FILE,
        ),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[default]\nendpoint_url = https://example.com\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[default]\nservices = mine\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[default]\nuse_fips_endpoint = true\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[default]\nca_bundle = /etc/bundle.pem\n", ""),
        ({"region_name": "us-east-1"}, {}, "[default]\nrole_arn = x\nsource_profile = y\n", IN_FILE),
        ({"region_name": "us-east-1"}, {}, "[default]\ncredential_process = x\n", IN_FILE),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[profile default]\nregion = x\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, '[profile "default"]\nregion = x\n', ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "[profile a]\ns3 =\n  nonsense\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "no section\n", ""),
        ({"region_name": "us-east-1", **GIVEN}, {}, "", "[default]\n[default]\n"),
        ({"region_name": "us-east-1", "endpoint_url": "https://a.example/b", **GIVEN}, {}, "", ""),
        ({"region_name": "us-east-1", "endpoint_url": "https://-a.example", **GIVEN}, {}, "", ""),
        ({"region_name": "us-east-1", "endpoint_url": "http://[::1]:80", **GIVEN}, {}, "", ""),
    ],
)
async def test_anything_else_is_left_to_botocore(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    given: dict[str, Any],
    environment: dict[str, str],
    config: str,
    credentials: str,
) -> None:
    """Ambiguous or missing settings are left to botocore."""
    set_up(monkeypatch, tmp_path, environment, config, credentials)
    assert read_plain(GatewayOptions(**given), "glacier") is None
    assert read_plain(GatewayOptions(**given), "s3") is None


def set_up(
    monkeypatch: pytest.MonkeyPatch, folder: Path, environment: dict[str, str], config: str, credentials: str
) -> None:
    """Write settings into environment and files."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, text in {"config": config, "credentials": credentials}.items():
        if text:
            (folder / name).write_text(text)


UPLOAD = """
import asyncio, json, sys
import aioglacier

async def upload():
    async with aioglacier.connect(endpoint_url=sys.argv[1]) as glacier:
        vault = glacier.vault("photos")
        await vault.upload(b"one request")
        async for _ in vault.uploads():
            pass
        async with vault.open_writer(part_size=2**20) as writer:
            await writer.write(bytes(2**20 + 1))

asyncio.run(upload())
print(json.dumps([name for name in sys.modules if name.partition(".")[0] in {"botocore", "aiobotocore"}]))
"""


@pytest.mark.slow
async def test_an_upload_with_plain_settings_does_not_load_botocore(tmp_path: Path) -> None:
    """Uploads in one request and in parts load no botocore."""
    async with LocalGlacier(tmp_path / "glacier", region="us-east-1") as server:
        async with open_gateway(
            GatewayOptions(endpoint_url=server.url, region_name="us-east-1", **GIVEN)
        ) as gateway:
            await gateway.create_vault("photos")
        environment = {**os.environ, **IN_ENVIRONMENT, "AWS_REGION": "us-east-1"}
        command = [sys.executable, "-c", UPLOAD, server.url]
        done = await anyio.run_process(command, env=environment, stderr=None)
    assert json.loads(done.stdout) == []


DOWNLOAD = """
import asyncio, json, sys
import aioglacier

async def download():
    async with aioglacier.connect(endpoint_url=sys.argv[1]) as glacier:
        vault = glacier.vault("photos")
        job = await vault.retrieve(aioglacier.ArchiveId(sys.argv[2]))
        await job.wait_until_done()
        async for _ in vault.jobs():
            pass
        await job.download(sys.argv[3])

asyncio.run(download())
print(json.dumps([name for name in sys.modules if name.partition(".")[0] in {"botocore", "aiobotocore"}]))
"""


@pytest.mark.slow
async def test_a_retrieval_with_plain_settings_does_not_load_botocore(tmp_path: Path) -> None:
    """A retrieval from archive id to file loads no botocore."""
    async with LocalGlacier(tmp_path / "glacier", region="us-east-1", job_delay=0) as server:
        async with open_gateway(
            GatewayOptions(endpoint_url=server.url, region_name="us-east-1", **GIVEN)
        ) as gateway:
            await gateway.create_vault("photos")
            body = b"one archive"
            archive = await gateway.upload_archive("photos", memoryview(body), hashes=hash_part(body))
        environment = {**os.environ, **IN_ENVIRONMENT, "AWS_REGION": "us-east-1"}
        target = tmp_path / "film"
        command = [sys.executable, "-c", DOWNLOAD, server.url, archive.id, str(target)]
        done = await anyio.run_process(command, env=environment, stderr=None)
    assert json.loads(done.stdout) == []
    assert target.read_bytes() == body


async def test_settings_that_change_later_do_not_move_the_connection(
    monkeypatch: pytest.MonkeyPatch, server: FaultyServer
) -> None:
    """Settings that change later do not move an open connection."""
    async with open_gateway(options_for(server)) as gateway:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", "https://glacier.example.com")
        monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
        await gateway.abort_multipart_upload("photos", UploadId("u"))
        await gateway.describe_vault("photos")
    assert len(server.requests) == 2
