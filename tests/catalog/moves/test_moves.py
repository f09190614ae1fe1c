"""Records of archives on their way out of a vault."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aioglacier.catalog import Catalog
from aioglacier.catalog.moves.moves import Named
from aioglacier.catalog.records import MovedBundle, MovedPart, MoveState
from tests.catalog.samples import NOON, PHOTOS, archive

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.catalog.records import MovedRecord, MoveRecord


async def planned(catalog: Catalog, count: int, *names: str) -> MoveRecord:
    """Return a move with so many archives of the same names to try."""
    move = await catalog.moves.open(PHOTOS, "s3://b/p/", {"larger": "3"})
    records = [await catalog.archives.record(PHOTOS, archive(number)) for number in range(count)]
    await catalog.moves.plan(move, [Named(each, [*names, each.archive.id]) for each in records])
    return move


async def listed(catalog: Catalog, move: MoveRecord, *states: MoveState) -> list[MovedRecord]:
    """Return the archives of a move in some states."""
    return [moved async for moved in catalog.moves.list_moved(move, states or tuple(MoveState))]


async def test_a_name_is_given_once_and_no_file_is_a_folder(tmp_path: Path) -> None:
    """Each archive gets the first name that is free, which is neither taken nor below another."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 3, "a", "a/b", "c\x00d")
        third = archive(2).id
        assert [moved.name for moved in await listed(catalog, move)] == ["a", "c\x00d", third]
        assert await catalog.moves.find(PHOTOS, "s3://b/p/") == move
        assert await catalog.moves.find(PHOTOS, "s3://b/") is None


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


async def test_lines_are_chained_in_one_transaction(tmp_path: Path) -> None:
    """Each line is made of the one before it, and parts of the upload are forgotten with it."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 3)
        moved = await listed(catalog, move)
        part = MovedPart(0, bytes(32), bytes(range(32)), "e-1")
        await catalog.moves.record_part(moved[2], part)
        assert await catalog.moves.list_parts(moved[2]) == {0: part}
        for each in (moved[2], moved[0]):
            await catalog.moves.prove(move, each, lambda number, last: f"{number} after {last}")
        assert await catalog.moves.list_parts(moved[2]) == {}
        lines = [(each.line_number, each.line) async for each in catalog.moves.list_lines(move)]
        assert lines == [(1, "1 after None"), (2, "2 after 1 after None")]
        assert len(await listed(catalog, move, MoveState.PROVEN)) == 2


async def test_the_members_of_a_bundle_are_proven_or_dropped_together(tmp_path: Path) -> None:
    """Each member gets its own line once, and a bundle that was not made leaves them as they were."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move, moves = await planned(catalog, 3), catalog.moves
        one, two, three = await listed(catalog, move)
        bundle = MovedBundle(0, "bundles/x.tar", "t", 9, b"\1" * 32, bytes(range(32)))
        kept = await moves.add_bundle(move, bundle, [(one, 512), (two, 1536)])
        assert await moves.find_bundle(kept.number) == bundle._replace(number=kept.number)
        lost = await moves.add_bundle(move, bundle._replace(name="y"), [(three, 512)])
        assert [moved.bundle for moved in await listed(catalog, move, MoveState.COMPLETING)] == [
            kept.number, kept.number, lost.number
        ]  # fmt: skip
        for expected in ([512, 1536], []):
            proven = await moves.prove_bundle(
                move, kept, lambda moved, number, last: f"{number} {moved.position} after {last}"
            )
            assert [moved.position for moved in proven] == expected
        lines = [each.line async for each in moves.list_lines(move)]
        assert lines == ["1 512 after None", "2 1536 after 1 512 after None"]
        await moves.drop_bundle(lost)
        assert await moves.find_bundle(lost.number) is None
        (again,) = await listed(catalog, move, MoveState.READY)
        assert (again.number, again.bundle, again.position) == (three.number, None, None)
