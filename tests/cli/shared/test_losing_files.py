"""The charge for archives that are deleted early; ``test_delete`` has the files that would be lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.catalog import Catalog, VaultKey
from aioglacier.cli.shared.losing_files import price_deletions
from aioglacier.cli.shared.money import Spending
from aioglacier.core.models import Archive, ArchiveId, Tier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioglacier.cli.program.session import Session

IDS = [ArchiveId(letter * 138) for letter in "abc"]
SPENDING = Spending(Tier.STANDARD, yes=True, max_cost=None, price_list=None)


async def fill(path: Path) -> None:
    """Record a new archive and an old one, of 1 TiB each."""
    async with Catalog.open(path) as catalog:
        for id_, days in zip(IDS, (1, 100), strict=False):
            created = datetime.now(UTC) - timedelta(days=days)
            archive = Archive(id_, "photos", 1 << 40, bytes(32), "", created)
            await catalog.archives.record(VaultKey("photos", "eu-west-1"), archive)


@pytest.mark.parametrize(("ids", "is_charged"), [(IDS[:1], True), (IDS[1:2], False), (None, True)])
def test_only_archives_younger_than_90_days_are_charged(
    make_session: Callable[..., Session], tmp_path: Path, ids: list[ArchiveId] | None, *, is_charged: bool
) -> None:
    """The charge is for the days that are left, and the sentence names the least time."""
    anyio.run(fill, tmp_path / "catalog.db")
    session = make_session(region="eu-west-1", catalog=str(tmp_path / "catalog.db"))
    record, sentence = price_deletions(session, "photos", ids, SPENDING)
    assert (record["cost"] > 0) is is_charged
    assert "less than 90 days" in sentence


@pytest.mark.parametrize("vault", ["photos", "unknown"])
def test_the_charge_for_an_archive_on_no_record_is_unknown(
    make_session: Callable[..., Session], tmp_path: Path, vault: str
) -> None:
    """Neither its size nor its age is known, so no cost is named."""
    anyio.run(fill, tmp_path / "catalog.db")
    session = make_session(region="eu-west-1", catalog=str(tmp_path / "catalog.db"))
    record, _ = price_deletions(session, vault, IDS[2:], SPENDING)
    assert record["cost"] is None
