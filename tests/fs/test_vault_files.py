"""Vaults through fsspec: what is written is one archive, what fails is none, what is read was retrieved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.tests.abstract import AbstractOpenTests, AbstractPipeTests

from aioglacier.core.errors import NotRetrievedError
from aioglacier.fs import GlacierFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def fs(options: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[GlacierFileSystem]:
    """The file system, with a vault of the test's own, which retrieves what is read."""
    system = GlacierFileSystem(retrieve="Expedited", skip_instance_cache=True, **options)
    system.vault = request.node.name.replace("[", "-").replace("]", "")
    system.mkdir(system.vault)
    yield system
    system.close()


@pytest.fixture
def vault(fs: Any) -> str:
    """The name of the vault."""
    name: str = fs.vault
    return name


class TestContract(AbstractOpenTests, AbstractPipeTests):  # type: ignore[misc]  # fsspec has no types
    """The contract tests of fsspec that ask for no empty file, which a vault cannot keep."""

    @pytest.fixture
    def fs_target(self, vault: str) -> str:
        """A name that is free."""
        return f"{vault}/target"


def test_an_address_is_enough(options: dict[str, Any], fs: Any, vault: str) -> None:
    """``fsspec.open`` finds the file system by its protocol; a name with folders is listed in them."""
    fs.close()
    mine = {**options, "retrieve": "Bulk"}
    with fsspec.open(f"glacier://{vault}/2026/a.bin", "wb", **mine) as file:
        file.write(b"a" * (2 * MIB + 1))
    with fsspec.open(f"glacier://{vault}/2026/a.bin", "rb", **mine) as file:
        assert file.read() == b"a" * (2 * MIB + 1)
    assert fs.ls(vault, detail=False) == [f"{vault}/2026"]
    assert fs.isdir(f"{vault}/2026")
    assert [info["size"] for info in fs.ls(f"{vault}/2026")] == [2 * MIB + 1]
    assert fs.find(vault) == [f"{vault}/2026/a.bin"]
    assert fs.info(f"{vault}/{fs.info(f'{vault}/2026/a.bin')['archive_id']}")["size"] == 2 * MIB + 1


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
    """It may not be whole."""
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


def test_what_was_not_retrieved_is_not_read(options: dict[str, Any], fs: Any, vault: str) -> None:
    """The error names the call that retrieves it, and nothing was paid."""
    fs.pipe_file(f"{vault}/a", b"a")
    with fs.open(f"{vault}/a") as file:  # which the fixture's file system does not mind
        assert file.size == 1
    system = GlacierFileSystem(skip_instance_cache=True, **options)
    with pytest.raises(NotRetrievedError, match=rf"vault\('{vault}'\)\.retrieve\('.+'\)"):
        system.cat_file(f"{vault}/a")
    system.close()


def test_what_is_wrong_is_said(fs: Any, vault: str) -> None:
    """Missing names, modes that change an archive, and copies."""
    with pytest.raises(FileNotFoundError):
        fs.open(f"{vault}/nothing")
    with pytest.raises(ValueError, match="written whole"):
        fs.open(f"{vault}/a", "ab")
    fs.pipe_file(f"{vault}/a", b"a")
    with pytest.raises(NotImplementedError, match="copied"):
        fs.cp_file(f"{vault}/a", f"{vault}/b")
    fs.rm(f"{vault}/a")
    assert not fs.exists(f"{vault}/a")


def test_pandas_and_pyarrow_write_through_it(
    tmp_path: Path, options: dict[str, Any], fs: Any, vault: str
) -> None:
    """A table comes back as it was, by an address and through a file system."""
    import pandas as pd  # noqa: PLC0415  # takes a second of every process that collects tests
    from pyarrow import Table, parquet  # noqa: PLC0415

    frame = pd.DataFrame({"a": range(10_000), "b": [str(number) for number in range(10_000)]})
    frame.to_parquet(f"glacier://{vault}/frame.parquet", storage_options=options)
    parquet.write_table(Table.from_pandas(frame), f"{vault}/table.parquet", filesystem=fs)
    for name in ("frame.parquet", "table.parquet"):
        fs.get_file(f"{vault}/{name}", str(tmp_path / name))
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), frame)
