"""``aioglacier bucket``: buckets come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_buckets_are_made_listed_and_removed(museum: Cli) -> None:
    """Making one's own again is no error, and one that is not empty stays."""
    museum("bucket", "create", "s3://museum")
    assert museum("--json", "bucket", "list").record["bucket"] == "museum"
    assert museum("bucket", "list").text.splitlines()[1].split()[1:] == ["us-east-1", "s3://museum"]
    museum("upload", "s3://museum", "film", "--storage-class", "GLACIER_IR")
    museum("bucket", "delete", "museum", code=7)
    museum("delete", "s3://museum", "film", "--yes")
    museum("bucket", "delete", "museum")
    assert "no buckets" in museum("bucket", "list").err
