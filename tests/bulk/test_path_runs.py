"""Files of a comparison are hashed together, in calls of bounded size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.bulk.path_runs import HashCall, PathRun, hash_all
from aioglacier.core.errors import SourceUnreadableError
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders are for POSIX systems")


async def perform(root: Path, calls: list[HashCall]) -> None:
    """Perform calls by one task."""
    give, take = anyio.create_memory_object_stream[HashCall](len(calls))
    for call in calls:
        give.send_nowait(call)
    give.close()
    await hash_all(str(root), take)


async def test_each_file_has_its_hash_once_all_calls_are_answered(tmp_path: Path) -> None:
    """A file that cannot be read has none."""
    run = PathRun(is_read_here=True)
    for number in range(600):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
        run.add_file(b"%d" % number, len(str(number)))
    run.add_file(b"none", 1)
    calls = run.calls()
    assert len(calls) > 1
    await perform(tmp_path, calls[1:])
    with anyio.move_on_after(0) as waiting:
        await run.wait_until_hashed()
    assert waiting.cancelled_caught
    await perform(tmp_path, calls[:1])
    await run.wait_until_hashed()
    assert [run.hash_of(b"%d" % number) for number in range(600)] == [
        tree_hash(b"%d" % number) for number in range(600)
    ]
    assert run.hash_of(b"none") is run.hash_of(b"never added") is None


async def test_a_run_without_files_waits_for_nothing() -> None:
    """Folders and links need no hash."""
    run = PathRun(is_read_here=True)
    assert run.calls() == []
    await run.wait_until_hashed()


def test_a_call_reads_few_bytes_unless_one_file_has_more() -> None:
    """Two threads share the work, and a comparison that is cancelled ends soon."""
    run = PathRun(is_read_here=True)
    for number, size in enumerate([MIB] * 40 + [5000 * MIB] + [1] * 3):
        run.add_file(b"%d" % number, size)
    sizes = [sum(size for _, size in call.files) for call in run.calls()]
    assert sizes == [16 * MIB, 16 * MIB, 8 * MIB, 5000 * MIB, 3]


async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """It is named, and the tasks end."""
    with pytest.raises(SourceUnreadableError, match="none"):
        await perform(tmp_path / "none", [])
