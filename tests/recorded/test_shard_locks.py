"""Works that processes divide among themselves."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import Catalog
from aioglacier.core.errors import ConfigurationError, ShardMismatchError, UploadLockedError
from aioglacier.recorded.shard_locks import hold_all, hold_shard
from aioglacier.tasks.shard import WHOLE, Shard
from tests.catalog.conftest import emptied_database, path, server  # noqa: F401  # fixtures
from tests.catalog.samples import PHOTOS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioglacier.catalog.moves.shards import ShardedWork

WORK = "move to s3://b/"


@asynccontextmanager
async def held(location: str, shard: Shard, **terms: str) -> AsyncIterator[ShardedWork | None]:
    """Hold a shard by a catalog of its own, as another process does; give the former division."""

    async def begin(former: ShardedWork | None) -> ShardedWork | None:
        return former

    async with (
        Catalog.open(location) as catalog,
        hold_shard(catalog, PHOTOS, WORK, shard, begin, terms) as former,
    ):
        yield former


async def test_shards_are_held_side_by_side_and_none_twice(emptied_database: str) -> None:  # noqa: F811
    """Only the first of them finds the work undivided; another holder of the same shard is refused."""
    async with AsyncExitStack() as stack:
        formers = [
            await stack.enter_async_context(held(emptied_database, Shard(number, 3))) for number in (2, 1, 3)
        ]
        assert [former is None for former in formers] == [False, True, True]
        with pytest.raises(UploadLockedError):
            await stack.enter_async_context(held(emptied_database, Shard(2, 3)))


@pytest.mark.slow
async def test_another_division_waits_until_no_shard_is_at_work(emptied_database: str) -> None:  # noqa: F811
    """While a shard works, another number, other terms or the whole are refused; later they are recorded."""
    async with held(emptied_database, Shard(2, 4), larger="1"):
        for shard, terms in ((Shard(1, 5), {"larger": "1"}), (Shard(1, 4), {}), (WHOLE, {"larger": "1"})):
            with pytest.raises(ShardMismatchError) as caught:
                async with held(emptied_database, shard, **terms):
                    pass
            assert (caught.value.recorded, caught.value.number) == (4, 2)
            assert caught.value.pid is not None
    async with held(emptied_database, Shard(5, 5)) as former:
        assert former is not None
        assert former.shards == 4
    async with held(emptied_database, WHOLE) as former:
        assert former is not None
        with pytest.raises(ShardMismatchError):
            async with held(emptied_database, Shard(5, 5)):
                pass
        with pytest.raises(UploadLockedError):
            async with held(emptied_database, WHOLE):
                pass


async def test_a_beginning_that_fails_is_repeated(emptied_database: str) -> None:  # noqa: F811
    """A division is recorded only once the work has begun."""

    async def fail(_former: object) -> None:
        raise OSError

    async with Catalog.open(emptied_database) as catalog:
        with pytest.raises(OSError, match=r"^$"):
            async with hold_shard(catalog, PHOTOS, WORK, Shard(1, 2), fail):
                pass
    async with held(emptied_database, Shard(2, 2)) as former:
        assert former is not None


async def test_all_shards_are_held_at_once(emptied_database: str) -> None:  # noqa: F811
    """The holder of a whole work waits for no shard: it is refused while one is at work."""
    async with Catalog.open(emptied_database) as catalog:
        async with held(emptied_database, Shard(3, 3)):
            with pytest.raises(ShardMismatchError):
                async with hold_all(catalog, PHOTOS, WORK):
                    pass
        async with hold_all(catalog, PHOTOS, WORK):
            for shard in (Shard(1, 3), Shard(3, 3)):
                with pytest.raises(UploadLockedError):
                    async with held(emptied_database, shard):
                        pass


async def test_a_file_is_no_catalog_for_shards(tmp_path: Path) -> None:
    """A file has locks for one machine only, so it takes no shard but the whole."""
    file = str(tmp_path / "catalog.db")
    with pytest.raises(ConfigurationError, match="is a file"):
        async with held(file, Shard(1, 2)):
            pass
    async with held(file, WHOLE) as former:
        assert former is None
        async with Catalog.open(file) as catalog:
            with pytest.raises(UploadLockedError):
                async with hold_all(catalog, PHOTOS, WORK):
                    pass
    async with Catalog.open(file) as catalog, hold_all(catalog, PHOTOS, WORK):
        pass
