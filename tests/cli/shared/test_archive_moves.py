"""The options of a move of archives; its plan, run and end, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.shared.archive_moves import fold_archives, run_move
from aioglacier.cli.shared.money import Spending
from aioglacier.core.errors import ConfigurationError, InvalidIdError
from aioglacier.core.models import Tier
from aioglacier.tasks.shard import Shard
from tests.bulk.archives.conftest import budget, mt_aws, old_vault

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.slow
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
        assert "2 jobs of tier Expedited to ask for, about 0.021 USD" in plan
        assert await old_vault.jobs(glacier.vault("old")) == 0
        assert await moving.run() is Exit.DONE
        out, err = capsys.readouterr()
        assert out.startswith("2 archives brought, 1.95 KiB in ")
        assert "2 jobs started, about 0.021 USD" in out
        assert "'../c' gets the name '%2E%2E/c'" in err
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


def options(**given: Any) -> dict[str, Any]:
    """Return parsed options as click gives them; those that are not given have their defaults."""
    names = ("archive_ids", "older_than", "shard", "created_after", "created_before", "per_day")
    spending = SimpleNamespace(tier=Tier.BULK)
    return {**dict.fromkeys(names), "tier_rules": (), "spending": spending, "waits": True, **given}


def test_ids_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    """Each line is an id; blank lines are passed over, and a line that is no id is refused."""
    archive_id, file = "a" * 138, tmp_path / "ids"
    file.write_text(f"  {archive_id}\n\n")
    given = options(archive_ids=str(file), tier_rules=("size<1MiB:Expedited",))
    fold_archives(given)
    assert list(given["archives"].ids) == [archive_id]
    assert given["pace"].tier_of(1 << 10) is Tier.EXPEDITED
    assert given["pace"].tier_of(1 << 30) is Tier.BULK
    file.write_text("no id\n")
    with pytest.raises(InvalidIdError):
        fold_archives(options(archive_ids=str(file)))


def test_an_age_becomes_a_date_unless_a_date_is_given() -> None:
    """``--older-than`` counts from now, and an explicit date is stronger."""
    given = options(older_than=90)
    fold_archives(given)
    age = datetime.now(UTC) - given["archives"].created_before
    assert timedelta(days=90) <= age < timedelta(days=90, minutes=1)
    date = datetime(2020, 1, 1, tzinfo=UTC)
    given = options(older_than=90, created_before=date)
    fold_archives(given)
    assert given["archives"].created_before == date


def test_an_age_is_refused_for_a_shard() -> None:
    """Shards that start at different times would choose different archives."""
    with pytest.raises(click.UsageError, match="another date in each shard"):
        fold_archives(options(older_than=90, shard=Shard(1, 2)))
