"""One run of a move: what it asks for, and what it still carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_source import VaultSource
from aioglacier.bulk.archives.move_plan import make_plan, opened_move
from aioglacier.bulk.archives.move_run import MoveProgress, MoveRun, PaceOptions
from aioglacier.catalog.records import MoveState
from aioglacier.core.errors import CostLimitError
from aioglacier.core.models import Tier
from tests.bulk.archives.conftest import budget

if TYPE_CHECKING:
    from aioglacier import Vault
    from aioglacier.catalog.moves.moves import Moves
    from aioglacier.catalog.records import MovedRecord
    from tests.bulk.archives.conftest import OldVault

PACE = PaceOptions(tier=Tier.EXPEDITED)


class Shelf:
    """A carrier that only notes the names of what it was given."""

    def __init__(self, moves: Moves) -> None:
        self.names: list[str] = []
        self._moves = moves

    async def is_there(self, moved: MovedRecord) -> bool:
        """Return whether the shelf has it."""
        return moved.name in self.names

    async def carry(self, moved: MovedRecord) -> bool:
        """Note it."""
        self.names.append(moved.name)
        await self._moves.record(moved, MoveState.PROVEN)
        return True


async def run(vault: Vault, shelf: Shelf, *ids: str, limit: float | None = None) -> MoveProgress:
    """Move archives to the shelf; a limit of money is met only once the run is under way."""
    context, money, progress = vault.context.recorded(), budget(limit), MoveProgress()
    options = ArchiveOptions(ids=ids or None)
    async with opened_move(context, "shelf", options) as move, context.spending(money):
        await make_plan(context, move, options, money.prices, PACE)
        await MoveRun(VaultSource(vault), move, PACE, shelf, progress).run()
    return progress


@pytest.mark.slow
async def test_at_the_limit_of_money_what_is_paid_is_still_carried(old_vault: OldVault) -> None:
    """The archives behind the one that is refused are carried if an earlier run has paid for them."""
    made = await old_vault.fill({"a": b"1", "b": b"2", "c": b"3"})
    async with old_vault.connected() as glacier:
        vault, moves = glacier.vault("old"), glacier.vault("old").context.recorded().catalog.moves
        shelf = Shelf(moves)
        async with opened_move(vault.context.recorded(), "shelf", ArchiveOptions()) as move:
            await make_plan(vault.context.recorded(), move, ArchiveOptions(), budget().prices, PACE)
            (last,) = [each async for each in moves.list_moved(move) if each.name == "c"]
            job = await vault.retrieve(made["c"].id, tier=PACE.tier)
            await moves.record(last, MoveState.REQUESTED, job_id=job.id)
        with pytest.raises(CostLimitError):
            await run(vault, shelf, limit=1e-9)
        assert shelf.names == ["c"]
        assert await old_vault.jobs(vault) == 1
        await run(vault, shelf)
        assert sorted(shelf.names) == ["a", "b", "c"]


@pytest.mark.slow
async def test_an_expired_output_is_not_paid_again_beyond_the_limit(old_vault: OldVault) -> None:
    """The others are carried, and the next run with more money goes on."""
    made = await old_vault.fill({"a": b"1", "b": b"2"})
    async with old_vault.connected() as glacier:
        vault, moves = glacier.vault("old"), glacier.vault("old").context.recorded().catalog.moves
        shelf = Shelf(moves)
        async with opened_move(vault.context.recorded(), "shelf", ArchiveOptions()) as move:
            await make_plan(vault.context.recorded(), move, ArchiveOptions(), budget().prices, PACE)
            first, second = [each async for each in moves.list_moved(move)]
            job = await vault.retrieve(made[second.name].id, tier=PACE.tier)
            await moves.record(first, MoveState.REQUESTED, job_id="gone")
            await moves.record(second, MoveState.REQUESTED, job_id=job.id)
        with pytest.raises(CostLimitError):
            await run(vault, shelf, limit=1e-9)
        assert shelf.names == [second.name]
        await run(vault, shelf)
        assert sorted(shelf.names) == ["a", "b"]
