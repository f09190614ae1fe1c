"""The plan of a move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.move_plan import ArchivePlan, foresee, make_plan, opened_move
from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.bulk.archives.size_rules import parse_tier_rule
from aioglacier.catalog.records import MoveState
from aioglacier.core.errors import ConfigurationError, UploadLockedError
from aioglacier.core.models import Tier
from tests.bulk.archives.conftest import budget

if TYPE_CHECKING:
    from aioglacier.catalog import ArchiveRecord
    from tests.bulk.archives.conftest import OldVault

PRICES = budget().prices


def test_a_plan_that_misses_what_was_named_is_refused() -> None:
    """A plan without archives is refused, too, with the reason; one whose archives are all there is not."""
    for plan, reason in (
        (ArchivePlan("v", 3, archives=1, unmatched=["x"]), "no archive on record for v meets 'x'"),
        (ArchivePlan("v"), "no archive is on record for v; if it is a vault"),
        (ArchivePlan("v", 2000, of_folders=2), r"none of the 2,000 archives .* \(2 of folders left out"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            plan.check()
    ArchivePlan("v", 1, done=1).check()


def test_notices_name_what_is_left_out() -> None:
    """The first changed names, the count of the others, and archives that are not meant."""
    plan = ArchivePlan(of_folders=1, suspect=2, renamed=3, names=[("../x", "%2E%2E/x")])
    assert len(plan.notices()) == 4
    assert "%2E%2E/x" in plan.notices()[0]


async def test_jobs_are_priced_by_the_tier_of_each_size(old_vault: OldVault) -> None:
    """An archive that was asked for costs no second job, and other options make another plan."""
    await old_vault.fill({"a": b"1" * 5000, "b": b"2", "c": b"3"})
    pace = PaceOptions(tier_rules=[parse_tier_rule("size>1KiB:Bulk")])
    async with old_vault.connected() as glacier:
        context = glacier.vault("old").context.recorded()
        moves, options = context.catalog.moves, ArchiveOptions()
        seen = await foresee(context, "t", options, PRICES, pace)
        assert {tier: sums.archives for tier, sums in seen.jobs.items()} == {Tier.BULK: 1, Tier.STANDARD: 2}
        assert await moves.find(context.key, "t") is None
        async with opened_move(context, "t", options) as move:
            metered: list[str] = []

            def meter(record: ArchiveRecord, tier: Tier | None) -> bool:
                metered.append(record.archive.description)
                return tier is not None

            made = await make_plan(context, move, options, PRICES, pace, meter=meter)
            assert made.cost == seen.cost > 0
            assert sorted(metered) == ["a", "b", "c"]
            first, second, _ = [each async for each in moves.list_moved(move)]
            await moves.record(first, MoveState.REQUESTED, job_id="j")
            await moves.record(second, MoveState.PROVEN)
            with pytest.raises(UploadLockedError):
                async with opened_move(context, "t", options):
                    pass
        then = await foresee(context, "t", options, PRICES, pace)
        assert (then.archives, then.asked, then.done) == (2, 1, 1)
        assert then.cost < seen.cost
        async with opened_move(context, "t", ArchiveOptions(larger=1)) as move:
            left = [each.state async for each in moves.list_moved(move)]
        assert left == [MoveState.REQUESTED, MoveState.PROVEN]  # only what was paid for stays
