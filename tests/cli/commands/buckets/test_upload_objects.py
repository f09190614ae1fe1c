"""``aioglacier upload s3://...``: keys, classes, refusals, repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MIB, data

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_class_is_named_and_never_chosen(museum: Cli) -> None:
    """Without one nothing is sent; the command line and the environment name it."""
    assert "GLACIER_IR" in museum("upload", "s3://museum", "film", code=2).err
    environment = {"AIOGLACIER_STORAGE_CLASS": "DEEP_ARCHIVE"}
    record = museum("--json", "upload", "s3://museum", "film", environment=environment).record
    assert (record["key"], record["storage_class"]) == ("film", "DEEP_ARCHIVE")
    assert museum("--json", "list", "s3://museum").record["storage_class"] == "DEEP_ARCHIVE"


@pytest.mark.parametrize(
    ("place", "key"), [("s3://museum/", "film"), ("s3://museum/a/", "a/film"), ("s3://museum/b", "b")]
)
def test_a_prefix_gets_the_name_of_the_file(museum: Cli, place: str, key: str) -> None:
    """A key that ends with / or is empty is a folder."""
    words = ("upload", place, "film", "--storage-class", "GLACIER_IR", "--metadata", "camera=leica")
    record = museum("--json", *words).record
    assert (record["key"], record["skipped"]) == (key, False)
    assert museum("--json", *words).record["skipped"]


@pytest.mark.parametrize(
    "words",
    [
        ("s3://museum/key", "film", "other"),
        ("s3://museum", "-"),
        ("s3://museum", "film", "--metadata", "camera"),
        ("s3://museum", "film", "--roll-over"),
        ("vault", "film", "--overwrite"),
        ("s3://Museum", "film"),
    ],
)
def test_what_does_not_go_together_is_refused(museum: Cli, words: tuple[str, ...]) -> None:
    """Nothing is sent."""
    (museum.folder / "other").write_bytes(b"other")
    museum("upload", *words, "--storage-class", "GLACIER_IR", code=2)
    assert not museum("--json", "list", "s3://museum").records


def test_an_object_is_not_replaced_unless_asked_for(museum: Cli) -> None:
    """The error names the option that replaces it, for files and for standard input."""
    words = ("upload", "s3://museum/film", "--storage-class", "GLACIER_IR")
    museum(*words, "film")
    refused = museum(*words, "-", stdin=b"other", code=7)
    assert "--overwrite" in refused.err
    record = museum("--json", *words, "-", "--overwrite", stdin=b"other").record
    assert record["size"] == 5
    assert museum("--json", *words, "film", "--overwrite").record["skipped"] is False


def test_the_checksum_is_chosen(museum: Cli) -> None:
    """CRC64NVME takes the place of SHA-256, also of an encrypted object; a vault has no choice."""
    words = ("upload", "s3://museum/a", "film", "--storage-class", "GLACIER_IR", "--checksum", "crc64nvme")
    assert museum("--json", *words).record["checksum"].startswith("CRC64NVME:")
    assert museum("--json", *words).record["skipped"]
    museum("upload", "photos", "film", "--checksum", "SHA256", code=2)


def test_the_plan_has_requests_days_and_price(museum: Cli) -> None:
    """Nothing is sent, and a limit that a price would exceed is kept."""
    (museum.folder / "big").write_bytes(data(17 * MIB))
    words = ("upload", "s3://museum", "--storage-class", "DEEP_ARCHIVE")
    small, large = museum("--json", *words, "--dry-run", "film", "big").records
    assert (small["requests"], large["requests"], large["minimum_days"]) == (1, 4, 180)
    assert large["cost"] > small["cost"] > 0
    assert "would cost" in museum(*words, "film", "--max-cost", "0.0000001", code=2).err
    assert not museum("--json", "list", "s3://museum").records


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 17 * MIB])
def test_the_cost_of_a_plan_is_enough(museum: Cli, size: int) -> None:
    """An upload stays within the cost that --dry-run prints, with all requests that look and list."""
    (museum.folder / "film").write_bytes(data(size))
    words = ("--json", "upload", "s3://museum", "film", "--storage-class", "GLACIER", "--part-size", "8MiB")
    cost = museum(*words, "--dry-run").record["cost"]
    assert museum(*words, "--max-cost", str(cost)).record["size"] == size
