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
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aioglacier
from aioglacier import tree_hash
from aioglacier.bulk.formats.bundle_format import member_content
from aioglacier.bulk.formats.bundle_index import read_index
from aioglacier.bulk.formats.bundle_sidecar import SIDECAR_SUFFIX, decode_sidecar
from aioglacier.core.s3.moved_metadata import MOVE_FOLDER, description_of
from tests.bulk.archives.conftest import cloud_berry, fast_glacier, mt_aws
from tests.endurance.served import Served
from tests.forking import forks
from tests.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from typing_extensions import Buffer

MIB: Final = 1024 * 1024
VAULT: Final = "old"
TARGET: Final = "s3://museum/old"
OWNER: Final = "210987654321"
KEYS: Final = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}

#: A run that takes longer hangs.
_LONGEST_SECONDS: Final = 1800

#: A run that passes its crash point less often is killed after so many seconds.
_KILL_SECONDS: Final = (1.0, 12.0)

#: Where a run is killed, and how often each point is passed at most before.
POINTS: Final = {
    "job initiated": 30, "job id recorded": 30, "move initiated": 2, "part moved": 5, "move completing": 20,
    "object made": 20, "move proven": 20,
}  # fmt: skip

#: The program has so many connections; with this memory, each carries a part of 16 MiB at most.
_CONNECTIONS: Final = 4
_MEMORY_MIB: Final = 256

#: An archive of at most one piece is fetched without a range, so the server does not count its bytes.
_PIECE: Final = 16 * MIB

#: What an archive can lose at a kill: the bytes that are fetched or sent, and not on record.
_UNRECORDED: Final = """
SELECT a.size, coalesce(m.part_size, a.size), m.state,
    (SELECT count(*) FROM moved_parts AS p WHERE p.moved = m.number)
FROM moved AS m JOIN archives AS a ON a.number = m.archive WHERE m.state IN ('ready', 'open', 'completing')
"""

TROUBLE: Final[Sequence[dict[str, Any]]] = (
    {"operation": "InitiateJob", "code": "ThrottlingException", "status": 400, "probability": 0.05},
    {"operation": "GetJobOutput", "kind": "flip", "probability": 0.02, "after_bytes": 3},
    {"operation": "UploadPart", "kind": "reset", "probability": 0.05},
    {"operation": "PutObject", "code": "SlowDown", "status": 503, "probability": 0.05},
    {"operation": "PutObject", "kind": "reset", "moment": "after_commit", "probability": 0.03},
)

#: Faults that only count how often an operation was asked for.
COUNTED: Final = ("InitiateJob", "GetJobOutput", "UploadPart", "PutObject")

_SERVER: Final = """
import sys, anyio
from aioglacier.server import LocalGlacier

async def main():
    folder, account, port = sys.argv[1:]
    async with LocalGlacier(
        folder, port=int(port), account_id=account, job_delay=0, inventory_lag=0, is_durable=False
    ) as server:
        print(server.port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


class Archived(NamedTuple):
    """An archive as it was made, or an object as it was found."""

    description: str
    tree_hash: str
    sha256: str
    size: int


def archived(description: str, content: Buffer) -> Archived:
    """Return an archive with these bytes."""
    return Archived(
        description, tree_hash(content).hex(), sha256(content).hexdigest(), memoryview(content).nbytes
    )


class Host:
    """A server that can be killed and started again on the same port."""

    def __init__(self, folder: Path, account: str) -> None:
        self._folder, self._account, self._port = folder, account, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._faults: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.start()

    @property
    def served(self) -> Served:
        """The running server."""
        return Served(f"http://127.0.0.1:{self._port}")

    def start(self) -> None:
        """Start it, with the faults that it had."""
        command = [sys.executable, "-c", _SERVER, str(self._folder), self._account, str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        if self._faults:
            self.served.control("POST", "faults", self._faults)

    def kill(self) -> None:
        """Kill it, as ``kill -9`` would, and keep what it has counted."""
        if self._process is None or self._process.poll() is not None:
            return
        self._count()
        self._process.kill()
        self._process.communicate()

    def trouble(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Set the faults, and count operations from now on."""
        self._count()
        self.served.control("DELETE", "faults")
        counters = [{"operation": name, "kind": "delay", "count": None} for name in COUNTED]
        self._faults = [*counters, *({"count": None} | dict(fault) for fault in faults)]
        self.served.control("POST", "faults", self._faults)

    def _count(self) -> None:
        for each in self.served.control("GET", "status")["faults"]:
            if each["kind"] == "delay":
                self.counts[each["operation"]] += each["met"]
                self.counts[f"{each['operation']} bytes"] += each["met_size"]
            else:
                self.counts[f"{each['operation']} {each['kind']}"] += each["struck"]
                self.counts[f"{each['operation']} struck"] += each["struck_size"]


class Tenant:
    """The program with a catalog, beside two servers."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        self._folder, self._source, self._target = folder, source, target

    def start(self, *words: str, crash_at: str = "") -> Any:
        """Start the program."""
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "AIOGLACIER_CRASH_AT": crash_at,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        options = [f"--endpoint-url={self._source}", "--region=us-east-1", "--json", "--quiet"]
        options += [f"--concurrency={_CONNECTIONS}", f"--memory-limit={_MEMORY_MIB}MiB"]
        options += [f"--catalog={self._folder / 'catalog.db'}"]
        return forks().start([*options, *words], cwd=self._folder, env=environment)

    def run(self, *words: str) -> tuple[int, list[dict[str, Any]], str]:
        """Run the program; return its exit code, its records and its messages."""
        return ended(self.start(*words), _LONGEST_SECONDS)

    def in_flight(self) -> int:
        """Return the bytes that a kill at this moment loses: of each archive the parts under way."""
        with closing(sqlite3.connect(self._folder / "catalog.db", timeout=60)) as catalog:
            rows = catalog.execute(_UNRECORDED).fetchall()
        return sum(
            # An archive of one part is on record before it is sent.
            size if size <= part_size else min(size - parts * part_size, _CONNECTIONS * part_size)
            for size, part_size, state, parts in rows
            if size <= part_size or state != "completing"
        )

    def move_words(self, *words: str, owner: str = OWNER) -> list[str]:
        """Return the words of a command about the vault and the bucket."""
        return ["migrate", *words, VAULT, TARGET, f"--to-endpoint-url={self._target}", f"--to-owner={owner}"]


def ended(process: Any, seconds: float) -> tuple[int, list[dict[str, Any]], str]:
    """Wait for the end of a run, and kill it after so many seconds."""
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate(timeout=60)
    records = [json.loads(line) for line in (out or b"").splitlines() if line.endswith(b"}")]
    return process.returncode or 0, records, (err or b"").decode()


def describe(number: int) -> str:
    """Return a description as one of several programs writes it, or one that a header would change."""
    name = f"d{number % 7}/file {number}"
    if number % 11 == 0:
        return ("same  name", r"%41 \u00e9 \ =?utf-8?q?a?=", "")[number % 3]
    makers = (mt_aws, fast_glacier, cloud_berry, lambda name: json.dumps({"path": name}), str)
    return makers[number % len(makers)](name)


async def fill(source: Served, count: int, largest: int, chance: random.Random) -> Counter[Archived]:
    """Upload archives with three programs; return what was made."""
    import boto3  # noqa: PLC0415

    made: Counter[Archived] = Counter()
    foreign = boto3.client("glacier", endpoint_url=source.url, region_name="us-east-1", **KEYS)
    async with source.connect(memory_limit=256 * MIB) as glacier:
        vault = await glacier.create_vault(VAULT)
        for number in range(count):
            size = chance.randrange(MIB, largest * MIB) if number % 50 == 0 else chance.randrange(1, 20_000)
            content, description = chance.randbytes(size), describe(number)
            if number % 3 == 0:
                await vault.upload(content, description=description)
            elif number % 3 == 1 and size < 4 * MIB:
                foreign.upload_archive(vaultName=VAULT, archiveDescription=description, body=content)
            else:
                description = mt_aws(f"mt/{number}")
                await asyncio.to_thread(upload_as_mt_aws, foreign, content, description)
            made[archived(description, content)] += 1
    return made


def upload_as_mt_aws(client: Any, content: bytes, description: str) -> None:
    """Upload in parts of 1 MiB, one after the other, as mt-aws-glacier does by default."""
    begun = client.initiate_multipart_upload(
        vaultName=VAULT, archiveDescription=description, partSize=str(MIB)
    )
    upload = {"vaultName": VAULT, "uploadId": begun["uploadId"]}
    for start in range(0, len(content), MIB):
        part = content[start : start + MIB]
        span = f"bytes {start}-{start + len(part) - 1}/*"
        client.upload_multipart_part(**upload, range=span, body=part, checksum=tree_hash(part).hex())
    client.complete_multipart_upload(
        **upload, archiveSize=str(len(content)), checksum=tree_hash(content).hex()
    )


@contextmanager
def killing(
    hosts: Sequence[Host], tenant: Tenant, counts: Counter[str], chance: random.Random
) -> Iterator[None]:
    """Kill a server some seconds after the beginning of the block, and start it again."""
    host = chance.choice(hosts)

    def strike() -> None:
        counts["in flight"] += tenant.in_flight()
        host.kill()
        host.start()

    timer = threading.Timer(chance.uniform(0.5, 4), strike)
    timer.start()
    try:
        yield
    finally:
        timer.join()


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
            seconds = chance.uniform(*_KILL_SECONDS) if is_killed else _LONGEST_SECONDS
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


def connected(target: str) -> AbstractAsyncContextManager[aioglacier.Glacier]:
    """Connect to the target."""
    return aioglacier.connect(
        endpoint_url=target,
        s3_endpoint_url=target,
        region_name="us-east-1",
        limits=aioglacier.Limits(memory=256 * MIB),
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


async def found_objects(target: str) -> Counter[Archived]:
    """Read every object, and return what it was."""
    found: Counter[Archived] = Counter()
    async with connected(target) as glacier:
        bucket = glacier.bucket("museum", "GLACIER_IR", "old/")
        assert [upload.key async for upload in bucket.uploads()] == []
        async for entry in bucket.objects():
            if entry.key.startswith(MOVE_FOLDER) or entry.key.endswith(SIDECAR_SUFFIX):
                continue
            if entry.key.startswith("bundles/"):
                found.update([member async for member in members_of(bucket, entry.key)])
                continue
            metadata = (await bucket.head(entry.key)).metadata
            hashed = sha256()
            async with (await bucket.retrieve(entry.key)).open_reader() as reader:
                async for block in reader:
                    hashed.update(block)
            found[
                Archived(
                    description_of(metadata), metadata["aioglacier-tree-hash"], hashed.hexdigest(), entry.size
                )
            ] += 1
    return found


async def members_of(bucket: aioglacier.Bucket, key: str) -> AsyncIterator[Archived]:
    """Read a bundle by its sidecar, and yield what each member was."""
    async with bucket.restored(key).open_reader() as reader:
        content = await reader.read()
    async with bucket.restored(key + SIDECAR_SUFFIX).open_reader() as reader:
        sidecar = decode_sidecar(await reader.read())
    for page in read_index(sidecar.index, sidecar.trailer, tree=1, run=1, upload=1, identities=None):
        for entry in page:
            start = entry.position or 0
            member = member_content(entry, content[start : start + (entry.stored or 0)])
            told = json.loads(entry.extra or b"")["glacier"]
            assert tree_hash(member) == entry.content_hash
            yield archived(told["description"], member)


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


async def stored_size(target: str) -> int:
    """Return the bytes of all objects, the manifest among them."""
    async with connected(target) as glacier:
        bucket = glacier.bucket("museum", "GLACIER_IR", "old/")
        return sum([entry.size async for entry in bucket.objects()])


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
