"""Inventories read as a stream, in the same memory for ten archives and for ten million."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Self

import anyio.to_thread

from aioglacier.core.inventory.inventory_parser import open_inventory_reader
from aioglacier.core.limits import MIB
from aioglacier.core.models import InventoryParameters
from aioglacier.core.ranges import ByteRange, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from aioglacier.catalog import MergeResult, UploadRecord
    from aioglacier.core.models import Archive, InventoryFormat, JobDescription, JobId
    from aioglacier.recorded.vault_context import RecordedVault, VaultContext

#: Bytes of one request, parsed at once in a thread. A lost connection costs no more than these.
_PIECE_SIZE: Final = 4 * MIB

#: Archives merged into the catalog at once.
_BATCH: Final = 5000


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
        output = self._context.gateway.get_job_output(self._context.name, self._job_id, piece, total=size)
        async with output as answer:
            return b"".join([block async for block in answer])  # whole, because a thread parses it at once


class InventoryReading:
    """Reads the output of an inventory job into the catalog. From ``Job.read_inventory()``.

    Attributes:
        added: Archives that were not on record.
        confirmed: Archives on record that the list has with the same size and tree hash.
        conflicting: Archives that the list has with another size or tree hash than is on record, or that it
            has twice with different ones; they are suspect now.
        missing: Archives on record that a whole list should have and lacks; they are suspect now.
        is_dated: Whether the list has a date. CSV has none, and is not read into the catalog.
    """

    def __init__(self, vault: RecordedVault, inventory: Inventory, description: JobDescription) -> None:
        self.added = self.confirmed = self.conflicting = self.missing = 0
        self.is_dated = False
        self._vault = vault
        self._inventory = inventory
        parameters = description.inventory or InventoryParameters()
        self._is_whole = parameters == InventoryParameters(parameters.format)

    async def archives(self) -> AsyncIterator[Archive]:
        """Yield the archives. A list that is not read to its end is merged without its date."""
        batch: list[Archive] = []  # one transaction for each archive would be slow
        async with aclosing(self._inventory) as inventory:
            async for archive in inventory:
                self.is_dated = inventory.inventoried is not None
                batch.append(archive)
                if len(batch) == _BATCH:
                    await self._merge(batch, inventory.inventoried)
                    batch = []
                yield archive
            self.is_dated = inventory.inventoried is not None
            # Only the end of a whole list proves that other archives are missing.
            await self._merge(batch, inventory.inventoried, is_whole=self._is_whole)

    async def settle(self) -> list[UploadRecord]:
        """Settle uploads whose outcome was unknown, by what the list has; return those settled."""
        from aioglacier.recorded.outcome import settle_by_inventories  # noqa: PLC0415  # loads SQLite

        return await settle_by_inventories(self._vault.records)

    async def _merge(
        self, batch: list[Archive], inventoried: datetime | None, *, is_whole: bool = False
    ) -> None:
        if inventoried is None:
            return  # without a date nothing can be older or newer than the list
        if is_whole:
            await self._vault.look()  # a vault that was made again has lost what its list lacks
        merged: MergeResult = await self._vault.catalog.archives.merge_inventory(
            self._vault.key, batch, inventoried=inventoried, is_whole=is_whole
        )
        self.added += merged.added
        self.confirmed += merged.confirmed
        self.conflicting += merged.conflicting
        self.missing += merged.missing
