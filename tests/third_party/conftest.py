"""Data with published tree hashes, and the server's own inventory.

Foreign clients run unchanged; each signs its requests, and the server checks them. Hashes are compared with
the published vectors, so that none of our code confirms itself.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.testing import ServedGlacier

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "treehash.json").read_text())


@pytest.fixture(scope="session")
def pattern() -> Callable[[int], bytes]:
    """Return a prefix of the sequence of the published vectors, up to 16 MiB."""
    words = bytearray()
    for high in range(256):
        words += bytes(low ^ high for low in range(256))
    whole = b"".join(bytes(words).translate(bytes(byte ^ top for byte in range(256))) for top in range(256))

    def prefix(size: int) -> bytes:
        assert size <= len(whole)
        return whole[:size]

    return prefix


@pytest.fixture(scope="session")
def published_hash() -> Callable[[int], str]:
    """Return the published tree hash of a prefix of the pattern."""
    known: dict[int, str] = {one["size"]: one["sha256_tree_hash"] for one in VECTORS["vectors"]}
    return known.__getitem__


@pytest.fixture
def environment(local_glacier: ServedGlacier, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a program that knows only the local Glacier."""
    home = tmp_path / "home"
    home.mkdir()
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return {
        "PATH": os.pathsep.join(folders),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        **local_glacier.environment,
    }


@pytest.fixture
def listed(local_glacier: ServedGlacier) -> Callable[[str], list[dict[str, Any]]]:
    """Return the content of a vault: its inventory, taken now and fetched by a minimal client."""

    def archives(vault: str) -> list[dict[str, Any]]:
        from botocore.session import Session  # noqa: PLC0415  # the one client that every test here trusts

        client: Any = Session().create_client("glacier", **local_glacier.client_arguments)  # type: ignore[arg-type]
        local_glacier.run_inventory()
        wish = {"Type": "inventory-retrieval"}
        job = {"vaultName": vault, "jobId": client.initiate_job(vaultName=vault, jobParameters=wish)["jobId"]}
        local_glacier.advance(5 * 3600)
        document: dict[str, Any] = json.loads(client.get_job_output(**job)["body"].read())
        client.close()
        entries: list[dict[str, Any]] = document["ArchiveList"]
        return entries

    return archives
