"""Before archives are deleted: the charge for it, and the files of synced folders that would be lost."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import flag
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.listing import closing
from aioglacier.cli.render.sizes import show_count
from aioglacier.cli.shared.money import cost_record, cost_text
from aioglacier.cli.shared.vault_lookup import find_region, find_vault
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aioglacier.catalog import ArchiveRecord, Catalog, VaultKey
    from aioglacier.cli.program.session import Session
    from aioglacier.cli.render.console import Record
    from aioglacier.cli.shared.money import Spending
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import ArchiveId

#: Files that are named; the others are counted.
_NAMED: Final = 10

LOSE_FILES: Final = flag(
    "--lose-files", "Go on although files that 'sync' archived would be lost with these archives."
)


def price_deletions(
    session: Session, vault: str, archive_ids: Sequence[ArchiveId] | None, spending: Spending
) -> tuple[Record, str]:
    """Return the charge for deleting archives early, or all of a vault, and a sentence about it."""

    async def price(catalog: Catalog) -> tuple[Record, str]:
        key = await find_vault(session, catalog, vault)
        prices = spending.prices_of(key.region if key is not None else find_region(session.settings))
        cost, now = (0.0 if key is not None else math.nan), datetime.now(UTC)
        async for found in _find_archives(catalog, key, archive_ids):
            if found is None:
                cost = math.nan
            elif found.state.value != "deleted":  # its charge was paid when it was deleted
                age = (now - found.archive.created) / timedelta(days=1)
                cost += prices.early_deletion(found.archive.size, age, 1)
        record = cost_record(prices, cost)
        days = VAULT.minimum_storage_days
        return record, f"less than {days} days of storage are charged as {days}: {cost_text(record)}"

    return session.run_with_catalog(price)


async def _find_archives(
    catalog: Catalog, key: VaultKey | None, archive_ids: Sequence[ArchiveId] | None
) -> AsyncIterator[ArchiveRecord | None]:
    if key is None:
        return
    if archive_ids is not None:
        for archive_id in archive_ids:
            yield await catalog.archives.get(key, archive_id)
        return
    async with closing(catalog.archives.list_vault(key)) as found:
        async for record in found:
            yield record


async def refuse_to_lose_files(
    session: Session, vault: Vault | Bucket, archive_ids: Sequence[ArchiveId] | None, *, lose_files: bool
) -> None:
    """Name the files whose newest stored version rests on archives; go on only with ``--lose-files``.

    ``None`` means all archives of the vault.
    """
    if vault.context.records is not None:
        context = vault.context.recorded()
        await _refuse(session, context.catalog, context.key, archive_ids, lose_files=lose_files)


def foresee_losses(
    session: Session, vault: str, archive_ids: Sequence[ArchiveId] | None, *, lose_files: bool
) -> None:
    """Do the same for a plan, which asks the service for nothing."""

    async def look(catalog: Catalog) -> None:
        key = await find_vault(session, catalog, vault)
        if key is not None:
            await _refuse(session, catalog, key, archive_ids, lose_files=lose_files)

    session.run_with_catalog(look)


async def _refuse(
    session: Session,
    catalog: Catalog,
    key: VaultKey,
    archive_ids: Sequence[ArchiveId] | None,
    *,
    lose_files: bool,
) -> None:
    from aioglacier.bulk.losses import losses_on_record  # noqa: PLC0415  # not needed for help

    named: list[str] = []
    count = 0
    async for page in losses_on_record(catalog, key, archive_ids):
        count += len(page)
        for loss in page[: _NAMED - len(named)]:
            rest = "; an older version stays" if loss.has_older else ""
            named.append(f"{loss.root}/{os.fsdecode(loss.path)}{rest}")
    if not count:
        return
    for name in named:
        session.output.warn(f"would be lost: {name}")
    if count > len(named):
        session.output.warn(f"and {show_count(count - len(named), 'more path')}")
    if not lose_files:
        raise CommandError(
            f"the newest stored version of {show_count(count, 'path')} is in these archives, so nothing was "
            "deleted; use --lose-files to delete them all the same",
            Exit.USAGE,
        )
