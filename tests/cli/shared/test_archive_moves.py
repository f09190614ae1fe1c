"""The plan, the run and the end of a move of archives, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.shared.archive_moves import run_move
from aioglacier.cli.shared.money import Spending
from aioglacier.core.errors import ConfigurationError
from aioglacier.core.models import Tier
from tests.bulk.archives.conftest import budget, mt_aws, old_vault

if TYPE_CHECKING:
    from aioglacier import Glacier
    from aioglacier.cli.program.session import Session
    from tests.bulk.archives.conftest import OldVault

__all__ = ["old_vault"]

FAST = PaceOptions(tier=Tier.EXPEDITED)
TWO = {mt_aws("a/b.jpg"): b"1" * 2000, "../c": b"2"}


class Moving:
    """A restore to a folder beside the vault, with a session that prints."""

    def __init__(self, old_vault: OldVault, glacier: Glacier, session: Session) -> None:
        self.session = session
        self._folder = old_vault.folder / "back"
        self._glacier = glacier

    async def run(
        self, *patterns: str, pace: PaceOptions = FAST, yes: bool = True, is_dry_run: bool = False
    ) -> Exit:
        """Run the command's part of it."""
        money, chosen = budget(), ArchiveOptions(patterns=patterns)
        restore = ArchiveRestore(self._glacier.vault("old"), self._folder, money, chosen, pace)
        spending = Spending(pace.tier, yes, None, None)
        facts = {"vault": "old", "target": "back"}
        return await run_move(
            self.session, restore, spending, money, pace, facts, safe="safe", is_dry_run=is_dry_run
        )


async def test_a_plan_a_run_and_a_second_run_are_told(
    old_vault: OldVault, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan prices every archive, the end counts them and names new names, and nothing is paid twice."""
    await old_vault.fill(TWO)
    async with old_vault.connected() as glacier:
        moving = Moving(old_vault, glacier, session)
        assert await moving.run(is_dry_run=True) is Exit.DONE
        plan = capsys.readouterr().out
        assert "2 archives to bring to back, 1.95 KiB; 0 there already" in plan
        assert "2 jobs of tier Expedited to ask for, about 0.020 USD" in plan
        assert await old_vault.jobs(glacier.vault("old")) == 0
        assert await moving.run() is Exit.DONE
        out, err = capsys.readouterr()
        assert out.startswith("2 archives brought, 1.95 KiB in ")
        assert "2 jobs started, about 0.020 USD" in out
        assert "'../c' is restored as '%2E%2E/c'" in err
        assert await moving.run() is Exit.DONE
        assert capsys.readouterr().out.startswith("0 archives brought, 0 bytes, 2 there before in ")


async def test_a_pattern_without_a_match_is_refused_before_the_plan(
    old_vault: OldVault, session: Session
) -> None:
    """A dry run refuses what the run refuses."""
    await old_vault.fill(TWO)
    async with old_vault.connected() as glacier:
        for is_dry_run in (True, False):
            with pytest.raises(ConfigurationError, match="nosuch"):
                await Moving(old_vault, glacier, session).run("nosuch*", is_dry_run=is_dry_run)
