"""The lines of a manifest, which prove archives one by one or a bundle at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.catalog import Catalog
from aioglacier.catalog.records import MovedBundle, MovedPart, MoveState
from tests.catalog.moves.planned_moves import listed, planned

if TYPE_CHECKING:
    from pathlib import Path


async def test_lines_are_chained_in_one_transaction(tmp_path: Path) -> None:
    """Each line is made of the one before it, and parts of the upload are forgotten with it."""
    async with Catalog.open(tmp_path / "c.db") as catalog:
        move = await planned(catalog, 3)
        moved = await listed(catalog, move)
        part = MovedPart(0, bytes(32), bytes(range(32)), "e-1")
        await catalog.moves.record_part(moved[2], part)
        assert await catalog.moves.list_parts(moved[2]) == {0: part}
        for each in (moved[2], moved[0]):
            await catalog.manifest_lines.prove(move, each, lambda number, last: f"{number} after {last}")
        assert await catalog.moves.list_parts(moved[2]) == {}
        lines = [(each.line_number, each.line) async for each in catalog.manifest_lines.list_all(move)]
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
            proven = await catalog.manifest_lines.prove_bundle(
                move, kept, lambda moved, number, last: f"{number} {moved.position} after {last}"
            )
            assert [moved.position for moved in proven] == expected
        lines = [each.line async for each in catalog.manifest_lines.list_all(move)]
        assert lines == ["1 512 after None", "2 1536 after 1 512 after None"]
        await moves.drop_bundle(lost)
        assert await moves.find_bundle(lost.number) is None
        (again,) = await listed(catalog, move, MoveState.READY)
        assert (again.number, again.bundle, again.position) == (three.number, None, None)
