"""The parts that restores and migrations of archives have in common, before and after there is a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.archives.move_plan import ArchivePlan
from aioglacier.bulk.archives.move_run import MoveProgress, PaceOptions
from aioglacier.bulk.archives.planned_move import ArchivesSnapshot
from aioglacier.core.models import Tier
from tests.bulk.archives.conftest import budget

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.archives.conftest import OldVault


def test_counters_add_what_was_there_before_the_run() -> None:
    """Archives that the plan found at the target count with those that the run finds there."""
    progress = MoveProgress(asked=2, carried=1, carried_size=5, there=1)
    before = ArchivesSnapshot.of(progress, None, budget())
    assert (before.archives, before.size, before.there, before.restored) == (0, 0, 1, 1)
    planned = ArchivesSnapshot.of(progress, ArchivePlan(archives=4, size=20, done=3), budget())
    assert (planned.archives, planned.size, planned.there, planned.restored_size) == (4, 20, 4, 5)


async def test_a_move_without_a_plan_has_nothing_to_say(old_vault: OldVault, tmp_path: Path) -> None:
    """Before the run there are no notices and no failures; afterwards the notices are the plan's."""
    await old_vault.fill({"../a": b"a"})
    async with old_vault.connected() as glacier:
        pace = PaceOptions(tier=Tier.EXPEDITED)
        restore = ArchiveRestore(glacier.vault("old"), tmp_path / "back", budget(), pace=pace)
        assert (restore.notices, restore.failures) == ([], [])
        await restore.run()
        assert restore.notices == ["'../a' gets the name '%2E%2E/a'"]
