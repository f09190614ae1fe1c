"""A file system of archives: fsspec's own contract, addresses, lists in folders, and what is refused."""

from __future__ import annotations

from typing import Any

import fsspec
import pytest
from fsspec.tests.abstract import AbstractOpenTests, AbstractPipeTests

MIB = 1024 * 1024


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
