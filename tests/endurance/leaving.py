# ruff: noqa: T201  # printing is what it is for
"""Leave a vault of many archives while everything goes wrong; look for anything lost, changed or paid twice.

::

    python -m tests.endurance.leaving --archives 2000 --largest 200 --kills 60
    python -m tests.endurance.leaving --archives 400 --seaweedfs
    python -m tests.endurance.leaving --archives 400 --bundles

Three programs fill a vault: ours, boto3, and boto3 in the way of mt-aws-glacier. ``migrate`` moves the
vault to a bucket of another account, behind another server. The program is killed at random crash points and
moments, both servers are killed and started again, the services throttle, flip bits and cut connections, and
the clock moves by two days, so that outputs expire. Then every object is compared with the archive that it
was, byte for byte, the bytes that the servers moved are compared with those of the archives, and
``delete-proven`` deletes the archives and the vault.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.endurance.leaving_archives import KEYS, MIB, fill, found_objects, stored_size
from tests.endurance.leaving_hosts import LONGEST_SECONDS, OWNER, VAULT, Host, Tenant, ended, killing
from tests.seaweedfs import seaweedfs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.endurance.served import Served

#: A run that passes its crash point less often is killed after so many seconds.
_KILL_SECONDS: Final = (1.0, 12.0)

#: Where a run is killed, and how often each point is passed at most before.
POINTS: Final = {
    "job initiated": 30, "job id recorded": 30, "move initiated": 2, "part moved": 5, "move completing": 20,
    "object made": 20, "move proven": 20,
}  # fmt: skip


#: An archive of at most one piece is fetched without a range, so the server does not count its bytes.
_PIECE: Final = 16 * MIB


TROUBLE: Final[Sequence[dict[str, Any]]] = (
    {"operation": "InitiateJob", "code": "ThrottlingException", "status": 400, "probability": 0.05},
    {"operation": "GetJobOutput", "kind": "flip", "probability": 0.02, "after_bytes": 3},
    {"operation": "UploadPart", "kind": "reset", "probability": 0.05},
    {"operation": "PutObject", "code": "SlowDown", "status": 503, "probability": 0.05},
    {"operation": "PutObject", "kind": "reset", "moment": "after_commit", "probability": 0.03},
)


class Jobs:
    """The retrievals of the service: every one that it was ever seen to have."""

    def __init__(self, source: Served) -> None:
        self._source = source
        self.archives: dict[str, str] = {}

    def look(self) -> None:
        """Note those that it has now."""

        async def listed() -> None:
            async with self._source.connect(memory_limit=64 * MIB) as glacier:
                async for job in glacier.vault(VAULT).jobs():
                    if job.archive_id is not None:
                        self.archives[job.id] = job.archive_id

        asyncio.run(listed())


def move(
    tenant: Tenant,
    source: Host,
    targets: Sequence[Host],
    jobs: Jobs,
    chance: random.Random,
    given: argparse.Namespace,
) -> tuple[Counter[str], int]:
    """Run ``migrate`` until it is done; return what happened, and how many jobs the clock has ended."""
    counts: Counter[str] = Counter()
    expired = 0
    kills, words = given.kills, [*tenant.move_words(), "--storage-class=GLACIER_IR", "--tier=Bulk"]
    words += ["--bundle-up-to=10KiB"] if given.bundles else []
    while True:
        is_killed = counts["kills"] < kills
        point = chance.choice([*POINTS, *(["bundle recorded"] if given.bundles else [])])
        crash_at = f"{point}:{chance.randrange(1, POINTS.get(point, 2))}" if is_killed else ""
        started = time.monotonic()
        with ExitStack() as stack:
            if is_killed and counts["runs"] % 3 == 2:
                stack.enter_context(killing([source, *targets], tenant, counts, chance))
                counts["kills of a server"] += 1
            seconds = chance.uniform(*_KILL_SECONDS) if is_killed else LONGEST_SECONDS
            code, records, err = ended(tenant.start(*words, crash_at=crash_at), seconds)
        spent = time.monotonic() - started
        counts["runs"] += 1
        print(f"exit {code} after {spent:.0f} s {crash_at}", file=sys.stderr, flush=True)
        if code == -9:
            if not is_killed:
                raise SystemExit(f"a run hung for {spent:.0f} s")
            counts["kills"] += 1
            counts["in flight"] += tenant.in_flight()
            if counts["kills"] % max(1, kills // 3) == 0:
                jobs.look()
                expired += on_the_way(tenant)
                source.served.control("POST", "clock", {"advance_seconds": 48 * 3600})
                counts["clock moved"] += 1
            continue
        counts[f"exit {code}"] += 1
        if code == 0:
            return counts, expired
        if counts["runs"] > 3 * kills + 20:
            raise SystemExit(f"no end: exit {code}: {err} {records[-1:]}")


def on_the_way(tenant: Tenant) -> int:
    """Count the archives whose job is asked for and that are not proven."""
    code, records, _ = tenant.run("migrate", "status", VAULT)
    states = records[0]["states"] if records else {}
    ways = ("requested", "ready", "open", "completing")
    assert code == 0
    # A kill may have kept the last request from the record.
    return 1 + sum(int(states[state]["archives"]) for state in ways if state in states)


def excess(hosts: Sequence[Host], names: Sequence[str], size: int, in_flight: int) -> list[str]:
    """Return whether more bytes were moved than those needed, those that faults struck, and in flight."""
    counts = sum((host.counts for host in hosts), Counter[str]())
    moved, struck = (sum(counts[f"{name} {of}"] for name in names) for of in ("bytes", "struck"))
    beyond = moved - size - struck
    print(
        f"{' and '.join(names)}: {moved:,} bytes for {size:,}; faults struck {struck:,}; "
        f"beyond both {beyond:,}, in flight at kills {in_flight:,}"
    )
    return [f"{names} moved {beyond:,} bytes beyond"] if beyond > in_flight else []


def refusals(tenant: Tenant, hosts: Sequence[Host]) -> list[str]:
    """Try a wrong owner and a refused key of encryption; return what was not refused."""
    wrong = []
    words = ["--storage-class=GLACIER_IR"]
    if hosts and tenant.run(*tenant.move_words(owner="999999999999"), *words)[0] == 0:
        wrong.append("a bucket of another account was taken")
    for host in hosts:
        refused = {"operation": "PutObject", "code": "AccessDenied", "status": 403, "count": 1}
        host.trouble([refused])
        if tenant.run(*tenant.move_words(), *words)[0] == 0:
            wrong.append("a refused key was not noticed")
    return wrong


def main() -> int:
    """Parse the command line, run, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--archives", type=int, default=300, help="how many (300)")
    parser.add_argument("--largest", type=int, default=40, help="MiB of the largest (40)")
    parser.add_argument("--kills", type=int, default=12, help="how often the move is killed (12)")
    parser.add_argument("--bundles", action="store_true", help="store archives of up to 10 KiB together")
    parser.add_argument("--seaweedfs", action="store_true", help="move to SeaweedFS")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)  # noqa: S311  # the same each time
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leaving-")))
        source = Host(folder / "glacier", "012345678901")
        stack.callback(source.kill)
        if given.seaweedfs:
            targets, url = [], stack.enter_context(seaweedfs())
        else:
            targets = [Host(folder / "s3", OWNER)]
            stack.callback(targets[0].kill)
            url = targets[0].served.url
        return leave(Tenant(folder, source.served.url, url), source, targets, url, given, chance)


def leave(
    tenant: Tenant, source: Host, targets: list[Host], url: str, given: Any, chance: random.Random
) -> int:
    """Fill the vault, move it, compare it and delete it."""
    import boto3  # noqa: PLC0415

    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS).create_bucket(Bucket="museum")
    made = asyncio.run(fill(source.served, given.archives, given.largest, chance))
    assert tenant.run("inventory", VAULT)[0] == 0
    jobs = Jobs(source.served)
    wrong = refusals(tenant, targets)
    jobs.look()
    wrong += ["a job was paid for a bucket that refused"] * len(jobs.archives)
    for host in (source, *targets):
        host.trouble(TROUBLE)
        host.counts.clear()
    started = time.monotonic()
    counts, expired = move(tenant, source, targets, jobs, chance, given)
    jobs.look()
    print(f"moved in {time.monotonic() - started:.0f} s: {dict(counts)}")
    for host in (source, *targets):
        host.trouble([])
        print("requests and trouble:", dict(host.counts))
    needed = sum(size * many for (*_, size), many in made.items() if size > _PIECE)
    wrong += excess([source], ["GetJobOutput"], needed, counts["in flight"])
    if targets:  # SeaweedFS does not count
        # Each run tries the rights of a move with a small object.
        probes = counts["runs"] * 1024
        needed = asyncio.run(stored_size(url)) + probes
        wrong += excess(targets, ["UploadPart", "PutObject"], needed, counts["in flight"])
    again = len(jobs.archives) - len(set(jobs.archives.values()))
    print(f"jobs {len(jobs.archives)}, paid again {again}, of which the clock may cause {expired}")
    found = asyncio.run(found_objects(url))
    lost = (made - found).total()
    print(f"archives {made.total()}, objects {found.total()}, lost or changed {lost}")
    print(*list(made - found)[:3], *list(found - made)[:3], sep="\n")
    code, (*findings, report), _ = tenant.run(*tenant.move_words("report"))
    print(f"report: exit {code}, {report}, {findings[:3]}")
    words = tenant.move_words("delete-proven")
    code, (*_, deleted), err = tenant.run(*words, "--yes", "--delete-vault")
    print(f"delete-proven --delete-vault: exit {code}, {deleted} {err.strip()}")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    is_wrong = bool(wrong or findings) or again > expired or made != found
    return int(bool(code) or is_wrong or report["lines"] != made.total())


if __name__ == "__main__":
    sys.exit(main())
