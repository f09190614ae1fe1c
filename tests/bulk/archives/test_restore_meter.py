"""The cost of archives that come back from a bucket."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from aioglacier.bulk.archives.object_origin import ObjectOrigin, archives_in
from aioglacier.bulk.archives.restore_meter import RestoreMeter
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import ArchiveRecord, VaultKey
from aioglacier.catalog.records import ArchiveNumber, ArchiveState
from aioglacier.core.errors import InvalidPlanError
from aioglacier.core.models import Archive, Tier
from aioglacier.core.prices import HEADS
from aioglacier.core.s3.objects import StorageClass

GIB = 1024**3
PRICES = partial(load_prices, "us-east-1")


def record(key: str, storage_class: str, size: int, position: int | None = None) -> ArchiveRecord:
    """Return an archive of a quarter of its object."""
    origin = ObjectOrigin("id", key, '"etag"', storage_class, size, position)
    made = datetime(2020, 1, 1, tzinfo=UTC)
    place = archives_in(VaultKey("s3://museum/old", "us-east-1"))
    archive = Archive(origin.id, place.vault, size // 4, b"", "", made)
    return ArchiveRecord(ArchiveNumber(1), place, archive, ArchiveState.STORED, origin.text(), None, None)


def test_members_of_a_bundle_share_one_restore() -> None:
    """The bundle is restored whole once, its copy lives for the days, and only the members are fetched."""
    meter, prices = RestoreMeter(PRICES, 5), PRICES(storage_class=StorageClass.DEEP_ARCHIVE)
    counted = [
        meter.count(record("b.tar", "DEEP_ARCHIVE", GIB, position), Tier.BULK) for position in (512, 9999)
    ]
    assert counted == [True, False]
    fetched = 2 * (prices.fetching(GIB // 4) + prices.looking(heads=HEADS))
    assert meter.cost == pytest.approx(prices.restore(Tier.BULK, GIB, 5) - prices.transfer_out(GIB) + fetched)
    assert meter.count(record("c.tar", "DEEP_ARCHIVE", GIB, 512), Tier.BULK)


def test_what_is_restored_or_reads_at_once_costs_its_bytes_and_the_looks_at_it() -> None:
    """An object of an earlier request, and one of GLACIER_IR, take no restore."""
    for storage_class, tier in ((StorageClass.GLACIER, None), (StorageClass.GLACIER_IR, Tier.BULK)):
        meter = RestoreMeter(PRICES, 5)
        assert not meter.count(record("a", storage_class, GIB), tier)
        prices = PRICES(storage_class=storage_class)
        assert meter.cost == pytest.approx(prices.fetching(GIB // 4) + prices.looking(heads=HEADS))


def test_a_tier_that_the_class_lacks_is_refused() -> None:
    """The error names the tiers that there are."""
    with pytest.raises(InvalidPlanError, match="Standard or Bulk"):
        RestoreMeter(PRICES, 5).count(record("a", "DEEP_ARCHIVE", GIB), Tier.EXPEDITED)
