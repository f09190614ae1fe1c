"""A server on another port has the same records, whichever command comes there first."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli, catalog_of, data, keys, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SERVE = ("glacier", "--job-delay", "0", "--inventory-lag", "0")


def at(folder: Path, url: str) -> Cli:
    """Return the program at a server."""
    return Cli(folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())


def test_the_first_command_at_a_new_port_reads_the_same_record(tmp_path: Path) -> None:
    """Folders are compared and planned as before, and no archive of theirs is deleted."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(data(1000))
    with serving(Cli(tmp_path, environment=keys()), *SERVE) as url:
        cli = at(tmp_path, url)
        for name in ("photos", "films"):
            cli("vault", "create", name)
        cli("bucket", "create", "museum")
        cli("sync", "tree", "photos")
        cli("sync", "tree", "s3://museum/p", "--storage-class", "GLACIER_IR")
        cli("upload", "films", "tree/f")
        bundle = cli("--json", "list", "photos").record["archive_id"]
    kept = tmp_path / "kept.db"
    shutil.copy(catalog_of(cli), kept)
    with serving(Cli(tmp_path, environment=keys()), *SERVE) as url:
        cli = at(tmp_path, url)

        def first(*arguments: str, code: int = 0) -> list[dict[str, object]]:
            shutil.copy(kept, catalog_of(cli))
            return cli("--json", *arguments, code=code).records

        for place in ("photos", "s3://museum/p"):
            assert first("verify", "tree", place)[-1]["troubles"] == 0
            assert first("restore", place, "back", "--dry-run")[-1]["files"] == 1
        assert first("sync", "tree", "photos", "--dry-run")[-1]["unchanged"] == 2
        assert first("restore", "films", "back", "--dry-run")[-1]["archives"] == 1
        first("delete", "photos", bundle, "--yes", code=2)
        first("vault", "empty", "photos", "--yes", code=2)
