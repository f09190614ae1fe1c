"""Reports of a whole catalog: ages and sizes, duplicates, damage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aioglacier.catalog.archive_rows import is_sound, list_known
from aioglacier.catalog.records import ArchiveState
from aioglacier.catalog.storage.backend import DamagedError
from aioglacier.catalog.storage.columns import count_microseconds
from aioglacier.catalog.storage.database import Records
from aioglacier.catalog.vaults import find_vault, list_vaults
from aioglacier.core.limits import GIB, KIB, MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from aioglacier.catalog.records import VaultKey
    from aioglacier.catalog.storage.backend import Connection

#: Days; 90 are charged for an archive that is deleted earlier (aws.amazon.com/s3/glacier/pricing, "early
#: deletion").
_AGES: Final = (30, 90, 365, 3 * 365)

#: Limits of the classes of sizes, in bytes.
_SIZES: Final = (128 * KIB, MIB, 64 * MIB, GIB)

#: Duplicates of one page. Each page takes a look at every archive, a second for a million: an index of tree
#: hashes would save it, and made recording an inventory half as fast.
_PAGE: Final = 20_000

#: Archives looked at in one transaction while checking.
_CHECKED_TOGETHER: Final = 2000

_IS_THERE: Final = f"place = ? AND state <> '{ArchiveState.DELETED}'"
_DUPLICATES: Final = (
    f"SELECT size, tree_hash, count(*) FROM archives WHERE {_IS_THERE} AND tree_hash > ? "  # noqa: S608
    f"GROUP BY tree_hash, size HAVING count(*) > 1 ORDER BY tree_hash LIMIT {_PAGE}"
)
_SPENT: Final = (
    "SELECT operation, sum(requests), sum(sent), sum(received), sum(price), currency FROM spent "
    "WHERE place = ? GROUP BY operation, currency ORDER BY operation"
)


@dataclass(frozen=True, slots=True)
class Share:
    """Some of the archives of a vault."""

    least: int  # the least age in days, or size in bytes
    below: int | None  # the limit that it is below; ``None`` for the last
    archives: int  # how many
    size: int  # their bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """The recorded cost of one kind of request."""

    operation: str
    requests: int
    sent: int
    received: int
    price: int | None  # millionths of ``currency``, by the price list of the day; ``None`` without one
    currency: str | None


@dataclass(frozen=True, slots=True)
class VaultReport:
    """One vault."""

    key: VaultKey
    archives: Share  # all that have not been deleted
    ages: tuple[Share, ...]  # the same by age
    sizes: tuple[Share, ...]  # the same by size
    suspect: Share  # those in doubt
    unknown: Share  # those known from inventories alone
    unseen: Share  # those that no inventory lists yet
    spent: tuple[Spent, ...]  # by operation


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Content that several archives of a vault have."""

    size: int  # bytes of one
    tree_hash: bytes
    archives: int  # how many have it

    @property
    def wasted(self) -> int:
        """Return the bytes that one archive would not need."""
        return self.size * (self.archives - 1)


class Reports(Records):
    """Reports of a catalog, as ``Catalog.reports``. They change nothing."""

    async def list_vaults(self) -> list[VaultKey]:
        """Return every vault on record."""
        return await self._database.read(list_vaults)

    async def vault(self, key: VaultKey) -> VaultReport:
        """Return the figures of one vault, from one moment."""
        now = self._now()
        return await self._database.read(lambda connection: _report(connection, key, now))

    async def list_duplicates(self, key: VaultKey) -> AsyncIterator[Duplicate]:
        """Yield content that is stored more than once, in the order of its hashes, in constant memory.

        The archives themselves are ``Catalog.archives.list_alike``.
        """

        def page(last: Duplicate | None, connection: Connection) -> list[Duplicate]:
            after = last.tree_hash.hex() if last is not None else ""
            rows = connection.rows(_DUPLICATES, (find_vault(connection, key), after))
            return [Duplicate(size, bytes.fromhex(tree_hash), count) for size, tree_hash, count in rows]

        async for duplicate in self._database.each(page):
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

        def page(last: tuple[int, int] | None, connection: Connection) -> list[tuple[int, int]]:
            found = list_known(connection, last[0] if last else 0, _CHECKED_TOGETHER)
            damaged = sum(not is_sound(archive) for archive in found)
            return [(found[-1].number, damaged)] if found else []

        return sum([count async for _, count in self._database.each(page)])


def _look_through(connection: Connection) -> None:
    if connection.dialect == "sqlite":
        ((verdict,),) = connection.rows("PRAGMA integrity_check(1)")
        if verdict != "ok":
            raise DamagedError(verdict)


def _report(connection: Connection, key: VaultKey, now: datetime) -> VaultReport:
    number = find_vault(connection, key)
    limits = [count_microseconds(now - timedelta(days=days)) for days in _AGES]
    suspect = f"AND state = '{ArchiveState.SUSPECT}'"
    return VaultReport(
        key,
        _count(connection, number),
        _shares(connection, number, _steps("created > ?", len(_AGES)), limits, _AGES),
        _shares(connection, number, _steps("size < ?", len(_SIZES)), _SIZES, _SIZES),
        _count(connection, number, suspect),
        _count(connection, number, "AND source IS NULL AND upload IS NULL"),
        _count(connection, number, "AND seen IS NULL"),
        tuple(_spent(connection, number)),
    )


def _steps(condition: str, count: int) -> str:
    """Return the number of the first of several limits for which a condition holds, as SQL."""
    steps = " ".join(f"WHEN {condition} THEN {at}" for at in range(count))
    return f"CASE {steps} ELSE {count} END"


def _count(connection: Connection, key: int, condition: str = "") -> Share:
    ((count, size),) = connection.rows(
        f"SELECT count(*), coalesce(sum(size), 0) FROM archives WHERE {_IS_THERE} {condition}",  # noqa: S608
        (key,),
    )
    return Share(0, None, count, int(size))


def _shares(
    connection: Connection, key: int, steps: str, limits: Sequence[int], shown: tuple[int, ...]
) -> tuple[Share, ...]:
    rows = connection.rows(
        f"SELECT share, count(*), sum(size) FROM (SELECT {steps} AS share, size FROM archives "  # noqa: S608
        f"WHERE {_IS_THERE}) AS counted GROUP BY share",
        (*limits, key),
    )
    found = {share: (count, int(size)) for share, count, size in rows}
    return tuple(
        Share(least, below, *found.get(at, (0, 0)))
        for at, (least, below) in enumerate(zip((0, *shown), (*shown, None), strict=True))
    )


def _spent(connection: Connection, key: int) -> list[Spent]:
    return [
        Spent(
            operation,
            int(requests),
            int(sent),
            int(received),
            None if price is None else int(price),
            currency,
        )
        for operation, requests, sent, received, price, currency in connection.rows(_SPENT, (key,))
    ]
