"""Inventories read as a stream, in the same memory for ten archives and for ten million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import anyio.to_thread

from aioglacier.core.errors import InventoryError
from aioglacier.core.inventory_parser import open_inventory_reader
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import datetime

    from aioglacier.core.models import Archive, InventoryFormat, JobId
    from aioglacier.gateway.vaults.gateway import Gateway

#: Bytes of one request, parsed at once in a thread. A lost connection costs no more than these.
_PIECE_SIZE: Final = 4 * MIB


class Inventory:
    """The archives that an inventory job lists: an async iterator that can be read once.

    Attributes:
        inventoried: The date of the inventory, once that part of the document was read; ``None`` for CSV.
    """

    def __init__(self, archives: Callable[[Inventory], AsyncGenerator[Archive, None]]) -> None:
        self.inventoried: datetime | None = None
        self._archives = archives(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Archive:
        """Return the next archive.

        Raises:
            InventoryError: The document is damaged, or ends early.
        """
        return await anext(self._archives)

    async def aclose(self) -> None:
        """Stop reading."""
        await self._archives.aclose()


async def read_inventory(
    gateway: Gateway,
    vault: str,
    job_id: JobId,
    size: int,
    output_format: InventoryFormat,
    inventory: Inventory,
) -> AsyncGenerator[Archive, None]:
    """Yield the archives that an inventory job lists, and set the date of ``inventory``.

    Raises:
        InventoryError: The document is damaged, or ends early.
    """
    reader = open_inventory_reader(output_format, vault=vault)
    for piece in split(ByteRange(0, size), _PIECE_SIZE):
        async with gateway.get_job_output(vault, job_id, piece) as answer:
            if answer.total != size:
                raise InventoryError(
                    f"the job promised {size} bytes, the output has {answer.total}", offset=0
                )
            blocks = [block async for block in answer]
        archives = await anyio.to_thread.run_sync(reader.feed, b"".join(blocks))
        inventory.inventoried = reader.inventoried
        for archive in archives:
            yield archive
    archives = await anyio.to_thread.run_sync(reader.close)
    inventory.inventoried = reader.inventoried
    for archive in archives:
        yield archive
