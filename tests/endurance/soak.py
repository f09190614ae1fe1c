# ruff: noqa: T201  # printing is what it is for
"""Do random work for hours while requests fail, and look for anything lost and anything that grows.

Not a test, because it takes as long as it is given::

    python -m tests.endurance.soak --minutes 30

A local Glacier in another process fails requests in every way it knows, each at the given rate; here uploads
are cancelled, sources fail and hash workers are killed. Everything is recorded in a catalog. Once a minute it
prints what was done and what this process holds. In the end the weather clears, and the vault must hold just
what was proven. Exits with 1 if it does not, or if something grew.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from aioglacier.catalog import Catalog
from aioglacier.transfer.hashing import workers
from tests.endurance.holdings import MIB, Holdings
from tests.endurance.served import serving
from tests.endurance.traffic import WEIGHTS, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every kind of fault, at every moment it knows.
_WEATHER: Final[tuple[dict[str, Any], ...]] = (
    *({"code": "ServiceUnavailableException", "moment": moment} for moment in ("start", "after_commit")),
    *({"code": "ThrottlingException", "moment": moment} for moment in ("start", "before_commit")),
    {"code": "RequestTimeoutException"},
    {"status": 502, "body": "<html><body>Bad Gateway</body></html>"},
    *({"kind": "reset", "moment": moment} for moment in ("start", "before_commit", "after_commit")),
    {"kind": "reset", "moment": "body", "after_bytes": 300_000},
    {"kind": "delay", "seconds": 0.3},
    {"operation": "UploadMultipartPart", "kind": "wrong_hash"},
    {"operation": "UploadMultipartPart", "kind": "omit_header"},
    {"operation": "InitiateMultipartUpload", "kind": "empty_body"},
    {"operation": "GetJobOutput", "kind": "truncate", "after_bytes": 400_000},
    {"operation": "GetJobOutput", "kind": "flip", "after_bytes": 500_000},
    {"operation": "ListParts", "kind": "short_pages"},
    {"operation": "InitiateJob", "kind": "job_failure"},
)

#: A hash worker is killed before this share of the actions.
_KILLS: Final = 0.01

#: Memory that may come and go without being a leak.
_ALLOWED_GROWTH: Final = 16 * MIB

_REPORT_SECONDS: Final = 60.0


def weather(rate: float, seed: int) -> Iterator[dict[str, Any]]:
    """Yield every fault, each with this probability for the requests it can strike."""
    for number, fault in enumerate(_WEATHER):
        yield {"count": None, "probability": rate, "seed": seed + number, **fault}


async def soak(folder: Path, *, minutes: float, rate: float, seed: int) -> int:
    """Work for some minutes, and return the exit code."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _print_tasks)
    workers.LARGEST_IN_THREAD = workers.SMALL_PART_SIZE  # type: ignore[misc]  # or there were none to kill
    killed = 0
    with serving(folder / "depot") as server:
        async with (
            Catalog.open(folder / "catalog.db") as catalog,
            server.connect(memory_limit=32 * MIB, catalog=catalog) as glacier,
        ):
            traffic = Traffic(await glacier.create_vault("soak"), folder, seed, part_size=2 * MIB)
            for name in WEIGHTS:
                await traffic.step({name: 1})
            server.control("POST", "faults", list(weather(rate, seed)))
            begun = reported = time.monotonic()
            first: Holdings | None = None
            while time.monotonic() - begun < minutes * 60:
                if chance.random() < _KILLS:
                    killed += _kill_a_worker(chance)
                await traffic.step()
                if time.monotonic() - reported >= _REPORT_SECONDS:
                    reported = time.monotonic()
                    now = Holdings.now()
                    first = first or now
                    _report(reported - begun, traffic, now)
            struck = Counter[str]()
            for fault in server.control("GET", "status")["faults"]:
                struck[fault["kind"]] += fault["struck"]
            server.control("DELETE", "faults")
            await traffic.settle()
            last = Holdings.now()
            _report(time.monotonic() - begun, traffic, last)
            print(f"faults struck: {dict(struck)}; {killed} workers killed")
    for ending, count in sorted(traffic.tally.failed.items()):
        print(f"  {count:6} {ending}")
    if first is None:
        return 0
    print(f"after the first minute: {first}\nin the end:             {last}")
    has_grown = last.memory - first.memory > _ALLOWED_GROWTH or last.descriptors > first.descriptors + 8
    print("something has grown" if has_grown else "nothing lost, nothing doubled, nothing grew")
    return int(has_grown)


def _print_tasks() -> None:
    """Print where every task waits; send ``kill -USR1`` to a soak that seems to stand still."""
    for task in asyncio.all_tasks():
        print(f"{task.get_name()}:")
        waiting: Any = task.get_coro()
        while waiting is not None:
            frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
            if frame is not None:
                print(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)
    sys.stdout.flush()


def _kill_a_worker(chance: random.Random) -> bool:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # or it died since the last look
            if any("worker" in word for word in child.cmdline()):
                found.append(child)
    if found:
        with suppress(psutil.NoSuchProcess):
            chance.choice(found).kill()
            return True
    return False


def _report(seconds: float, traffic: Traffic, holdings: Holdings) -> None:
    tally = traffic.tally
    print(
        f"{seconds / 60:6.1f} min  {sum(tally.done.values())} done, {sum(tally.failed.values())} failed, "
        f"{tally.cancelled} cancelled, {tally.moved / MIB / 1024:.1f} GiB proven; {holdings}",
        flush=True,
    )


def main() -> int:
    """Parse the command line and soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument(
        "--rate", type=float, default=0.01, help="share of requests that each fault befalls (0.01)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random (1)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return asyncio.run(soak(Path(folder), minutes=given.minutes, rate=given.rate, seed=given.seed))


if __name__ == "__main__":
    sys.exit(main())
