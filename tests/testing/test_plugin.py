"""The pytest plug-in, in fresh runs of pytest as users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.forking import forks

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

#: What a user's pytest.ini might hold.
INI = """
[pytest]
filterwarnings = error
addopts = --strict-markers
"""

ANYIO = ("-p", "no:asyncio")
#: pytest-asyncio warns of this one's absence.
ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")


def printed_by(pytester: pytest.Pytester, *options: str) -> str:
    """Return the output of another process of pytest, in the folder of the test."""
    words = ["-p", "no:cacheprovider", f"--basetemp={pytester.path / 'base'}", *options]
    return forks("pytest").run(words, cwd=pytester.path, env=os.environ)[1].decode()


def run(pytester: pytest.Pytester, *options: str, **expected: int) -> str:
    """Run the written tests in another process, check their outcomes, and return its output."""
    pytester.path.joinpath("pytest.ini").write_text(INI)
    printed = printed_by(pytester, *options)
    assert pytest.RunResult.parse_summary_nouns(printed.splitlines()) == expected, printed
    return printed


def test_importing_the_plugin_loads_no_server_and_no_client_of_aws() -> None:
    """The plug-in loads little, because every run of pytest loads it."""
    program = "import json, sys, aioglacier.testing.plugin; print(json.dumps(list(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    loaded = set(json.loads(answer.stdout))
    heavy = {"aiohttp", "aiobotocore", "botocore", "sqlite3", "click", "pytest_asyncio"}
    assert not loaded & {*heavy, "aioglacier.server", "aioglacier.cli"}


BLOCKING_TEST = """
        import boto3
        import pytest

        def test_round_trip(local_glacier):
            client = boto3.client("glacier", **local_glacier.client_arguments)
            client.create_vault(vaultName="photos")
            archive_id = client.upload_archive(vaultName="photos", body=b"november")["archiveId"]
            wish = {"Type": "archive-retrieval", "ArchiveId": archive_id, "Tier": "Bulk"}
            job_id = client.initiate_job(vaultName="photos", jobParameters=wish)["jobId"]
            local_glacier.advance(7 * 3600)
            assert not client.describe_job(vaultName="photos", jobId=job_id)["Completed"]
            local_glacier.advance(2 * 3600)
            assert client.get_job_output(vaultName="photos", jobId=job_id)["body"].read() == b"november"

        def test_another_begins_empty(local_glacier):
            assert local_glacier.status()["vaults"] == 0

        def test_signatures_are_checked(local_glacier):
            wrong = local_glacier.client_arguments | {"aws_secret_access_key": "wrong"}
            client = boto3.client("glacier", **wrong)
            with pytest.raises(client.exceptions.ClientError, match="InvalidSignatureException"):
                client.list_vaults()
"""

OPTIONS_TEST = """
        import boto3
        import pytest
        from aioglacier.server import Credentials, Fault

        pytestmark = pytest.mark.local_glacier(region="eu-central-1")

        @pytest.fixture
        def local_glacier_options():
            return {"region": "eu-west-1", "account_id": "111122223333", "job_delay": 5}

        def test_module(local_glacier):
            assert (local_glacier.region, local_glacier.account_id) == ("eu-central-1", "111122223333")

        @pytest.mark.local_glacier(
            region="us-west-2", inventory_lag=0, faults=[Fault("ListVaults", count=None)]
        )
        def test_marker(local_glacier):
            client = boto3.client("glacier", **local_glacier.client_arguments)
            client.create_vault(vaultName="v")
            arn = client.describe_vault(vaultName="v")["VaultARN"]
            assert arn == "arn:aws:glacier:us-west-2:111122223333:vaults/v"
            client.upload_archive(vaultName="v", body=b"1")
            assert client.describe_vault(vaultName="v")["NumberOfArchives"] == 1
            with pytest.raises(client.exceptions.ServiceUnavailableException):
                client.list_vaults()

        @pytest.mark.local_glacier(credentials=[Credentials("SOMEBODY", "secret")])
        def test_keys(local_glacier):
            assert local_glacier.client_arguments["aws_access_key_id"] == "SOMEBODY"
            assert boto3.client("glacier", **local_glacier.client_arguments).list_vaults()["VaultList"] == []

        @pytest.mark.local_glacier(colour="blue")
        def test_nonsense(local_glacier):
            pass
"""

ASYNC_TEST = """
    import pytest
    {mark}
    async def test_round_trip(glacier, local_glacier):
        vault = await glacier.create_vault("photos")
        archive = await vault.upload(b"november")
        job = await vault.retrieve(archive.id)
        local_glacier.advance(5 * 3600)
        async with job.open_reader() as reader:
            assert await reader.read() == b"november"
        assert local_glacier.status()["archives"] == 1
    """


def test_tests_of_every_style_run_under_anyio(pytester: pytest.Pytester) -> None:
    """Blocking tests use boto3, async ones ``glacier``; markers win over fixtures, and mistakes are named."""
    pytester.makepyfile(
        test_blocking=BLOCKING_TEST,
        test_options=OPTIONS_TEST,
        test_async=ASYNC_TEST.format(mark="@pytest.mark.anyio"),
        test_wrong="def test_it(glacier): pass",
    )
    pytester.makeconftest(
        """
        import pytest
        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    printed = run(pytester, *ANYIO, passed=3 + 3 + 1, errors=2)
    assert "unexpected keyword argument 'colour'" in printed
    assert "the fixture 'glacier' is for async tests" in printed


def test_an_async_test_runs_under_pytest_asyncio(pytester: pytest.Pytester) -> None:
    """``glacier`` is open on the event loop of pytest-asyncio in its strict mode."""
    pytester.makepyfile(ASYNC_TEST.format(mark="@pytest.mark.asyncio"))
    run(pytester, *ASYNCIO, passed=1)


def test_an_async_test_runs_under_pytest_asyncio_by_itself(pytester: pytest.Pytester) -> None:
    """In pytest-asyncio's automatic mode no mark is needed."""
    pytester.makepyfile(ASYNC_TEST.format(mark=""))
    run(pytester, *ASYNCIO, "-o", "asyncio_mode=auto", passed=1)


def test_the_plugin_tells_its_manual(pytester: pytest.Pytester) -> None:
    """``pytest --fixtures`` and ``--markers`` list the public fixtures and the marker only."""
    fixtures = printed_by(pytester, "--fixtures", *ANYIO)
    assert "local_glacier -- " in fixtures
    assert "_glacier_of" not in fixtures
    markers = printed_by(pytester, "--markers", *ANYIO)
    assert "@pytest.mark.local_glacier(**options)" in markers
