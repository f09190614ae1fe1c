"""``aioglacier delete s3://...``: charges are said, files of folders are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, data

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_the_minimum_duration_is_said_before_objects_are_deleted(museum: Cli) -> None:
    """Without a terminal and without ``--yes`` nothing happens; deleting twice is no error."""
    museum("upload", "s3://museum/a/", "film", "--storage-class", "DEEP_ARCHIVE")
    refused = museum("delete", "s3://museum/a", "film", code=2).err
    assert "180 days" in refused
    assert museum("--json", "delete", "s3://museum/a", "film", "--dry-run").record["cost"] > 0
    assert museum("--json", "delete", "s3://museum/a", "film", "nothing", "--yes").records[0]["deleted"]
    museum("delete", "s3://museum", "a/film", "--yes")
    assert not museum("--json", "list", "s3://museum").records
    words = ("upload", "s3://museum/a/", "film", "--storage-class", "GLACIER")
    assert museum("--json", *words).record["skipped"] is False


def test_the_sidecar_of_a_bundle_is_deleted_too(museum: Cli) -> None:
    """A deletion of the bundle leaves no part of the folder in the bucket."""
    (museum.folder / "tree").mkdir()
    (museum.folder / "tree" / "leaf").write_bytes(b"leaf")
    museum("sync", "tree", "s3://museum/tree", "--storage-class", "GLACIER_IR")
    bundle, _ = sorted(record["key"] for record in museum("--json", "list", "s3://museum").records)
    museum("delete", "s3://museum", bundle, "--yes", "--lose-files")
    assert not museum("--json", "list", "s3://museum").records


@pytest.mark.slow
@pytest.mark.parametrize("storage_class", ["GLACIER_IR", "DEEP_ARCHIVE"])
def test_the_costs_of_plans_are_enough(museum: Cli, storage_class: str) -> None:
    """A sample, a recovery and a deletion stay within the cost that --dry-run prints."""
    (museum.folder / "tree").mkdir()
    (museum.folder / "tree" / "a").write_bytes(data(2 * MIB))
    museum("sync", "tree", "s3://museum/tree", "--storage-class", storage_class)
    sample = ("--json", "verify", "tree", "s3://museum/tree", "--sample", "2")
    cost = museum(*sample, "--dry-run").record["cost"]
    assert museum(*sample, "--max-cost", str(cost)).records[-1]["sampled"] == 2
    recover = ("--json", "--catalog", "other.db", "catalog", "recover", "s3://museum/tree")
    cost = museum(*recover, "--dry-run").record["cost"]
    assert museum(*recover, "--max-cost", str(cost), "--yes").records[-1]["members"] == 2
    museum("upload", "s3://museum", "film", "--storage-class", storage_class)
    delete = ("--json", "delete", "s3://museum", "film")
    cost = museum(*delete, "--dry-run").record["cost"]
    assert museum(*delete, "--max-cost", str(cost), "--yes").record["deleted"]
