"""Inventories read as a stream: memory stays the same for ten archives and for ten million."""

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

#: Bytes asked for at once, so that a lost connection costs no more, and parsed at once in a thread.
_PIECE_SIZE: Final = 4 * MIB


class Inventory:
    """The archives that the output of an inventory job lists: an async iterator, to be read once.

    Attributes:
        inventoried: The date of the inventory, as soon as the document has told it; ``None`` for CSV.
    """

    def __init__(self, archives: Callable[[Inventory], AsyncGenerator[Archive, None]]) -> None:
        self.inventoried: datetime | None = None
        self._archives = archives(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Archive:
        """The next archive.

        Raises:
            InventoryError: The document is not one the service writes, or ends early.
        """
        return await anext(self._archives)

    async def aclose(self) -> None:
        """Read no further."""
        await self._archives.aclose()


async def read_inventory(
    gateway: Gateway,
    vault: str,
    job_id: JobId,
    size: int,
    output_format: InventoryFormat,
    told: Inventory,
) -> AsyncGenerator[Archive, None]:
    """The archives that the output of an inventory job lists; ``told`` gets its date.

    Raises:
        InventoryError: The document is not one the service writes, or ends early.
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
        told.inventoried = reader.inventoried
        for archive in archives:
            yield archive
    archives = await anyio.to_thread.run_sync(reader.close)
    told.inventoried = reader.inventoried
    for archive in archives:
        yield archive
