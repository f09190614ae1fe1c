"""Records of what was spent, by day and by operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import SPENT
from aioglacier.catalog.vaults import keep_vault

if TYPE_CHECKING:
    from datetime import datetime

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.spending import Expense


class Expenses(Records):
    """The expenses of a catalog, as ``Catalog.expenses``."""

    async def record(self, key: VaultKey, spent: Expense) -> None:
        """Record requests and their price."""
        await self._database.write(lambda connection: insert_expense(connection, key, spent, self._now()))


def insert_expense(connection: Connection, key: VaultKey, spent: Expense, now: datetime) -> None:
    """Record requests and their price, by day."""
    SPENT.insert(
        connection,
        place=keep_vault(connection, key),
        operation=spent.operation,
        day=now.replace(hour=0, minute=0, second=0, microsecond=0),
        requests=spent.requests,
        sent=spent.sent,
        received=spent.received,
        price=None if spent.price is None else round(spent.price * 1_000_000),
        currency=spent.currency,
    )
