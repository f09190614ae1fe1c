"""Records of archives on their way out of a vault."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aioglacier.catalog import Catalog
from aioglacier.catalog.moves.moves import Named
from aioglacier.catalog.records import MoveState
from tests.catalog.moves.planned_moves import listed, planned
from tests.catalog.samples import NOON, PHOTOS, archive

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_name_is_given_once_and_no_file_is_a_folder(tmp_path: Path) -> None:
    """Each archive gets the first name that is free, which is neither taken nor below another."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 3, "a", "a/b", "c\x00d")
        third = archive(2).id
        assert [moved.name for moved in await listed(catalog, move)] == ["a", "c\x00d", third]
        assert await catalog.moves.find(PHOTOS, "s3://b/p/") == move
        assert await catalog.moves.find(PHOTOS, "s3://b/") is None


async def test_no_folder_of_another_archive_is_a_file(tmp_path: Path) -> None:
    """Whether the name with the folder was given before, in the same call, or to an archive of this one."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 1, "a/b/c", "x")
        records = [await catalog.archives.record(PHOTOS, archive(number)) for number in range(1, 6)]
        wanted = [["a"], ["a/b"], ["a0"], ["d/e"], ["d", "f"]]
        named = [Named(each, [*names, each.archive.id]) for each, names in zip(records, wanted, strict=True)]
        given = await catalog.moves.plan(move, named)
        assert given == [records[0].archive.id, records[1].archive.id, "a0", "d/e", "f"]
        other = await catalog.archives.record(PHOTOS, archive(6))
        assert await catalog.moves.plan(move, [Named(other, ["a/b", "z"])], has_folders=False) == ["a/b"]


async def test_states_and_facts_come_back(tmp_path: Path) -> None:
    """Each step changes what is recorded of it, and sums are by state and by cause."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 3)
        one, two, three = await listed(catalog, move)
        until = NOON + timedelta(days=1)
        await catalog.moves.record(one, MoveState.READY, job_id="j", requested=NOON, ready_until=until)
        await catalog.moves.record(two, MoveState.FAILED, outcome="TargetError: x: y")
        found = await catalog.moves.get(move, one.number)
        assert (found.state, found.job_id, found.requested, found.ready_until) == (
            MoveState.READY, "j", NOON, until
        )  # fmt: skip
        assert (found.archive.id, found.archive.vault, found.token) == (one.archive.id, "photos", one.token)
        assert (await catalog.moves.totals(move))[MoveState.READY] == (1, 5)
        assert await catalog.moves.failures(move) == {"TargetError": (1, 5)}
        assert await catalog.moves.asked_by_hour(move, NOON - timedelta(days=1)) == [(NOON, 5)]
        waiting = await catalog.moves.waiting(move)
        assert waiting == (NOON, None, None, until)  # no job is on record as not done
        await catalog.moves.record(three, MoveState.REQUESTED, job_id="k", requested=NOON)
        assert (await catalog.moves.waiting(move)).last == NOON
        await catalog.moves.record(three, MoveState.PLANNED)
        await catalog.moves.plan_failed(move)
        assert await catalog.moves.failures(move) == {}
        assert len(await listed(catalog, move, MoveState.PLANNED)) == 2
        await catalog.moves.forget_planned(move)
        assert [moved.number for moved in await listed(catalog, move)] == [one.number]
        assert three.state is MoveState.PLANNED
