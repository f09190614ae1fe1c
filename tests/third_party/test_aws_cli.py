"""The AWS CLI, unchanged, as a process for each command: every subcommand of ``aws glacier``.

The processes are forks of one that has loaded the CLI, because loading takes most of a second; one process is
started as people start it.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.testing import ServedGlacier

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
QUICK = pytest.mark.local_glacier(job_delay=0, inventory_lag=0)

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "glacier:DeleteArchive",
                "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/photos",
                "Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}},
            }
        ],
    }
)


class Aws:
    """``aws glacier`` in an environment that knows only the local Glacier."""

    def __init__(self, environment: dict[str, str], folder: Path, *, is_loaded: bool = False) -> None:
        self._environment = {**environment, "AWS_PAGER": ""}
        self._folder = folder
        self._is_loaded = is_loaded

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a subcommand; options are ``--name=value``, with other values than text as JSON."""
        command = ["glacier", *words]
        for name, value in options.items():
            text = value if isinstance(value, str) else json.dumps(value)
            command.append(f"--{name.replace('_', '-')}={text}")
        if self._is_loaded:
            settings: dict[str, Any] = {"env": self._environment, "cwd": self._folder}
            return subprocess.run(["aws", *command], capture_output=True, text=True, check=False, **settings)
        code, out, err = forks("aws").run(command, cwd=self._folder, env=self._environment)
        return subprocess.CompletedProcess(command, code, out.decode(), err.decode())

    def __call__(self, *words: str, **options: Any) -> Any:
        """Run a subcommand that must succeed; return its output, parsed as JSON."""
        done = self.run(*words, **{"account_id": "-", **options})
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout) if done.stdout else {}

    def refused(self, *words: str, **options: Any) -> str:
        """Run a subcommand that the service must refuse; return the error's code."""
        done = self.run(*words, **{"account_id": "-", **options})
        assert done.returncode in {254, 255}, done.stderr  # version 2 and version 1
        found = re.search(r"An error occurred \((\w+)\)", done.stderr)
        assert found, done.stderr
        return found[1]


@pytest.fixture
def aws(environment: dict[str, str], tmp_path: Path) -> Aws:
    """Return the AWS CLI, working in ``tmp_path``."""
    return Aws(environment, tmp_path)


def test_a_vault_and_its_settings(aws: Aws, local_glacier: ServedGlacier) -> None:
    """Tags, notifications and access policy are set, read and removed; the vault comes and goes."""
    v = {"vault_name": "photos"}
    assert aws("create-vault", **v) == {"location": "/012345678901/vaults/photos"}
    aws("wait", "vault-exists", **v)
    assert aws("describe-vault", **v)["NumberOfArchives"] == 0
    assert [vault["VaultName"] for vault in aws("list-vaults")["VaultList"]] == ["photos"]

    aws("add-tags-to-vault", **v, tags="colour=blue,year=2026")
    aws("remove-tags-from-vault", **v, tag_keys="year")
    assert aws("list-tags-for-vault", **v) == {"Tags": {"colour": "blue"}}

    config = {"SNSTopic": "arn:aws:sns:us-east-1:012345678901:t", "Events": ["ArchiveRetrievalCompleted"]}
    aws("set-vault-notifications", **v, vault_notification_config=config)
    assert aws("get-vault-notifications", **v) == {"vaultNotificationConfig": config}
    aws("delete-vault-notifications", **v)
    assert aws.refused("get-vault-notifications", **v) == "ResourceNotFoundException"

    aws("set-vault-access-policy", **v, policy={"Policy": POLICY})
    assert aws("get-vault-access-policy", **v) == {"policy": {"Policy": POLICY}}
    aws("delete-vault-access-policy", **v)

    aws("delete-vault", **v)
    aws("wait", "vault-not-exists", **v)
    assert local_glacier.status()["vaults"] == 0


def test_a_vault_lock(aws: Aws, local_glacier: ServedGlacier, tmp_path: Path) -> None:
    """A lock is started, aborted, started again with a policy from a file, and completed for ever."""
    local = boto3.client("glacier", **local_glacier.client_arguments)
    local.create_vault(vaultName="photos")
    v = {"vault_name": "photos"}
    (tmp_path / "lock.json").write_text(json.dumps({"Policy": POLICY}))
    aws("initiate-vault-lock", **v, policy="file://lock.json")
    assert aws.refused("initiate-vault-lock", **v, policy="file://lock.json") == "AccessDeniedException"
    aws("abort-vault-lock", **v)
    lock_id = aws("initiate-vault-lock", **v, policy="file://lock.json")["lockId"]
    aws("complete-vault-lock", **v, lock_id=lock_id)
    lock = aws("get-vault-lock", **v)
    assert (lock["State"], lock["Policy"]) == ("Locked", POLICY)
    assert local.get_vault_lock(vaultName="photos")["State"] == "Locked"


@QUICK
def test_archives_and_jobs(
    aws: Aws,
    local_glacier: ServedGlacier,
    tmp_path: Path,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
) -> None:
    """A file is uploaded, listed in the inventory, retrieved whole and in part to files, and deleted."""
    local = boto3.client("glacier", **local_glacier.client_arguments)
    local.create_vault(vaultName="photos")
    v = {"vault_name": "photos"}
    data = pattern(3 * MIB + MIB // 2)
    (tmp_path / "film").write_bytes(data)
    made = aws("upload-archive", **v, archive_description="november, raw", body="film")
    assert made["checksum"] == published_hash(len(data))

    wish = {"Type": "archive-retrieval", "ArchiveId": made["archiveId"], "Tier": "Bulk"}
    job = {**v, "job_id": aws("initiate-job", **v, job_parameters=wish)["jobId"]}
    described = aws("describe-job", **job)
    assert (described["StatusCode"], described["SHA256TreeHash"]) == ("Succeeded", made["checksum"])
    told = aws("get-job-output", "whole", **job)
    assert (tmp_path / "whole").read_bytes() == data
    assert (told["status"], told["checksum"]) == (200, made["checksum"])
    told = aws("get-job-output", "piece", **job, range=f"bytes=0-{2 * MIB - 1}")
    assert (tmp_path / "piece").read_bytes() == data[: 2 * MIB]
    assert (told["status"], told["checksum"]) == (206, published_hash(2 * MIB))

    (tmp_path / "wish.json").write_text(json.dumps({"Type": "inventory-retrieval", "Format": "CSV"}))
    inventory = aws("initiate-job", **v, job_parameters="file://wish.json")["jobId"]
    told = aws("get-job-output", "inventory.csv", **v, job_id=inventory)
    assert told["contentType"] == "text/csv"
    lines = (tmp_path / "inventory.csv").read_text().splitlines()
    assert lines[1].startswith(f'{made["archiveId"]},"november, raw",')
    assert lines[1].endswith(f",{len(data)},{made['checksum']}")
    found = aws("list-jobs", **v, statuscode="Succeeded", page_size="1")["JobList"]
    assert {one["JobId"] for one in found} == {job["job_id"], inventory}

    aws("delete-archive", **v, archive_id=made["archiveId"])
    assert local_glacier.status()["archives"] == 0


@QUICK
def test_multipart_uploads(
    aws: Aws,
    tmp_path: Path,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
    local_glacier: ServedGlacier,
    listed: Callable[[str], list[dict[str, Any]]],
) -> None:
    """An archive is uploaded in parts that ``split`` cut, as in AWS's manual; another upload is aborted."""
    local = boto3.client("glacier", **local_glacier.client_arguments)
    local.create_vault(vaultName="photos")
    v = {"vault_name": "photos"}
    data, tree_hash = pattern(2 * MIB + 1), published_hash(2 * MIB + 1)
    (tmp_path / "film").write_bytes(data)
    subprocess.run(["split", "--bytes=1048576", "film", "part-"], cwd=tmp_path, check=True)

    begun = aws("initiate-multipart-upload", **v, part_size=str(MIB), archive_description="multipart upload")
    u = {**v, "upload_id": begun["uploadId"]}
    for name, span in (("aa", "0-1048575"), ("ab", "1048576-2097151"), ("ac", "2097152-2097152")):
        aws("upload-multipart-part", **u, body=f"part-{name}", range=f"bytes {span}/*")
    parts = aws("list-parts", **u)
    assert [part["RangeInBytes"] for part in parts["Parts"]] == [
        "0-1048575",
        "1048576-2097151",
        "2097152-2097152",
    ]
    other = local.initiate_multipart_upload(vaultName="photos", partSize=str(MIB))["uploadId"]
    uploads = aws("list-multipart-uploads", **v)["UploadsList"]
    assert {upload["MultipartUploadId"] for upload in uploads} == {begun["uploadId"], other}
    aws("abort-multipart-upload", **v, upload_id=other)
    made = aws("complete-multipart-upload", **u, archive_size=str(len(data)), checksum=tree_hash)
    (entry,) = listed("photos")
    assert (entry["ArchiveId"], entry["Size"], entry["SHA256TreeHash"]) == (
        made["archiveId"],
        len(data),
        tree_hash,
    )
    assert local_glacier.status()["uploads"] == 0


def test_the_account(aws: Aws, local_glacier: ServedGlacier) -> None:
    """The retrieval policy is set and read, capacity is bought and listed."""
    policy = {"Rules": [{"Strategy": "BytesPerHour", "BytesPerHour": 10737418240}]}
    aws("set-data-retrieval-policy", policy=policy)
    assert aws("get-data-retrieval-policy") == {"Policy": policy}
    bought = aws("purchase-provisioned-capacity")["capacityId"]
    units = aws("list-provisioned-capacity")["ProvisionedCapacityList"]
    assert [unit["CapacityId"] for unit in units] == [bought]
    local = boto3.client("glacier", **local_glacier.client_arguments)
    assert local.get_data_retrieval_policy()["Policy"] == policy


@QUICK
def test_ids_that_begin_with_a_hyphen(aws: Aws, local_glacier: ServedGlacier, tmp_path: Path) -> None:
    """Ids with a leading dash, one in 64, are accepted as ``--name=ID`` and name their object."""
    local = boto3.client("glacier", **local_glacier.client_arguments)
    local.create_vault(vaultName="photos")
    v = {"vaultName": "photos"}

    def begin_with_a_hyphen(make: Callable[[], str]) -> str:
        return next(made for made in iter(make, None) if made.startswith("-"))

    archive_id = begin_with_a_hyphen(lambda: str(local.upload_archive(**v, body=b"found")["archiveId"]))
    wish = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    job_id = begin_with_a_hyphen(lambda: str(local.initiate_job(**v, jobParameters=wish)["jobId"]))
    upload_id = begin_with_a_hyphen(
        lambda: str(local.initiate_multipart_upload(**v, partSize=str(MIB))["uploadId"])
    )
    before = local_glacier.status()
    aws("get-job-output", "out", vault_name="photos", job_id=job_id)
    assert (tmp_path / "out").read_bytes() == b"found"
    aws("abort-multipart-upload", vault_name="photos", upload_id=upload_id)
    aws("delete-archive", vault_name="photos", archive_id=archive_id)
    after = local_glacier.status()
    assert (after["archives"], after["uploads"]) == (before["archives"] - 1, before["uploads"] - 1)


def test_the_configuration_file_names_the_endpoint(
    local_glacier: ServedGlacier, environment: dict[str, str], tmp_path: Path
) -> None:
    """A profile with the URL, keys and ``cli_binary_format`` works like the environment variables."""
    folder = Path(environment["HOME"], ".aws")
    folder.mkdir()
    (folder / "config").write_text(
        f"[profile local]\nregion = {local_glacier.region}\nservices = local\n"
        f"cli_binary_format = raw-in-base64-out\n"
        f"aws_access_key_id = {local_glacier.access_key_id}\n"
        f"aws_secret_access_key = {local_glacier.secret_access_key}\n"
        f"[services local]\nglacier =\n  endpoint_url = {local_glacier.url}\n"
    )
    aws = Aws({name: environment[name] for name in ("PATH", "HOME", "LANG")}, tmp_path, is_loaded=True)
    local = boto3.client("glacier", **local_glacier.client_arguments)
    local.create_vault(vaultName="photos")
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    made = aws("upload-archive", vault_name="photos", body="bytes", profile="local")
    assert made["checksum"] == "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880"
    assert local_glacier.status()["archives"] == 1


def test_every_subcommand_is_run_here(aws: Aws) -> None:
    """The tests above run every subcommand and waiter that the CLI lists."""
    tree = ast.parse(Path(__file__).read_text())
    run = {
        tuple(word.value for word in call.args if isinstance(word, ast.Constant))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "aws"
    }
    assert {words[0] for words in run} == set(choices(aws)) - {"help"}
    assert {words[1] for words in run if words[0] == "wait"} == set(choices(aws, "wait"))
    assert len(choices(aws)) >= 35


def choices(aws: Aws, *words: str) -> list[str]:
    """Return the subcommands that the CLI lists for an unknown one."""
    told = aws.run(*words, "no-such-subcommand").stderr
    _, found, table = told.partition("valid choices are:")
    assert found, told
    return re.findall(r"[a-z][a-z-]+", table)
