"""Connections: wrong arguments, several at once, and event loops."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import psutil
import pytest
import trustme

import aioglacier
from aioglacier.catalog import Catalog
from aioglacier.server import LocalGlacier
from aioglacier.transfer.hashing import workers

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 10_000
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"hash_in": "clouds"}, 'hash_in is \'clouds\'; it must be "auto", "processes" or "threads"'),
        ({"catalog": "catalog.db"}, "catalog is 'catalog.db'; it must be a catalog: Catalog.open"),
        ({"endpoint_url": "local:"}, "needs a folder"),
        ({"endpoint_url": "http://example.com"}, "plain http"),
        ({"endpoint_url": "ftp://127.0.0.1"}, "https://"),
        ({"endpoint_url": "http://127.0.0.1:1/path"}, "remove the rest"),
        ({"account_id": "12"}, "account"),
        ({"proxy": "ftp://proxy:1"}, "proxy"),
        ({"profile_name": "missing"}, "profile"),
        ({"aws_secret_access_key": None}, "aws_secret_access_key"),
    ],
)
async def test_arguments_that_make_no_sense_are_refused(
    arguments: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong argument is refused before anything is sent, with a hint what would be right."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    given: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": "http://127.0.0.1:1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        **arguments,
    }
    with pytest.raises(aioglacier.ConfigurationError, match=told):
        async with aioglacier.connect(**given):
            pass


async def test_a_missing_region_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a missing region lists where the region was searched."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(aioglacier.ConfigurationError, match="no region"):
        async with aioglacier.connect(aws_access_key_id="a", aws_secret_access_key="b"):
            pass


async def test_a_catalog_is_begun_once_there_are_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog that ``connect`` opens leaves no file if there are none, and closes with the connection."""
    path = tmp_path / "records" / "catalog.db"
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(aioglacier.NoCredentialsError):
        async with aioglacier.connect(region_name="eu-west-1", catalog=Catalog.open(path)):
            pass
    assert not path.parent.exists()
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}", catalog=Catalog.open(path)) as glacier:
        assert isinstance(glacier.catalog, Catalog)
        vault = await glacier.create_vault("photos")
        await vault.upload(DATA)
    async with Catalog.open(path) as catalog:
        (key,) = await catalog.archives.vault_keys()
        assert key.vault == "photos"


async def test_a_file_is_no_folder_for_a_local_glacier(tmp_path: Path) -> None:
    """The error names the setting that has the wrong value."""
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="file"):
        async with aioglacier.connect(endpoint_url=f"local:{tmp_path / 'file'}"):
            pass


def test_another_event_loop_is_refused() -> None:
    """Without an asyncio loop the error says which event loops work."""

    async def main() -> None:
        async with aioglacier.connect():
            pass

    coroutine = main()
    with pytest.raises(aioglacier.ConfigurationError, match="asyncio or uvloop"):
        coroutine.send(None)


async def test_names_are_checked_without_a_request(local: aioglacier.Glacier) -> None:
    """An impossible vault name is refused; a vault that does not exist is not looked up."""
    assert local.vault("not-there").name == "not-there"
    with pytest.raises(aioglacier.VaultNameError):
        local.vault("not there")
    with pytest.raises(aioglacier.VaultNotFoundError):
        await local.vault("not-there").describe()
    for made in (
        lambda: local.vault("v").job("no/id"),
        lambda: local.vault("v").open_writer(description="\N{SNOWMAN}"),
    ):
        with pytest.raises(aioglacier.InvalidPlanError):
            made()


async def test_two_connections_live_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections have their own Glacier, memory and workers; closing one leaves the other intact."""
    monkeypatch.setattr(workers, "LARGEST_IN_THREAD", MIB)  # a part of more waits for a worker
    children = {child.pid for child in psutil.Process().children()}
    async with aioglacier.connect(
        endpoint_url=f"local:{tmp_path / 'one'}", limits=aioglacier.Limits(hash_workers=1)
    ) as one:
        vault = await one.create_vault("v")
        async with aioglacier.connect(
            endpoint_url=f"local:{tmp_path / 'two'}", limits=aioglacier.Limits(hash_workers=1)
        ) as two:
            other = await two.create_vault("w")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(vault.upload, DATA)
                tasks.start_soon(other.upload, DATA)
            assert [each.name async for each in two.vaults()] == ["w"]
            assert len({child.pid for child in psutil.Process().children()} - children) == 2
        archive = await vault.upload(DATA, part_size=1024 * 1024)
        assert archive.tree_hash == aioglacier.tree_hash(DATA)
        assert [each.name async for each in one.vaults()] == ["v"]
        assert one.origin != two.origin
        assert repr(one) == f"<Glacier us-east-1 {one.origin}>"
    assert {child.pid for child in psutil.Process().children()} <= children


#: Uses one place of a server, and prints the modules and the HTTP sessions that it took.
ONE_SERVICE = """
import asyncio, sys, aiohttp, aioglacier

opened = []

class Session(aiohttp.ClientSession):
    def __init__(self, **given):
        opened.append(self)
        super().__init__(**given)

async def main(url, place):
    aiohttp.ClientSession = Session
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    async with aioglacier.connect(endpoint_url=url, s3_endpoint_url=url, **keys) as glacier:
        assert not opened
        if place == "vault":
            await glacier.vault("photos").upload(b"x" * 100)
        else:
            await glacier.bucket("museum", "GLACIER_IR").upload(b"x" * 100, key="a")
    print(len(opened), *sorted(name for name in sys.modules if name.startswith("aioglacier.")))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("place", "foreign"),
    [("bucket", ("vault", "client.job", "core.inventory")), ("vault", ("s3", "bucket", "object_"))],
)
async def test_a_program_loads_and_opens_the_service_that_it_uses(
    place: str, foreign: tuple[str, ...], tmp_path: Path
) -> None:
    """A program for buckets loads no module of vaults and opens one session, and the other way round."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        await glacier.create_bucket("museum")
        await glacier.create_vault("photos")
        command = [sys.executable, "-c", ONE_SERVICE, glacier.origin, place]
        ran = await anyio.run_process(command)
    sessions, *modules = ran.stdout.decode().split()
    assert sessions == "1"
    assert not [name for name in modules if any(f".{word}" in name for word in foreign)]


async def test_a_local_glacier_keeps_its_archives(tmp_path: Path) -> None:
    """A local Glacier keeps its archives in its folder from one connection to the next."""
    where = f"local:{tmp_path / 'glacier'}"
    async with aioglacier.connect(endpoint_url=where) as glacier:
        archive = await (await glacier.create_vault("v")).upload(DATA)
    async with aioglacier.connect(endpoint_url=where) as glacier:
        job = await glacier.vault("v").retrieve(archive.id)
        async with job.open_reader() as reader:
            assert await reader.read() == DATA


async def test_an_error_in_the_block_comes_out_unwrapped(tmp_path: Path) -> None:
    """Neither the local Glacier's tasks nor the connection's wrap the caller's error in a group."""
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        async with aioglacier.connect(endpoint_url=f"local:{tmp_path / 'glacier'}"):
            raise error
    assert caught.value is error


ROUND_TRIP = """
import asyncio, json, pathlib, tempfile
import psutil, uvloop
import aioglacier
from aioglacier.transfer.hashing import workers

DATA = bytes(range(256)) * 10_000
workers.LARGEST_IN_THREAD = 1024 * 1024  # larger parts wait for a worker, so that there is one

async def main(folder):
    limits = aioglacier.Limits(hash_workers=1)
    async with aioglacier.connect(endpoint_url=f"local:{folder}/glacier", limits=limits) as glacier:
        vault = await glacier.create_vault("v")
        async with vault.open_writer(part_size=2 * 1024 * 1024) as writer:
            await writer.write(DATA)
        assert psutil.Process().children()
        job = await vault.retrieve(writer.archive.id)
        await job.download(f"{folder}/target")
        async with job.open_reader() as reader:
            same = await reader.read() == DATA == pathlib.Path(folder, "target").read_bytes()
        loop = type(asyncio.get_running_loop()).__module__
        print(json.dumps([loop, same, writer.archive.tree_hash == aioglacier.tree_hash(DATA)]))

with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main(folder))
"""


@pytest.mark.slow
def test_uvloop_gives_the_same_results() -> None:
    """Writer, worker processes, download and reader run on uvloop and end cleanly."""
    pytest.importorskip("uvloop")
    command = [sys.executable, "-W", "error", "-c", ROUND_TRIP]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert answer.stderr == b""
    assert json.loads(answer.stdout) == ["uvloop", True, True]


@pytest.mark.parametrize("way", ["ssl_context", "connector"])
async def test_the_caller_may_bring_tls_or_a_connector(tmp_path: Path, way: str) -> None:
    """Both services use it; a connector stays open for its owner, and both at once are refused."""
    authority = trustme.CA()
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(served)
    authority.configure_trust(trusting)
    own: dict[str, Any] = {"ssl_context": trusting}
    if way == "connector":
        own = {"connector": aiohttp.TCPConnector(ssl=trusting, limit=0)}
    async with LocalGlacier(tmp_path, ssl_context=served, is_durable=False) as server:
        own |= {"endpoint_url": server.url, "s3_endpoint_url": server.url, "region_name": "us-east-1"}
        own |= {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        async with aioglacier.connect(**own) as glacier:
            await glacier.create_vault("photos")
            await glacier.create_bucket("museum")
        if way == "connector":
            assert not own["connector"].closed
            await own["connector"].close()


async def test_a_transport_of_the_caller_stays_in_this_process() -> None:
    """It cannot go to other processes, and a connector has its own TLS."""
    context = ssl.create_default_context()
    with pytest.raises(aioglacier.ConfigurationError, match="stay in this process"):
        async with aioglacier.connect(ssl_context=context, limits=aioglacier.Limits(processes=2)):
            pass
    connector = aiohttp.TCPConnector(ssl=context)
    with pytest.raises(aioglacier.ConfigurationError, match="give it to the connector"):
        async with aioglacier.connect(ssl_context=context, connector=connector):
            pass
    await connector.close()
