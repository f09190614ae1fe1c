"""Programs of others, unchanged, against the local Glacier."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aioglacier.core.treehash import tree_hash
from tests.server.conftest import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Boto

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier

MIB = 1024 * 1024


async def run(server: LocalGlacier, directory: Path, *arguments: str) -> str:
    """Run a program of the environment with credentials for ``server``; its output."""
    program, *rest = arguments
    completed = await to_thread.run_sync(
        partial(
            subprocess.run,
            [str(Path(sys.executable).with_name(program)), *rest],
            cwd=directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
                "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL_GLACIER": server.url,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


async def test_the_aws_command_line_uploads_and_retrieves(server: LocalGlacier, tmp_path: Path) -> None:
    """From vault to output file, by its own defaults."""
    source = tmp_path / "film.mkv"
    source.write_bytes(os.urandom(3 * MIB + 1))

    async def aws(operation: str, *arguments: str) -> dict[str, Any]:
        common = ("--account-id", "-", "--vault-name", "v", *arguments)
        text = await run(server, tmp_path, "aws", "glacier", operation, *common)
        document = json.loads(text or "{}")
        assert isinstance(document, dict)
        return document

    await aws("create-vault")
    archive_id = (await aws("upload-archive", "--body", "film.mkv"))["archiveId"]
    job = json.dumps({"Type": "archive-retrieval", "ArchiveId": archive_id, "Tier": "Bulk"})
    job_id = (await aws("initiate-job", "--job-parameters", job))["jobId"]
    assert (await aws("describe-job", f"--job-id={job_id}"))["StatusCode"] == "Succeeded"
    answer = await aws("get-job-output", f"--job-id={job_id}", "out.mkv")
    assert answer["checksum"] == tree_hash(source.read_bytes()).hex()
    assert (tmp_path / "out.mkv").read_bytes() == source.read_bytes()


async def test_glacier_upload_sends_parts_with_a_total(
    server: LocalGlacier, boto: Boto, tmp_path: Path
) -> None:
    """A client that writes "bytes s-e/TOTAL" and reads the hash of the completed upload."""
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.write(b"head")
        file.truncate(101 * MIB + 17)
    text = await run(server, tmp_path, "glacier", "upload", "v", "big", "-d", "by glacier_upload", "-t", "3")
    (entry,) = (await boto.inventory())["ArchiveList"]
    assert entry["ArchiveDescription"] == "by glacier_upload"
    assert entry["Size"] == source.stat().st_size
    assert entry["ArchiveId"] in text
