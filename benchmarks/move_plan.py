"""What does it take to plan the move of a million archives, and to say how far it is?

A catalog is filled with archives that an inventory lists, with descriptions of several programs. Then all of
them are planned twice, for a look and for a run, and the status is asked for. Memory is that of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier import Archive

MIB = 1024 * 1024


def archives(count: int) -> Iterator[Archive]:
    """Yield archives as an inventory lists them; each hundredth name occurs twice."""
    from aioglacier import Archive, ArchiveId  # noqa: PLC0415  # only measured processes load it

    begin = datetime(2013, 1, 1, tzinfo=UTC)
    for number in range(count):
        name = f"photos/{number % 1000}/picture {number - (number % 100 == 1)}.jpg"
        yield Archive(
            id=ArchiveId(f"{number:0138d}"),
            vault="v",
            size=1 + number * 7919 % (64 * MIB),
            tree_hash=(number + 1).to_bytes(32, "big"),
            description=json.dumps({"path": name}) if number % 2 else name,
            created=begin + timedelta(seconds=number),
        )


def peak() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


async def run(count: int, folder: Path) -> dict[str, Any]:
    """Fill, plan and ask; return seconds and memory."""
    import aioglacier  # noqa: PLC0415
    from aioglacier.bulk import ArchiveOptions, PaceOptions, load_prices  # noqa: PLC0415
    from aioglacier.bulk.archives.move_plan import foresee, make_plan, opened_move  # noqa: PLC0415
    from aioglacier.catalog import Catalog  # noqa: PLC0415
    from benchmarks.clients import KEYS  # noqa: PLC0415

    found: dict[str, Any] = {"archives": count}
    async with (
        Catalog.open(folder / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url="http://127.0.0.1:9", account_id="012345678901", catalog=catalog, **KEYS
        ) as glacier,
    ):
        context = glacier.vault("v").context.recorded()
        await catalog.archives.merge_inventory(
            context.key, archives(count), inventoried=datetime.now(UTC), is_whole=True
        )
        found["memory_after_filling"] = peak()
        options, prices, pace = ArchiveOptions(larger=2), load_prices("us-east-1"), PaceOptions()
        started = time.perf_counter()
        plan = await foresee(context, "s3://b/p/", options, prices, pace)
        found["look_seconds"] = round(time.perf_counter() - started, 1)
        async with opened_move(context, "s3://b/p/", options) as move:
            for name in ("plan_seconds", "plan_again_seconds"):
                started = time.perf_counter()
                made = await make_plan(context, move, options, prices, pace)
                found[name] = round(time.perf_counter() - started, 1)
                assert plan.archives == made.archives
        started = time.perf_counter()
        totals = await catalog.moves.totals(move)
        await catalog.moves.waiting(move)
        await catalog.moves.failures(move)
        found["status_seconds"] = round(time.perf_counter() - started, 2)
        found["planned"] = sum(sums.archives for sums in totals.values())
    found["memory_after_planning"] = peak()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks move_plan", description=__doc__)
    parser.add_argument("--archives", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a small count, to see that it runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(500 if given.quick else given.archives, Path(folder)))
    measure.publish("move_plan", found)


if __name__ == "__main__":
    main()
