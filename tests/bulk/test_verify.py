"""Folder, catalog and vault held against each other."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk import FolderVerify, Trouble, VerifyOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import ConfigurationError, CostLimitError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import MIB, Place
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


async def verify(place: Place, tree: Path, *, max_cost: float | None = None, **options: Any) -> FolderVerify:
    """A comparison that was run."""
    async with place.vault() as vault:
        found = FolderVerify(
            vault, tree, Budget(load_prices("us-east-1"), max_cost), VerifyOptions(**options)
        )
        await found.run()
        return found


@pytest.mark.parametrize("reads_files", [True, False])
async def test_a_folder_that_was_just_archived_has_no_findings(
    place: Place, tree: Path, reads_files: bool
) -> None:
    """Everything is where it should be."""
    await place.sync(tree)
    found = await verify(place, tree, reads_files=reads_files)
    assert found.findings == []
    assert found.snapshot().unarchived == 0
    assert found.snapshot().archives == 1


async def test_what_was_changed_lost_or_added_is_told(place: Place, tree: Path) -> None:
    """Each by its name and kind."""
    await place.sync(tree)
    (tree / "private").write_bytes(b"other secret")
    (tree / "old").unlink()
    (tree / "new").touch()
    found = await verify(place, tree)
    assert set(found.findings) == {
        (Trouble.CHANGED, "private"),
        (Trouble.MISSING, "old"),
        (Trouble.UNARCHIVED, "new"),
    }
    assert found.snapshot().unarchived == 1


async def test_a_file_that_has_rotted_is_told_from_one_that_was_changed(place: Place, tree: Path) -> None:
    """Its size and time are those on record, and its content is not."""
    await place.sync(tree)
    file = tree / "private"
    times = file.stat().st_mtime_ns
    file.write_bytes(b"secreT")
    os.utime(file, ns=(times, times))
    found = await verify(place, tree)
    assert found.findings == [(Trouble.ROTTEN, "private")]
    assert (await verify(place, tree, reads_files=False)).findings == []


async def test_a_sample_of_the_vault_comes_back_as_it_was_sent(place: Place, tmp_path: Path) -> None:
    """Every MiB of the sample is retrieved by itself, and paid once."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(os.urandom(3 * MIB))
    (tree / "big").write_bytes(os.urandom(17 * MIB + 5))
    await place.sync(tree)
    found = await verify(place, tree, sample=50)
    assert found.findings == []
    assert found.snapshot().sampled == 4 + 18
    assert found.snapshot().cost > 0
    again = await verify(place, tree, sample=50)
    assert found.snapshot().cost > again.snapshot().cost > 0  # only the bytes come again


async def test_a_sample_that_was_stopped_goes_on_with_its_jobs(place: Place, tmp_path: Path) -> None:
    """Another sample would have to be paid for; once it is through, the next one is another."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(15 * MIB))
    await place.sync(tree)
    words = ("verify", tree, "folders", "--sample=3")
    assert run(place, *words, crash_at="job id recorded:3") == -signal.SIGKILL
    assert run(place, *words) == 0
    assert len(await ranges(place)) == 3
    assert run(place, *words) == 0
    assert len(await ranges(place)) > 3


async def ranges(place: Place) -> set[object]:
    """Return the ranges of archives that were asked for."""
    async with place.vault() as vault:
        return {job.byte_range async for job in vault.jobs() if job.archive_id is not None}


async def test_an_archive_that_is_gone_is_found_by_the_sample(place: Place, tree: Path) -> None:
    """The missing archive is named, whichever program deleted it."""
    await place.sync(tree)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        assert vault.records is not None
        await vault.delete_archive(archive.id)
        await vault.records.catalog.archives.record_state(vault.records.key, archive.id, ArchiveState.STORED)
    found = await verify(place, tree, sample=1)
    gone, *lost = found.findings
    assert gone.trouble is Trouble.UNAVAILABLE
    assert archive.id in gone.what
    assert {finding.trouble for finding in lost} == {Trouble.LOST}
    assert "private" in {finding.what for finding in lost}


async def test_a_path_that_sync_cannot_archive_is_a_finding(place: Place, tmp_path: Path) -> None:
    """No findings means that every path of the folder has a proven archive; a FIFO has none."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"content")
    await place.sync(tree)
    os.mkfifo(tree / "pipe")
    (finding,) = [each for each in (await verify(place, tree)).findings if each.what != "."]
    assert (finding.trouble, finding.what) == (Trouble.UNARCHIVED, "pipe (FIFO)")


async def test_a_sample_that_is_too_dear_is_refused(place: Place, tree: Path) -> None:
    """Before anything is read."""
    await place.sync(tree)
    with pytest.raises(CostLimitError):
        await verify(place, tree, sample=1000, max_cost=0.001)


async def test_a_folder_that_was_never_archived_is_an_error(place: Place, tmp_path: Path) -> None:
    """It says what takes it there."""
    with pytest.raises(ConfigurationError, match="sync"):
        await verify(place, tmp_path)


async def test_a_path_that_became_something_else_has_changed(place: Place, tree: Path) -> None:
    """A hard link that is another file now, a folder that is a link, a file that is a folder."""
    await place.sync(tree)
    (tree / "z-linked").unlink()
    (tree / "z-linked").write_bytes((tree / "d0" / "e0" / "f0").read_bytes() + b", and not a link")
    (tree / "empty").rmdir()
    (tree / "empty").symlink_to("d0")
    (tree / "old").unlink()
    (tree / "old").mkdir()
    changed = {finding.what for finding in (await verify(place, tree)).findings}
    assert {"z-linked", "empty/", "old"} <= changed
