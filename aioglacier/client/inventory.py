"""Inventories read as a stream, in the same memory for ten archives and for ten million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import anyio.to_thread

from aioglacier.core.errors import InventoryError
from aioglacier.core.inventory_parser import open_inventory_reader
from aioglacier.core.limits import MIB
from aioglacier.core.ranges import ByteRange, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from aioglacier.core.models import Archive, InventoryFormat, JobId
    from aioglacier.recorded.vault_context import VaultContext

#: Bytes of one request, parsed at once in a thread. A lost connection costs no more than these.
_PIECE_SIZE: Final = 4 * MIB


class Inventory:
    """The archives that an inventory job lists: an async iterator that can be read once.

    Attributes:
        inventoried: The date of the inventory, once that part of the document was read; ``None`` for CSV.
    """

    def __init__(
        self,
        context: VaultContext,
        job_id: JobId,
        describe: Callable[[], Awaitable[tuple[InventoryFormat, int]]],
    ) -> None:
        self.inventoried: datetime | None = None
        self._context = context
        self._job_id = job_id
        self._describe = describe
        self._archives = self._read()

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

    async def _read(self) -> AsyncGenerator[Archive, None]:
        with self._context.naming():
            output_format, size = await self._describe()
            reader = open_inventory_reader(output_format, vault=self._context.name)
            for piece in split(ByteRange(0, size), _PIECE_SIZE):
                data = await self._fetch(piece, size)
                archives = await anyio.to_thread.run_sync(reader.feed, data)
                self.inventoried = reader.inventoried
                for archive in archives:
                    yield archive
            archives = await anyio.to_thread.run_sync(reader.close)
            self.inventoried = reader.inventoried
            for archive in archives:
                yield archive

    async def _fetch(self, piece: ByteRange, size: int) -> bytes:
        async with self._context.gateway.get_job_output(self._context.name, self._job_id, piece) as answer:
            if answer.total != size:
                raise InventoryError(
                    f"the job promised {size} bytes, the output has {answer.total}", offset=0
                )
            return b"".join([block async for block in answer])
