"""Four coordinators at once on one vault, over one catalog in PostgreSQL."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import anyio.from_thread
import pytest

from aioglacier.core.treehash import tree_hash
from aioglacier.server import LocalGlacier
from aioglacier.testing.served import serving
from tests.catalog import servers
from tests.endurance.shards import Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]

MIB = 1024 * 1024


def test_four_coordinators_store_each_file_once(tmp_path: Path) -> None:
    """All get the same files and two are killed; each file becomes one archive, and no upload is open."""
    chance = random.Random(17)  # noqa: S311  # the same each time
    files = [tmp_path / f"{number}.bin" for number in range(40)]
    for file in files:
        file.write_bytes(chance.randbytes(chance.choice([1000, MIB, 5 * MIB])))
    bin_ = servers.programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed here")
    local = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    with servers.running(bin_) as server, serving(local) as glacier:
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(servers.ask, f"{server.url}/postgres", "CREATE DATABASE coordinators")
        site = Site(glacier.url, f"{server.url}/coordinators", tmp_path)
        site.run("vault", "create", "photos")
        shuffled = [chance.sample(files, len(files)) for _ in range(4)]
        commands = [["upload", "--part-size=1MiB", "photos", *map(str, each)] for each in shuffled]
        running = [(command, site.start(*command)) for command in commands]
        time.sleep(chance.uniform(2, 4))  # a random moment
        for _, process in running[:2]:
            process.kill()
        for _ in range(20):
            ended = [(command, process.communicate(timeout=300), process) for command, process in running]
            # Another coordinator holds the lock of a file: the command says so, and runs again.
            running = [(command, site.start(*command)) for command, _, one in ended if one.returncode]
            assert all(one.returncode in {0, -9, 3, 5} for _, _, one in ended), ended
            if not running:
                break
        assert not running
        listed = [each for each in site.run("list", "photos") if each["event"] == "archive"]
        assert sorted(each["tree_hash"] for each in listed) == sorted(
            tree_hash(file.read_bytes()).hex() for file in files
        )
        assert not glacier.status()["uploads"]
        assert not site.run("uploads", "list", "photos")
