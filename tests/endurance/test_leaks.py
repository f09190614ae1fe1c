"""Hundreds of archives in one process, of which some fail and some are cancelled, leave nothing behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.endurance.holdings import MIB, Holdings
from tests.endurance.served import serving_carelessly
from tests.endurance.traffic import Traffic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]

#: ``soak`` is the long run.
ARCHIVES = 200

#: Memory is compared from here on: the first archives fill buffers, caches and pools.
WARM_UP = 40

#: 20 KiB for each archive would be 3.2 MiB; the allocator alone moves by 2 MiB.
MOST_GROWTH = 4 * MIB

#: A tenth of the sources fails by itself; the service refuses another tenth, see ``REFUSALS``.
WEIGHTS = {
    "upload_bytes": 40,
    "upload_file": 15,
    "write_stream": 25,
    "fail_a_source": 10,
    "cancel_an_upload": 10,
}

#: Of the three parts of an archive each is refused for good with this probability.
REFUSALS = [
    {
        "operation": "UploadMultipartPart",
        "code": "InvalidParameterValueException",
        "status": 400,
        "count": None,
        "probability": 0.035,
        "seed": 5,
    }
]


async def test_hundreds_of_archives_leave_nothing_behind(tmp_path: Path) -> None:
    """Descriptors, threads, children, segments and files are as before, and memory is within 4 MiB."""
    with serving_carelessly(tmp_path / "depot") as server:
        async with server.connect(memory_limit=16 * MIB) as glacier:
            vault = await glacier.create_vault("leaks")
            traffic = Traffic(vault, tmp_path, 1, sizes=(2 * MIB + 1, 2 * MIB + 1))  # three parts
            for _ in range(5):  # every kind of work has been done, and what it loads is loaded
                for name in WEIGHTS:
                    await traffic.step({name: 1})
            server.control("POST", "faults", REFUSALS)
            for _ in range(WARM_UP):
                await traffic.step(WEIGHTS)
            before = Holdings.now()
            for _ in range(ARCHIVES - WARM_UP):
                await traffic.step(WEIGHTS)
            after = Holdings.now()
            server.control("DELETE", "faults")
            await traffic.settle()

    tally = traffic.tally
    failed = sum(tally.failed.values())
    assert failed >= 0.15 * ARCHIVES, tally
    assert tally.cancelled >= 0.05 * ARCHIVES, tally
    growth = after.memory - before.memory
    print(f"{tally}\nbefore: {before}\nafter:  {after}")  # noqa: T201  # shown if it fails
    assert growth <= MOST_GROWTH
    # Connections, and threads that wait for work, come and go: what counts is that they do not pile up.
    assert after.descriptors <= before.descriptors + 4
    assert after.threads <= before.threads + 4
    left = replace(after, memory=0, descriptors=0, threads=0)
    assert left == replace(before, memory=0, descriptors=0, threads=0)
