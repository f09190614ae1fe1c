"""Vaults through fsspec: what is read was retrieved, and other libraries write through the file system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import NotRetrievedError
from aioglacier.fs import GlacierFileSystem

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def test_what_was_not_retrieved_is_not_read(options: dict[str, Any], fs: Any, vault: str) -> None:
    """The error names the call that retrieves it, and nothing was paid."""
    fs.pipe_file(f"{vault}/a", b"a")
    with fs.open(f"{vault}/a") as file:  # which the fixture's file system does not mind
        assert file.size == 1
    system = GlacierFileSystem(skip_instance_cache=True, **options)
    with pytest.raises(NotRetrievedError, match=rf"vault\('{vault}'\)\.retrieve\('.+'\)"):
        system.cat_file(f"{vault}/a")
    system.close()


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
