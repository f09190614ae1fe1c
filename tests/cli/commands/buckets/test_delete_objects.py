"""``aioglacier delete s3://...``: charges are said, files of folders are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
