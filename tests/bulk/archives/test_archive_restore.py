"""Archives that other programs made come back to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.archive_restore import ArchiveRestore
from aioglacier.bulk.archives.move_run import PaceOptions
from aioglacier.core.errors import ConfigurationError, CostLimitError, TargetError, UnsafePathError
from aioglacier.core.models import Tier
from tests.bulk.archives.conftest import budget, cloud_berry, fast_glacier, mt_aws

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier import Vault
    from aioglacier.bulk.archives.planned_move import ArchivesSnapshot
    from tests.bulk.archives.conftest import OldVault

FAST = PaceOptions(tier=Tier.EXPEDITED)


async def restore(vault: Vault, target: Path, **options: object) -> ArchivesSnapshot:
    """Restore all, by jobs that are done at once; nothing may fail."""
    run = ArchiveRestore(vault, target, budget(), ArchiveOptions(**options), FAST)  # type: ignore[arg-type]
    done = await run.run()
    assert run.failures == []
    return done


def files(root: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
async def test_archives_of_several_programs_come_back_by_name(old_vault: OldVault, tmp_path: Path) -> None:
    """Each file has the name and the time of its description; a second run asks for nothing."""
    await old_vault.fill(
        {
            mt_aws("photos/a.jpg"): b"a" * 100,
            fast_glacier("docs/b.txt"): b"b",
            cloud_berry(r"D:\x\c.bin"): b"c" * 3_000_000,
            "plain": b"d",
            '{"aioglacier": "bundle", "id": "1"}': b"a bundle of a folder",
        }
    )
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        done = await restore(vault, tmp_path / "back")
        assert (done.restored, done.jobs_started, done.failed) == (4, 4, 0)
        again = await restore(vault, tmp_path / "back")
        assert (again.restored, again.there, again.jobs_started) == (0, 4, 0)
        (tmp_path / "back" / "plain").unlink()
        assert (await restore(vault, tmp_path / "back")).restored == 1
    back = files(tmp_path / "back")
    assert back == {
        "photos/a.jpg": b"a" * 100,
        "docs/b.txt": b"b",
        "D/x/c.bin": b"c" * 3_000_000,
        "plain": b"d",
    }
    assert (tmp_path / "back" / "photos" / "a.jpg").stat().st_mtime == 1345568904


@pytest.mark.slow
async def test_two_archives_of_one_name_are_both_there(old_vault: OldVault, tmp_path: Path) -> None:
    """The second gets its date, and a name that is a folder of another gets it, too."""
    await old_vault.fill(
        {
            mt_aws("a.jpg", "20120821T170824Z"): b"first",
            mt_aws("a.jpg", "20130821T170824Z"): b"second",
            "d": b"a file",
            "d/e": b"below it",
        }
    )
    async with old_vault.connected() as glacier:
        await restore(glacier.vault("old"), tmp_path / "back")
    back = files(tmp_path / "back")
    assert (back["a.jpg"], back["d"]) == (b"first", b"a file")
    assert sorted(back.values()) == [b"a file", b"below it", b"first", b"second"]
    assert any(name.startswith("a (20") and name.endswith("Z).jpg") for name in back)


@pytest.mark.slow
async def test_only_chosen_archives_are_asked_for(old_vault: OldVault, tmp_path: Path) -> None:
    """Patterns, sizes and ids choose; one that meets nothing is an error before anything is paid."""
    made = await old_vault.fill({"a/1.jpg": b"1", "a/2.txt": b"22", "b/3.jpg": b"333"})
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        await restore(vault, tmp_path / "one", patterns=("*.jpg",), larger=2)
        await restore(vault, tmp_path / "two", ids=[made["a/2.txt"].id])
        await restore(vault, tmp_path / "three", exclude=("/a/",))
        await restore(vault, tmp_path / "three", patterns=("*.jpg",))  # another choice for the same folder
        (tmp_path / "three" / "a" / "1.jpg").unlink()
        for options in ({"patterns": ("*.png",)}, {"ids": ["x"]}, {"larger": 9}):
            with pytest.raises(ConfigurationError):
                await restore(vault, tmp_path / "four", **options)
    assert [list(files(tmp_path / name)) for name in ("one", "two", "three")] == [
        ["b/3.jpg"], ["a/2.txt"], ["b/3.jpg"]
    ]  # fmt: skip


@pytest.mark.slow
async def test_a_run_that_does_not_wait_goes_on_later(old_vault: OldVault, tmp_path: Path) -> None:
    """Jobs are asked for once, adopted from other programs, and fetched when they are done."""
    made = await old_vault.fill({"a": b"1", "b": b"2", "c": b"3"})
    pace = PaceOptions(waits=False)
    async with old_vault.connected() as glacier:
        foreign = await glacier.vault("old").retrieve(made["c"].id)
        first = await ArchiveRestore(glacier.vault("old"), tmp_path / "back", budget(), pace=pace).run()
        assert (first.restored, first.left, first.jobs_started) == (0, 3, 2)
        assert foreign.is_new
    await old_vault.server.advance(6 * 3600)
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        second = await ArchiveRestore(vault, tmp_path / "back", budget(), pace=pace).run()
        assert (second.restored, second.left, second.jobs_started) == (3, 0, 0)
        assert await old_vault.jobs(vault) == 3
    assert files(tmp_path / "back") == {"a": b"1", "b": b"2", "c": b"3"}


@pytest.mark.slow
async def test_an_output_that_has_expired_is_asked_for_again(old_vault: OldVault, tmp_path: Path) -> None:
    """Two days later the jobs are gone; others are paid, and the archives come."""
    await old_vault.fill({"a": b"1", "b": b"2"})
    pace = PaceOptions(waits=False)
    async with old_vault.connected() as glacier:
        await ArchiveRestore(glacier.vault("old"), tmp_path / "back", budget(), pace=pace).run()
    await old_vault.server.advance(48 * 3600)
    async with old_vault.connected() as glacier:
        done = await ArchiveRestore(glacier.vault("old"), tmp_path / "back", budget(), pace=FAST).run()
    assert (done.restored, done.jobs_started) == (2, 2)


@pytest.mark.slow
async def test_no_more_is_asked_for_in_a_day_than_allowed(old_vault: OldVault, tmp_path: Path) -> None:
    """The first archive is always asked for; the next one waits for tomorrow."""
    await old_vault.fill({"a": b"1" * 10, "b": b"2" * 10, "c": b"3" * 10})
    pace = PaceOptions(tier=Tier.EXPEDITED, per_day=20, waits=False)
    async with old_vault.connected() as glacier:
        done = await ArchiveRestore(glacier.vault("old"), tmp_path / "back", budget(), pace=pace).run()
    assert (done.restored, done.left) == (2, 1)


async def test_a_cost_above_the_limit_asks_for_nothing(old_vault: OldVault, tmp_path: Path) -> None:
    """The plan names the cost, and a lower limit is an error."""
    await old_vault.fill({"a": b"1" * 3_000_000})
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        plan = await ArchiveRestore(vault, tmp_path / "back", budget()).plan()
        assert (plan.archives, plan.size) == (1, 3_000_000)
        assert plan.cost > 0
        with pytest.raises(CostLimitError):
            await ArchiveRestore(vault, tmp_path / "back", budget(plan.cost / 2)).run()
        assert await old_vault.jobs(vault) == 0
        assert not (tmp_path / "back").exists()


async def test_a_link_in_the_target_is_never_followed(old_vault: OldVault, tmp_path: Path) -> None:
    """An archive that would be written through it fails by name before anything is paid; others come."""
    await old_vault.fill({"out/a": b"1", "b": b"2", "c": b"3"})
    back = tmp_path / "back"
    back.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (back / "out").symlink_to(tmp_path / "elsewhere")
    (back / "c").write_bytes(b"mine")
    async with old_vault.connected() as glacier:
        run = ArchiveRestore(glacier.vault("old"), back, budget(), pace=FAST)
        done = await run.run()
        assert await old_vault.jobs(glacier.vault("old")) == 1
    assert (done.restored, done.failed) == (1, 2)
    assert {type(failure.error) for failure in run.failures} == {UnsafePathError, TargetError}
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (back / "c").read_bytes() == b"mine"


@pytest.mark.slow
async def test_a_stop_in_the_middle_loses_nothing(old_vault: OldVault, tmp_path: Path) -> None:
    """A cancelled restore goes on, and no job is paid twice."""
    await old_vault.fill({f"f{number}": b"%d" % number for number in range(12)})
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        run = ArchiveRestore(vault, tmp_path / "back", budget(), pace=FAST)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.run)
            while run.snapshot().restored < 5:  # noqa: ASYNC110  # the counters tell
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        await restore(vault, tmp_path / "back")
        assert await old_vault.jobs(vault) == 12
    assert len(files(tmp_path / "back")) == 12
