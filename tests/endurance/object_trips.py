# ruff: noqa: T201  # printing is what it is for
"""Take a file and a stream to a bucket in each class and back, and kill the program in each direction.

The long run, of which ``test_object_trips.py`` is a short one::

    python -m tests.endurance.object_trips --size 1024 --kills 1

A program of the library uploads the file, or its own standard input, and is killed (SIGKILL) once the
service has a random number of its parts; it runs again and resumes, until the object is there. So does the
program that restores and downloads, once a random share of the file has arrived. Then the bytes are compared.
Besides: there is one object and no unfinished upload, and a file has its name only when it is whole.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from tests.endurance.served import serving_carelessly

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier import Bucket
    from tests.endurance.served import Served

MIB: Final = 1024 * 1024
PART_SIZE: Final = 8 * MIB
CLASSES: Final = ("GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
SOURCES: Final = ("file", "stdin")
_TIMEOUT_SECONDS: Final = 900.0

_PROGRAM: Final = """
import asyncio, sys, aioglacier

async def main(url, act, storage_class, path):
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    limits = aioglacier.Limits(concurrency=2)
    async with aioglacier.connect(endpoint_url=url, s3_endpoint_url=url, limits=limits, **keys) as glacier:
        bucket = glacier.bucket("museum", storage_class)
        if act == "download":
            restore = await bucket.retrieve("film", tier="Bulk", days=1)
            await restore.wait_until_done()
            await restore.download(path)
            return
        source = path if path != "-" else open(0, "rb", buffering=0, closefd=False)
        begun = [upload async for upload in bucket.uploads()]
        if begun:
            await bucket.resume(begun[0].id, source)
            return
        try:
            await bucket.upload(source, key="film", part_size=8 * 1024 * 1024)
        except aioglacier.ObjectExistsError:
            pass  # the completion's answer was not waited for

asyncio.run(main(*sys.argv[1:]))
"""


@dataclass
class Tally:
    """The measurements.

    Attributes:
        trips: Objects that went there and back.
        size: Bytes of them.
        kills: Programs that were killed: on the way up, and on the way down.
        faults: Failures, in words.
    """

    trips: int = 0
    size: int = 0
    kills: list[int] = field(default_factory=lambda: [0, 0])
    faults: list[str] = field(default_factory=list)


class Traveller:
    """Takes one file there and back in each way."""

    def __init__(self, folder: Path, server: Served, *, size: int, kills: int, seed: int) -> None:
        self.tally = Tally()
        self._folder = folder
        self._server = server
        self._size = size
        self._kills = kills
        self._random = random.Random(seed)  # noqa: S311  # repeatable
        self._source = folder / "source"
        digest = hashlib.sha256()
        with self._source.open("wb") as file:
            for _ in range(size // MIB):
                block = self._random.randbytes(MIB)
                digest.update(block)
                file.write(block)
        self._digest = digest.digest()

    async def travel(self, bucket: Bucket, storage_class: str, source: str) -> None:
        """Take it to a class and back."""
        name = f"{storage_class} {source}"
        path = str(self._source) if source == "file" else "-"
        parts = self._size // PART_SIZE
        for _ in range(self._kills):
            least = self._random.randint(1, max(1, parts - 2))
            if await self._kill("upload", storage_class, path, partial(_has_parts, bucket, least)):
                self.tally.kills[0] += 1
                left = [upload async for upload in bucket.uploads()]
                if len(left) > 1:
                    self.tally.faults.append(f"{name}: {len(left)} unfinished uploads")
        await self._run("upload", storage_class, path)
        left = [upload async for upload in bucket.uploads()]
        found = [entry.key async for entry in bucket.objects()]
        if left or found != ["film"]:
            self.tally.faults.append(f"{name}: {len(left)} unfinished uploads, objects {found}")
        target = self._folder / "copy"
        hidden = self._folder / ".copy.aioglacier"
        for _ in range(self._kills):
            least = self._random.randint(1, self._size * 3 // 4)

            async def has_arrived(least: int = least) -> bool:
                return hidden.exists() and hidden.stat().st_blocks * 512 >= least

            if await self._kill("download", storage_class, str(target), has_arrived):
                self.tally.kills[1] += 1
                if target.exists():
                    self.tally.faults.append(f"{name}: a file that was not whole had its name")
        await self._run("download", storage_class, str(target))
        with target.open("rb") as file:  # nothing else runs
            if hashlib.file_digest(file, "sha256").digest() != self._digest:
                self.tally.faults.append(f"{name}: other bytes came back")
        target.unlink()
        await bucket.delete("film")
        self.tally.trips += 1
        self.tally.size += self._size
        print(f"{name}: kills {self.tally.kills}, faults {len(self.tally.faults)}", flush=True)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with self._source.open("rb") as source:
            return subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self._server.url, *words],
                stdin=source,
                env={**os.environ, "PYTHONWARNINGS": "error"},
            )

    async def _run(self, *words: str) -> None:
        """Run the program to its end."""
        process = self._start(*words)
        code = await anyio.to_thread.run_sync(process.wait, _TIMEOUT_SECONDS)
        if code:
            self.tally.faults.append(f"{words} ended with {code}")

    async def _kill(
        self, act: str, storage_class: str, path: str, is_due: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Run the program and kill it when that is due; return whether it was not through before."""
        process = self._start(act, storage_class, path)
        end = time.monotonic() + _TIMEOUT_SECONDS
        while process.poll() is None and not await is_due():
            await anyio.sleep(0.005)
            if time.monotonic() > end:
                self.tally.faults.append(f"{act} to {storage_class} took too long")
                break
        process.send_signal(signal.SIGKILL)
        return await anyio.to_thread.run_sync(process.wait) == -signal.SIGKILL


async def _has_parts(bucket: Bucket, least: int) -> bool:
    async for upload in bucket.uploads():
        if len([part async for part in upload.parts()]) >= least:
            return True
    return False


async def travel_all(
    folder: Path,
    *,
    size: int,
    kills: int,
    seed: int = 1,
    classes: tuple[str, ...] = CLASSES,
    sources: tuple[str, ...] = SOURCES,
) -> Tally:
    """Serve, and take a file of ``size`` bytes there and back in each way."""
    with serving_carelessly(folder / "depot") as server:
        async with server.connect(memory_limit=64 * MIB) as glacier:
            traveller = Traveller(folder, server, size=size, kills=kills, seed=seed)
            bucket = await glacier.create_bucket("museum")
            for storage_class in classes:
                for source in sources:
                    await traveller.travel(bucket, storage_class, source)
    return traveller.tally


def main() -> None:
    """Run the long run."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.object_trips", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB, 1024")
    parser.add_argument("--kills", type=int, default=1, help="in each direction of each trip, 1")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = anyio.run(
            lambda: travel_all(Path(folder), size=options.size * MIB, kills=options.kills, seed=options.seed)
        )
    print(tally)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
