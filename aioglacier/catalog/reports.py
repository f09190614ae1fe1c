"""What can be said of a whole catalog: by age and size, what is there twice, whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, case, func, select

from aioglacier.catalog.archive_rows import is_sound, list_known
from aioglacier.catalog.records import ArchiveState
from aioglacier.catalog.storage.backend import DamagedError
from aioglacier.catalog.storage.tables import ARCHIVES, SPENT
from aioglacier.catalog.vaults import find_place, list_places
from aioglacier.core.limits import GIB, KIB, MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.sql import ColumnElement

    from aioglacier.catalog.records import Place
    from aioglacier.catalog.storage.backend import Connection
    from aioglacier.catalog.storage.database import Database

#: Days; 90 are charged for an archive that is deleted earlier (aws.amazon.com/s3/glacier/pricing, "early
#: deletion").
_AGES: Final = (30, 90, 365, 3 * 365)

#: Bytes below which an archive counts as small, and so on.
_SIZES: Final = (128 * KIB, MIB, 64 * MIB, GIB)

#: Duplicates of one page. Each page takes a look at every archive, a second for a million: an index of tree
#: hashes would save it, and made recording an inventory half as fast.
_PAGE: Final = 20_000

#: Archives looked at in one transaction while checking.
_CHECKED_TOGETHER: Final = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """Some of the archives of a vault.

    Attributes:
        least: The least age in days, or size in bytes, of what is counted.
        below: What it is below; ``None`` for the last.
        archives: How many.
        size: Their bytes.
    """

    least: int
    below: int | None
    archives: int
    size: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What one kind of request has cost, as far as it was recorded.

    Attributes:
        price: Millionths of ``currency``, by the price list of the day; ``None`` where there was none.
    """

    operation: str
    requests: int
    sent: int
    received: int
    price: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class VaultReport:
    """One vault.

    Attributes:
        archives: All that have not been deleted.
        ages: The same by age.
        sizes: The same by size.
        suspect: Those that must not be relied on.
        unknown: Those that nothing but inventories tells of.
        unseen: Those that no inventory lists yet.
        spent: By operation.
    """

    place: Place
    archives: Share
    ages: tuple[Share, ...]
    sizes: tuple[Share, ...]
    suspect: Share
    unknown: Share
    unseen: Share
    spent: tuple[Spent, ...]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Content that several archives of a vault have.

    Attributes:
        size: Bytes of one.
        archives: How many have it.
    """

    size: int
    tree_hash: bytes
    archives: int

    @property
    def wasted(self) -> int:
        """Bytes that one archive would not need."""
        return self.size * (self.archives - 1)


class Reports:
    """Reports of a catalog, as ``Catalog.reports``. Nothing is changed by them."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def list_places(self) -> list[Place]:
        """Every vault that anything is on record of."""
        return await self._database.read(list_places)

    async def vault(self, place: Place) -> VaultReport:
        """One vault by age and size, in one look."""
        now = self._now()
        return await self._database.read(lambda connection: _report(connection, place, now))

    async def list_duplicates(self, place: Place) -> AsyncIterator[Duplicate]:
        """Content that is stored more than once, in the order of its hashes; in constant memory.

        The archives themselves are ``Catalog.archives.list_alike``.
        """

        def page(connection: Connection, last: Duplicate | None) -> Sequence[Duplicate]:
            is_it = _there(find_place(connection, place))
            if last is not None:
                is_it &= ARCHIVES.c.tree_hash > last.tree_hash
            rows = connection.alchemy.execute(
                select(ARCHIVES.c.size, ARCHIVES.c.tree_hash, func.count())
                .where(is_it)
                .group_by(ARCHIVES.c.tree_hash, ARCHIVES.c.size)
                .having(func.count() > 1)
                .order_by(ARCHIVES.c.tree_hash)
                .limit(_PAGE)
            )
            return [Duplicate(*row) for row in rows]

        async for duplicates in self._database.pages(page):
            for duplicate in duplicates:
                yield duplicate

    async def check(self) -> int:
        """Look at every page of the file, and compare every archive with its checksum.

        Returns:
            How many archives are not as they were recorded. They are read as suspect, and an inventory
            repairs them.

        Raises:
            CatalogDamagedError: The file is no longer sound, and was kept under another name.
        """
        await self._database.read(_look_through)

        def page(connection: Connection, last: tuple[int, int] | None) -> Sequence[tuple[int, int]]:
            found = list_known(connection, last[0] if last else 0, _CHECKED_TOGETHER)
            damaged = sum(not is_sound(archive) for archive in found)
            return [(found[-1].number, damaged)] if found else []

        damaged = 0
        async for pages in self._database.pages(page):
            damaged += sum(count for _, count in pages)
        return damaged


def _look_through(connection: Connection) -> None:
    if connection.dialect == "sqlite":
        ((verdict,),) = connection.rows("PRAGMA integrity_check(1)")
        if verdict != "ok":
            raise DamagedError(verdict)


def _there(place: int) -> ColumnElement[bool]:
    return (ARCHIVES.c.place == place) & (ARCHIVES.c.state != ArchiveState.DELETED)


def _report(connection: Connection, place: Place, now: datetime) -> VaultReport:
    number = find_place(connection, place)
    there = _there(number)
    limits = [now - timedelta(days=days) for days in _AGES]
    age = case(*((ARCHIVES.c.created > limit, at) for at, limit in enumerate(limits)), else_=len(limits))
    size = case(*((ARCHIVES.c.size < limit, at) for at, limit in enumerate(_SIZES)), else_=len(_SIZES))
    unknown = ARCHIVES.c.source.is_(None) & ARCHIVES.c.upload.is_(None)
    return VaultReport(
        place,
        _count(connection, there),
        _shares(connection, there, age, _AGES),
        _shares(connection, there, size, _SIZES),
        _count(connection, there & (ARCHIVES.c.state == ArchiveState.SUSPECT)),
        _count(connection, there & unknown),
        _count(connection, there & ARCHIVES.c.seen.is_(None)),
        tuple(_spent(connection, number)),
    )


def _summed() -> Select[Any]:
    return select(func.count(), func.coalesce(func.sum(ARCHIVES.c.size), 0))


def _count(connection: Connection, condition: ColumnElement[bool]) -> Share:
    count, size = connection.alchemy.execute(_summed().where(condition)).one()
    return Share(0, None, count, int(size))


def _shares(
    connection: Connection, condition: ColumnElement[bool], by: Any, limits: tuple[int, ...]
) -> tuple[Share, ...]:
    # A name, so that a database groups by what it has computed and not by an expression it takes for another.
    counted = select(by.label("share"), ARCHIVES.c.size).where(condition).subquery()
    rows = connection.alchemy.execute(
        select(counted.c.share, func.count(), func.sum(counted.c.size)).group_by(counted.c.share)
    )
    found = {share: (count, int(size)) for share, count, size in rows}
    return tuple(
        Share(least, below, *found.get(at, (0, 0)))
        for at, (least, below) in enumerate(zip((0, *limits), (*limits, None), strict=True))
    )


def _spent(connection: Connection, place: int) -> list[Spent]:
    rows = connection.alchemy.execute(
        select(
            SPENT.c.operation,
            func.sum(SPENT.c.requests),
            func.sum(SPENT.c.sent),
            func.sum(SPENT.c.received),
            func.sum(SPENT.c.price),
            SPENT.c.currency,
        )
        .where(SPENT.c.place == place)
        .group_by(SPENT.c.operation, SPENT.c.currency)
        .order_by(SPENT.c.operation)
    )
    return [
        Spent(
            operation,
            int(requests),
            int(sent),
            int(received),
            None if price is None else int(price),
            currency,
        )
        for operation, requests, sent, received, price, currency in rows
    ]
