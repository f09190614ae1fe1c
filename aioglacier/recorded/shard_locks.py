"""Locks of works that several processes divide among themselves, without a scheduler.

Each process holds the lock of its own shard for as long as it works, so no shard is done twice at a time. The
catalog records into how many shards the work is divided, and on which terms. A process that wants it divided
otherwise must first hold the locks of all other shards, that is, none of them may be at work. All look at the
record under one more lock, which they hold only while they begin.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aioglacier.catalog.moves.shards import ShardedWork
from aioglacier.core.errors import ConfigurationError, ShardMismatchError, UploadLockedError
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aioglacier.catalog import Catalog
    from aioglacier.catalog.records import VaultKey

T = TypeVar("T")


@asynccontextmanager
async def hold_shard(
    catalog: Catalog,
    key: VaultKey,
    work: str,
    shard: Shard,
    begin: Callable[[ShardedWork | None], Awaitable[T]],
    terms: Mapping[str, Any] | None = None,
) -> AsyncIterator[T]:
    """Hold a shard of a work during the block, and yield what ``begin`` returned.

    Args:
        catalog: The catalog; a shard needs one that machines share.
        key: The vault.
        work: The name of the work, the same in every process.
        shard: The shard.
        begin: Called while no other shard of the work begins. Its argument is ``None`` if the work continues
            as it was divided before. Otherwise it is the former division, with 0 shards for none, and no
            other shard is at work.
        terms: Settings that all shards must share.

    Raises:
        ConfigurationError: The catalog is a file, and the shard not the whole.
        ShardMismatchError: Other shards are at work, of another number or on other terms.
        UploadLockedError: Another process does this shard.
    """
    if not catalog.is_shared:
        check_shared(catalog, shard)
        async with catalog.lock_source(key, work):
            yield await begin(None)
        return
    now = ShardedWork(shard.count, terms or {})
    async with AsyncExitStack() as held:
        async with catalog.lock_source(key, f"beginning of {work}", waits=True):
            await held.enter_async_context(catalog.lock_source(key, shard_lock(work, shard.number)))
            before = await catalog.shards.find(key, work)
            if before == now:
                result = await begin(None)
            else:
                former = before or ShardedWork(0, {})
                async with hold_others(catalog, key, work, shard, former):
                    result = await begin(former)
                    # Last, so that a process that is killed before leaves the beginning to the next one.
                    await catalog.shards.record(key, work, now)
        yield result


@asynccontextmanager
async def hold_all(catalog: Catalog, key: VaultKey, work: str) -> AsyncIterator[None]:
    """Hold a work during the block, with all shards that it was ever divided into.

    Raises:
        ShardMismatchError: A shard is at work.
        UploadLockedError: So is the first one, or an undivided process.
    """
    async with catalog.lock_source(key, work):
        former = await catalog.shards.find(key, work) if catalog.is_shared else None
        async with hold_others(catalog, key, work, WHOLE, former or ShardedWork(1, {})):
            yield


@asynccontextmanager
async def hold_others(
    catalog: Catalog, key: VaultKey, work: str, shard: Shard, former: ShardedWork
) -> AsyncIterator[None]:
    """Hold all other shards of a work, of this division and of the former one.

    Raises:
        ShardMismatchError: One of them is at work.
    """
    async with AsyncExitStack() as others:
        for number in range(1, max(former.shards, shard.count) + 1):
            if number == shard.number:
                continue
            try:
                await others.enter_async_context(catalog.lock_source(key, shard_lock(work, number)))
            except UploadLockedError as error:
                raise _mismatch(work, former.shards, shard.count, number, error) from error
        yield


def check_shared(catalog: Catalog, shard: Shard) -> None:
    """Refuse a shard if the catalog is a file of one machine.

    Raises:
        ConfigurationError: It is.
    """
    if shard.count > 1 and not catalog.is_shared:
        raise ConfigurationError(
            f"shard {shard} needs a catalog that all shards share, and {catalog.location!r} is a file: its "
            "locks do not reach other machines; use --catalog postgresql://USER@HOST/DATABASE"
        )


def shard_lock(work: str, number: int) -> str:
    """Return the name of the lock of a shard."""
    return work if number == 1 else f"{work}, shard {number}"  # the first is also that of the whole


def _mismatch(work: str, recorded: int, given: int, number: int, error: UploadLockedError) -> Exception:
    who = "another process" if error.pid is None else f"process {error.pid} on {error.host}"
    if recorded == 1:
        said = f"{work!r} is being done undivided by {who}; wait until it ends"
    else:
        how = "with other options" if recorded == given else f"in {recorded} shards, not {given}"
        said = (
            f"{work!r} is being done {how}: {who} does shard {number}. Give every shard the same number and "
            "options, or wait until no shard is at work"
        )
    return ShardMismatchError(
        said, work=work, recorded=recorded, given=given, number=number, pid=error.pid, host=error.host
    )
