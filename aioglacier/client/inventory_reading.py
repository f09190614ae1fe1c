"""Reading an inventory into the catalog while another consumer reads its archives."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from aioglacier.core.models import InventoryParameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aioglacier.catalog import MergeResult, UploadRecord
    from aioglacier.client.inventory import Inventory
    from aioglacier.core.models import Archive, JobDescription
    from aioglacier.recorded.vault_context import RecordedVault

#: Archives merged into the catalog at once.
_BATCH: Final = 5000


class InventoryReading:
    """Reads the output of an inventory job into the catalog. From ``Job.read_inventory()``.

    Attributes:
        added: Archives that were not on record.
        confirmed: Archives on record that the list has with the same size and tree hash.
        conflicting: Archives on record that the list has with another size or tree hash.
        missing: Archives on record that a whole list should have and lacks; they are suspect now.
        is_dated: Whether the list has a date. CSV has none, and is not read into the catalog.
    """

    def __init__(self, vault: RecordedVault, inventory: Inventory, description: JobDescription) -> None:
        self.added = self.confirmed = self.conflicting = self.missing = 0
        self.is_dated = False
        self._records = vault.records
        self._inventory = inventory
        parameters = description.inventory or InventoryParameters()
        self._is_whole = parameters == InventoryParameters(parameters.format)

    async def archives(self) -> AsyncIterator[Archive]:
        """Yield the archives. A list that is not read to its end is merged without its date."""
        batch: list[Archive] = []
        async with aclosing(self._inventory) as inventory:
            async for archive in inventory:
                self.is_dated = inventory.inventoried is not None
                batch.append(archive)
                if len(batch) == _BATCH:
                    await self._merge(batch, inventory.inventoried)
                    batch = []
                yield archive
            self.is_dated = inventory.inventoried is not None
            await self._merge(batch, inventory.inventoried, is_whole=self._is_whole)

    async def settle(self) -> list[UploadRecord]:
        """Settle uploads whose outcome was unknown, by what the list has; return those settled."""
        from aioglacier.recorded.outcome import settle_by_inventories  # noqa: PLC0415  # loads SQLite

        return await settle_by_inventories(self._records)

    async def _merge(
        self, batch: list[Archive], inventoried: datetime | None, *, is_whole: bool = False
    ) -> None:
        if inventoried is None:
            return
        merged: MergeResult = await self._records.catalog.archives.merge_inventory(
            self._records.key, batch, inventoried=inventoried, is_whole=is_whole
        )
        self.added += merged.added
        self.confirmed += merged.confirmed
        self.conflicting += merged.conflicting
        self.missing += merged.missing
