"""Inventories read as a stream: memory stays the same for ten archives and for ten million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread

from aioglacier.core.inventory import open_inventory_reader
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange, split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.core.models import Archive, InventoryFormat, JobId
    from aioglacier.gateway.interface import Gateway

#: Bytes asked for at once, so that a lost connection costs no more, and parsed at once in a thread.
_PIECE_SIZE: Final = 4 * MIB


async def read_inventory(
    gateway: Gateway, vault: str, job_id: JobId, size: int, output_format: InventoryFormat
) -> AsyncIterator[Archive]:
    """The archives that the output of an inventory job lists.

    Raises:
        InventoryError: The document is not one the service writes, or ends early.
    """
    reader = open_inventory_reader(output_format, vault=vault)
    for piece in split(ByteRange(0, size), _PIECE_SIZE):
        async with gateway.get_job_output(vault, job_id, piece) as answer:
            blocks = [block async for block in answer]
        for archive in await anyio.to_thread.run_sync(reader.feed, b"".join(blocks)):
            yield archive
    for archive in await anyio.to_thread.run_sync(reader.close):
        yield archive
