"""One small archive in memory: hashed where it is and sent in one request, without an engine.

An engine carries parts that overtake, wait for buffers and stop each other, none of which is the case here.
It costs two thirds of the CPU of such a request at 4 KiB and half at 1 MiB (docs/design.md has the figures).
A failure or a cancellation leaves behind the same as with an engine.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeGuard, TypeVar

import anyio

from aioglacier.core.errors import GlacierError
from aioglacier.core.planning import choose_part_size
from aioglacier.tasks.dropped import OwnerTask, warn_dropped
from aioglacier.tasks.see_through import GRACE_SECONDS, wait_although_cancelled
from aioglacier.transfer.budget.buffers import PartBuffer
from aioglacier.transfer.hashing.part_job import PartJob
from aioglacier.transfer.hashing.workers import SMALL_PART_SIZE
from aioglacier.transfer.upload.upload_state import as_failed_upload

if TYPE_CHECKING:
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.writer import SendOptions

A = TypeVar("A")

_log: Final = logging.getLogger("aioglacier.transfer")


def is_small(source: object, expected_size: int | None) -> TypeGuard[bytes]:
    """Return whether a source can go this way: bytes cannot change, so they need no copy and no buffer."""
    return (
        type(source) is bytes and 0 < len(source) <= SMALL_PART_SIZE and expected_size in {None, len(source)}
    )


async def upload_small(
    store: ArchiveStore[A], resources: TransferResources, options: SendOptions, source: bytes
) -> A:
    """Upload what ``is_small``; see ``Vault.upload`` for what it raises and what cancelling leaves."""
    size = len(source)
    choose_part_size(size, options.part_size, store.rules.limits)  # refuses an invalid one
    hashes = await resources.hasher.run(PartJob(size, None, store.rules.sent_hashes), PartBuffer(source))
    moved = 0

    def count(more: int) -> None:
        nonlocal moved
        moved += more

    async with resources.connections.exchange(size, count) as progress:
        # A task of its own, because a request that may have taken effect must not end with its caller. Not
        # in a group: one of anyio's costs a fifth of the whole upload, and no group can be left where this
        # coroutine is dropped.
        sending = asyncio.get_running_loop().create_task(
            store.store_whole(memoryview(source), hashes, progress)
        )
        owner = OwnerTask()
        try:
            return await asyncio.shield(sending)
        except GlacierError as error:
            failure = as_failed_upload(error)
            with options.naming():
                raise failure from failure.__cause__
        except BaseException as error:
            if owner.has_dropped(type(error)):
                sending.cancel()
                warn_dropped("an unfinished archive", source=sending)
            else:
                await _end(sending, grace_seconds=GRACE_SECONDS if moved >= size else 0.0)
            raise


async def _end(sending: asyncio.Task[A], *, grace_seconds: float) -> None:
    """Wait for the answer as long as the grace lasts, then end the request."""
    try:
        with anyio.move_on_after(grace_seconds, shield=True):
            await asyncio.wait([sending])
    finally:
        sending.cancel()
        try:
            await wait_although_cancelled(sending.done, lambda: asyncio.wait([sending]))
        finally:
            if sending.cancelled():
                pass
            elif (failure := sending.exception()) is not None:
                _log.warning("a call failed after its caller had been cancelled: %s", failure)
            else:
                _log.warning("cancelled too late: %s, was made", sending.result())
