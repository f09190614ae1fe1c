"""Files that fsspec writes: each becomes one archive, and one that fails becomes none."""

from __future__ import annotations

from typing import Any

import fsspec
import pytest

MIB = 1024 * 1024


@pytest.mark.parametrize("way", ["system", "address"])
def test_a_block_that_fails_makes_no_archive(options: dict[str, Any], fs: Any, vault: str, way: str) -> None:
    """Neither a file of the file system nor ``fsspec.open``, which hides the exception, completes it."""

    def write() -> None:
        opened = (
            fs.open(f"{vault}/a", "wb")
            if way == "system"
            else fsspec.open(f"glacier://{vault}/a", "wb", **options)
        )
        with opened as file:
            file.write(b"a" * MIB)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert fs.find(vault) == []


def test_an_exception_that_is_being_handled_is_not_a_failure(fs: Any, vault: str) -> None:
    """A file written while the caller handles an error of its own is complete."""
    try:
        raise ZeroDivisionError  # the point
    except ZeroDivisionError:
        fs.pipe_file(f"{vault}/a", b"a")
    assert fs.cat_file(f"{vault}/a") == b"a"


def test_a_dropped_file_makes_no_archive(fs: Any, vault: str) -> None:
    """A file that is dropped without ``close`` may not be whole."""
    file = fs.open(f"{vault}/a", "wb")
    file.write(b"a" * MIB)
    del file
    assert fs.find(vault) == []


def test_a_transaction_makes_all_or_nothing(fs: Any, vault: str) -> None:
    """Archives of a transaction are made at its end, and given up where it fails."""
    with fs.transaction:
        fs.pipe_file(f"{vault}/a", b"a")
        assert fs.find(vault) == []
    assert fs.find(vault) == [f"{vault}/a"]

    def fail() -> None:
        with fs.transaction:
            fs.pipe_file(f"{vault}/b", b"b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert fs.find(vault) == [f"{vault}/a"]
