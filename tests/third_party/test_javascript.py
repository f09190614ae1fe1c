"""The AWS SDK for JavaScript, version 3: a client that shares no code with botocore.

The test installs it from the npm registry into a temporary folder, and is skipped with a reason without
Node.js or the registry.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.testing import ServedGlacier

pytestmark = [pytest.mark.slow, pytest.mark.long]

MIB = 1024 * 1024
SOURCES = Path(__file__).parent / "javascript"
MANUAL = (Path(__file__).parents[2] / "docs" / "local-glacier.md").read_text()
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
INSTALL_SECONDS = 40


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the script, in a folder where the SDK is installed."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "archive.js"):
        shutil.copy(SOURCES / name, folder)
    try:
        done = subprocess.run(
            INSTALL, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the npm registry did not give the SDK in {INSTALL_SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm could not install the SDK: {done.stderr.strip().splitlines()[:1]}")
    return folder / "archive.js"


@pytest.mark.local_glacier(job_delay=0, inventory_lag=0)
def test_the_sdk_for_javascript(
    program: Path,
    environment: dict[str, str],
    tmp_path: Path,
    local_glacier: ServedGlacier,
    pattern: Callable[[int], bytes],
    published_hash: Callable[[int], str],
    listed: Callable[[str], list[dict[str, Any]]],
) -> None:
    """The server accepts the SDK's hashes and signatures, returns its bytes, and raises its error classes."""
    size, tree_hash = 7 * MIB, published_hash(7 * MIB)
    (tmp_path / "film").write_bytes(pattern(size))
    done = subprocess.run(
        ["node", program, "film", tree_hash],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    assert seen["whole"]["checksum"] == seen["stream"]["checksum"] == seen["parts"]["checksum"] == tree_hash
    assert [part["RangeInBytes"] for part in seen["listed"]] == [
        "0-2097151",
        "2097152-4194303",
        "4194304-6291455",
        "6291456-7340031",
    ]
    assert [part["SHA256TreeHash"] for part in seen["listed"]] == seen["partChecksums"]
    assert (seen["job"]["StatusCode"], seen["job"]["ArchiveSizeInBytes"]) == ("Succeeded", size)
    assert (seen["same"], seen["checksum"]) == (True, tree_hash)
    assert seen["piece"] == {"status": 206, "checksum": published_hash(4 * MIB), "same": True}
    assert len(seen["inventory"]["ArchiveList"]) == 3
    assert seen["tags"] == {"colour": "blue"}
    assert seen["error"] == {
        "isTheirs": True,
        "name": "ResourceNotFoundException",
        "message": "No notification configuration is set for vault: photos",
        "status": 404,
    }
    left = [(entry["ArchiveDescription"], entry["SHA256TreeHash"]) for entry in listed("photos")]
    assert left == [("whole, in memory", tree_hash), ("in parts", tree_hash)]
    assert local_glacier.status()["uploads"] == 0


def test_the_example_of_the_manual(
    program: Path, environment: dict[str, str], local_glacier: ServedGlacier
) -> None:
    """The JavaScript block in docs/local-glacier.md archives, and prints id and tree hash."""
    (block,) = re.findall(r"```javascript\n(.*?)```", MANUAL, re.DOTALL)
    example = program.with_name("example.js")
    example.write_text(block)
    done = subprocess.run(
        ["node", example], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[\w-]{138} [0-9a-f]{64}\n", done.stdout)
    assert local_glacier.status()["archives"] == 1
