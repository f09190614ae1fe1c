"""``aioglacier list s3://...``: objects that are chosen, in an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_objects_are_chosen_and_sorted(museum: Cli) -> None:
    """Keys are those below the prefix; the state of a restore is shown."""
    (museum.folder / "small").write_bytes(b"small")
    museum("upload", "s3://museum/a/", "film", "small", "--storage-class", "GLACIER")
    museum("upload", "s3://museum/ab", "film", "--storage-class", "GLACIER_IR")
    museum("download", "s3://museum", "a/film", "-", "--days", "2")

    def keys(*words: str) -> list[str]:
        return [record["key"] for record in museum("--json", "list", *words).records]

    assert keys("s3://museum") == ["a/film", "a/small", "ab"]
    assert keys("s3://museum/a") == ["film", "small"]
    assert keys("s3://museum", "--sort", "size", "--reverse", "--limit", "1")[0] in {"a/film", "ab"}
    assert keys("s3://museum", "--match", "a/*", "--larger", "100") == ["a/film"]
    (restored,) = museum("--json", "list", "s3://museum", "--match", "*film").records
    assert restored["restore"] == "done"
    assert "GLACIER_IR" in museum("list", "s3://museum").text
    assert "storage class" in museum("list", "s3://museum", "--long").text
