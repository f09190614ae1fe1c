"""``aioglacier download s3://...``: restored where necessary, fetched, verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize("storage_class", ["GLACIER_IR", "GLACIER"])
def test_an_object_comes_back(museum: Cli, storage_class: str) -> None:
    """The file gets the last part of the key; standard output gets the bytes."""
    museum("upload", "s3://museum/scans/", "film", "--storage-class", storage_class)
    whole = (museum.folder / "film").read_bytes()
    (museum.folder / "film").unlink()
    record = museum("--json", "download", "s3://museum", "scans/film", "--tier", "Bulk").record
    assert (record["target"], record["verified"]) == ("film", True)
    assert (museum.folder / "film").read_bytes() == whole
    assert museum("download", "s3://museum/scans", "film", "-").out == whole
    assert "there already" in museum("download", "s3://museum/scans", "film").err
    (museum.folder / "film").write_bytes(whole[1:] + b"!")
    museum("download", "s3://museum/scans", "film", code=1)


def test_a_plan_says_whether_a_restore_is_paid_for(museum: Cli) -> None:
    """A class that reads at once needs none."""
    for storage_class in ("GLACIER_IR", "DEEP_ARCHIVE"):
        museum("upload", f"s3://museum/{storage_class}", "film", "--storage-class", storage_class)
    at_once = museum("--json", "download", "s3://museum", "GLACIER_IR", "--dry-run").record
    restored = museum("--json", "download", "s3://museum", "DEEP_ARCHIVE", "--dry-run", "--days", "9").record
    assert (at_once["operation"], restored["operation"]) == ("GetObject", "RestoreObject")
    assert restored["cost"] > 0
    museum("download", "s3://museum", "DEEP_ARCHIVE", "x", "--tier", "Expedited", code=2)


@pytest.mark.parametrize(
    "words", [(), ("a", "b", "c"), ("a", "--job-id", "job"), ("a", "b", "--manifest", "--no-wait")]
)
def test_words_that_mean_no_object_are_refused(museum: Cli, words: tuple[str, ...]) -> None:
    """A restore has no id, and a manifest means the whole stream."""
    museum("download", "s3://museum", *words, code=2)


def test_a_key_that_is_not_there_is_named(museum: Cli) -> None:
    """The error is that of the service."""
    assert "nothing" in museum("download", "s3://museum", "nothing", code=7).err
