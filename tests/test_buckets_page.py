"""The page on buckets: its programs print what it says, and its policy allows what the library asks."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from aioglacier.gateway.s3.gateway import S3Gateway
from tests.forking import forks

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "buckets.md").read_text()

#: The permission of each operation: S3 user guide, "Required permissions for Amazon S3 API operations".
ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObject": "s3:GetObject",
    "GetObjectAttributes": "s3:GetObjectAttributes",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "PutObject": "s3:PutObject",
    "RestoreObject": "s3:RestoreObject",
    "UploadPart": "s3:PutObject",
    # Those of a bucket as a whole are named below the policy.
    "CreateBucket": None,
    "DeleteBucket": None,
    "ListBuckets": None,
}


def test_the_programs_print_what_the_page_says(tmp_path: Path) -> None:
    """They run in the order of the page, in one folder, with warnings as errors."""
    programs = re.findall(r"```python\n(.*?)```(?:[^`]*?)```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == PAGE.count("```python")
    for source, printed in programs:
        assert forks().run(["-c", source], cwd=tmp_path, env=os.environ) == (0, printed.encode(), b"")
    check_commands(tmp_path)


def check_commands(folder: Path) -> None:
    """Run the commands of the page in a folder where the programs have left a file."""
    (folder / "tree").mkdir()
    (folder / "tree" / "leaf").write_bytes(b"leaf")
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    home = {name: str(folder / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    programs = folder / "programs"
    programs.mkdir()
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=folder,
        env={"PATH": f"{programs}:{os.environ['PATH']}", **home},
        pass_fds=[forks().install(programs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "back.tar").stat().st_size == 13_800_000
    assert (folder / "again" / "leaf").read_bytes() == b"leaf"


def test_the_policy_allows_what_is_asked() -> None:
    """It names every permission that an operation of the table needs, and no other."""
    (policy,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    allowed = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}
    rows = {row.name for row in (getattr(method, "row", None) for method in vars(S3Gateway).values()) if row}
    rows |= {"GetObject"}  # which streams, and has no method in the table
    assert rows <= ACTIONS.keys()
    needed = {action for name in rows if (action := ACTIONS[name]) is not None}
    assert allowed == needed | {"s3:PutObjectTagging"}  # an object that is put with tags
