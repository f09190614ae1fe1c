# mypy: disable-error-code=misc
"""Buckets through fsspec: its own contract tests, and the rules of archive classes."""

from __future__ import annotations

import functools
from itertools import count
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.tests.abstract import (
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)
from fsspec.tests.abstract.common import GLOB_EDGE_CASES_TESTS

from aioglacier.core.errors import InvalidPlanError, NotRetrievedError, ObjectExistsError
from aioglacier.fs import S3ArchiveFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NUMBERS = count()


@pytest.fixture(scope="module")
def system(options: dict[str, Any]) -> Iterator[S3ArchiveFileSystem]:
    """Open a file system whose objects are read at once, and may be replaced."""
    system = S3ArchiveFileSystem(
        storage_class="GLACIER_IR", overwrite=True, skip_instance_cache=True, **options
    )
    yield system
    system.close()


@pytest.fixture
def bucket(system: Any) -> str:
    """Make a bucket of the test's own."""
    name = f"bucket-{next(_NUMBERS)}"
    system.mkdir(name)
    return name


def some_patterns(test: Any) -> Any:
    """Return a test of fsspec's patterns with every third of them: fsspec matches names, not we."""

    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        test(*arguments, **more)

    names, values = GLOB_EDGE_CASES_TESTS["argnames"], GLOB_EDGE_CASES_TESTS["argvalues"]
    run.pytestmark = [pytest.mark.parametrize(names, values[::3]).mark]  # type: ignore[attr-defined]
    return run


@pytest.mark.slow
@pytest.mark.long
class TestContract(
    AbstractFixtures, AbstractGetTests, AbstractOpenTests, AbstractPipeTests, AbstractPutTests
):
    """All contract tests of fsspec but those of copies, which are refused."""

    test_get_glob_edge_cases = some_patterns(AbstractGetTests.test_get_glob_edge_cases)
    test_put_glob_edge_cases = some_patterns(AbstractPutTests.test_put_glob_edge_cases)

    @pytest.fixture
    def fs(self, system: S3ArchiveFileSystem) -> S3ArchiveFileSystem:
        """Return the file system."""
        return system

    @pytest.fixture
    def fs_path(self, bucket: str) -> str:
        """Return a bucket."""
        return bucket

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        """Return a function that joins paths."""
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        """Folders exist by the names of objects."""
        return False


def test_a_class_is_named(options: dict[str, Any], bucket: str) -> None:
    """Without one nothing is sent."""
    system = S3ArchiveFileSystem(skip_instance_cache=True, **options)
    with pytest.raises(InvalidPlanError, match="class"):
        system.pipe_file(f"{bucket}/a", b"a")
    system.close()


def test_an_object_is_replaced_only_on_request(options: dict[str, Any], bucket: str) -> None:
    """By default a second write to a key is an error, and the object stays."""
    system = S3ArchiveFileSystem(storage_class="GLACIER_IR", skip_instance_cache=True, **options)
    system.pipe_file(f"{bucket}/a", b"a")
    with pytest.raises(ObjectExistsError):
        system.pipe_file(f"{bucket}/a", b"b")
    assert system.cat_file(f"{bucket}/a") == b"a"
    system.close()


def test_what_was_not_restored_is_not_read(options: dict[str, Any], bucket: str) -> None:
    """The error names the call; with ``retrieve`` the object is restored and read."""
    system = S3ArchiveFileSystem(storage_class="DEEP_ARCHIVE", skip_instance_cache=True, **options)
    system.pipe_file(f"{bucket}/a", b"a" * 100)
    with pytest.raises(NotRetrievedError, match="retrieve"):
        system.cat_file(f"{bucket}/a")
    system.close()
    with fsspec.open(f"s3archive://{bucket}/a", retrieve="Bulk", **options) as file:
        assert file.read(10) == b"a" * 10


@pytest.mark.slow
def test_pandas_writes_and_reads(system: Any, options: dict[str, Any], bucket: str) -> None:
    """A table in a class that reads at once comes back by its address."""
    import pandas as pd  # noqa: PLC0415  # takes a second of every process that collects tests

    frame = pd.DataFrame({"a": range(1000)})
    address = f"s3archive://{bucket}/2026/frame.parquet"
    frame.to_parquet(address, storage_options={"storage_class": "GLACIER_IR", **options})
    pd.testing.assert_frame_equal(pd.read_parquet(address, storage_options=options), frame)
    assert system.find(bucket) == [f"{bucket}/2026/frame.parquet"]
