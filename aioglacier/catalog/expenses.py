"""Records of what was spent, by day and by operation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aioglacier.catalog.storage.columns import count_microseconds
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.storage.tables import SPENT
from aioglacier.catalog.vaults import keep_vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.core.spending import Expense


_OF_THE_DAY: Final = (
    "SELECT min(number) FROM spent WHERE place = ? AND day = ? AND operation = ? AND currency = ? AND price "
)
_ADD: Final = (
    "UPDATE spent SET requests = requests + ?, sent = sent + ?, received = received + ?, price = price + ? "
    "WHERE number = "
)


class Expenses(Records):
    """The expenses of a catalog, as ``Catalog.expenses``."""

    async def record(self, key: VaultKey, spent: Sequence[Expense]) -> None:
        """Record requests and their price."""
        await self._database.write(lambda connection: add_expenses(connection, key, spent, self._now()))


def add_each(
    connection: Connection, given: Sequence[tuple[VaultKey, Sequence[Expense]]], now: datetime
) -> None:
    """Record what several recorded steps have cost."""
    for key in dict.fromkeys(key for key, _ in given):
        add_expenses(connection, key, [each for its, spent in given if its == key for each in spent], now)


def add_expenses(connection: Connection, key: VaultKey, spent: Sequence[Expense], now: datetime) -> None:
    """Record requests and their price, one row for each day and operation."""
    spent = add_up(spent) if len(spent) > 1 else spent
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    place = keep_vault(connection, key) if spent else 0
    for each in spent:
        price = None if each.price is None else round(each.price * 1_000_000)
        found = f"{_OF_THE_DAY}{'IS NULL' if price is None else 'IS NOT NULL'}"
        of_today = place, count_microseconds(day), each.operation, each.currency
        if connection.rows(
            f"{_ADD}({found}) RETURNING number", (each.requests, each.sent, each.received, price, *of_today)
        ):
            continue
        SPENT.insert(
            connection,
            place=place,
            operation=each.operation,
            day=day,
            requests=each.requests,
            sent=each.sent,
            received=each.received,
            price=price,
            currency=each.currency,
        )


def add_up(spent: Sequence[Expense]) -> list[Expense]:
    """Return one expense for those of one operation, one currency, and a price or none."""
    sums: dict[tuple[str, str | None, bool], Expense] = {}
    for each in spent:
        name = (each.operation, each.currency, each.price is None)
        if (had := sums.get(name)) is None:
            sums[name] = each
            continue
        sums[name] = replace(
            had,
            requests=had.requests + each.requests,
            sent=had.sent + each.sent,
            received=had.received + each.received,
            price=None if had.price is None or each.price is None else had.price + each.price,
        )
    return list(sums.values())
