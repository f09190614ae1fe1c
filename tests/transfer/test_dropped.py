"""Things dropped while they are open: a warning, nothing completed, no hang, no process left (PR-16)."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

import aioglacier

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, gc, sys, time
import aioglacier

async def main(what, where, hash_in, pause):
    limits = aioglacier.Limits(hash_workers=1)
    opening = aioglacier.connect(endpoint_url="local:" + where, hash_in=hash_in, limits=limits)
    glacier = await opening.__aenter__()
    vault = await glacier.create_vault("v")
    if what == "writer":
        opened = vault.open_writer(part_size=2 << 20)
        writer = await opened.__aenter__()
        await writer.write(b"x" * (6 << 20))
        del writer
    elif what == "reader":
        archive = await vault.upload(b"y" * (2 << 20))
        opened = (await vault.retrieve(archive.id)).open_reader()
        reader = await opened.__aenter__()
        await reader.read(5)
        del reader
    elif what == "connection":
        opened = None
    if what != "connection":
        del opened
        gc.collect()
        await asyncio.sleep(float(pause))
    del opening, glacier, vault

asyncio.run(main(*sys.argv[1:]))
print("ended", flush=True)
"""


async def count_archives(directory: Path) -> int:
    """Archives of the vault."""
    async with aioglacier.connect(endpoint_url=f"local:{directory}") as glacier:
        return (await glacier.vault("v").describe()).archive_count or 0


@pytest.mark.parametrize(("hash_in", "pause"), [("threads", "0"), ("processes", "0.3")])
@pytest.mark.parametrize("what", ["writer", "reader", "connection"])
def test_what_is_dropped_while_open_warns_and_ends(
    what: str, hash_in: str, pause: str, tmp_path: Path
) -> None:
    """The program goes on and ends soon; what was not completed is no archive."""
    command = [sys.executable, "-W", "always", "-c", PROGRAM, what, str(tmp_path / "glacier"), hash_in, pause]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as program:
        assert program.stdout is not None
        out = program.stdout.readline()
        _, err = program.communicate(timeout=30)
    assert out == "ended\n"
    assert program.returncode == 0
    expected = {
        "writer": r"an unfinished archive.* was dropped while it was open",
        "reader": r"<ArchiveReader .*> was dropped while it was open",
        "connection": r"<Glacier .*> was dropped while it was open",
    }
    assert re.search(r"ResourceWarning: " + expected[what], err)
    assert anyio.run(count_archives, tmp_path / "glacier") == (1 if what == "reader" else 0)
