"""Runs of parts, done by the resources of one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import SourceChangedError, TransportError, UploadFailedError
from aioglacier.files.reading import FileIdentity
from aioglacier.files.shared import SharedFile
from aioglacier.transfer.store import Destination
from aioglacier.transfer.upload.part_run import PartRun, perform_run
from tests.transfer.conftest import DATA, MIB, MemoryStore, saved

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.resources import TransferResources


async def begin(store: MemoryStore, path: Path, part_size: int = MIB) -> PartRun:
    """Begin an upload, and return a run of its third and fourth part."""
    upload_id = await store.initiate(part_size)
    return PartRun(look(path), Destination("v"), upload_id, part_size, 2, 2)


def look(path: Path) -> SharedFile:
    """Look at a file."""
    return SharedFile.of(str(path), FileIdentity.of(path.stat()))


@pytest.mark.parametrize("part_size", [MIB, 2 * MIB])
async def test_a_run_sends_its_parts_and_no_others(
    part_size: int, store: MemoryStore, resources: TransferResources, tmp_path: Path
) -> None:
    """The parts of a run are sent, through buffers or from the file; the upload stays open."""
    run = await begin(store, saved(tmp_path / "a", DATA[: 4 * part_size - 1]), part_size)
    done = await perform_run(run, store, resources)
    (parts,) = store.uploads.values()
    whole = DATA[: 4 * part_size - 1]
    assert parts == {at: whole[at : at + part_size] for at in (2 * part_size, 3 * part_size)}
    assert [(part.part, part.size) for part in done.parts] == [(2, part_size), (3, part_size - 1)]
    assert (store.calls["complete"], store.calls["abort"]) == (0, 0)


async def test_a_run_that_fails_leaves_the_upload(
    store: MemoryStore, resources: TransferResources, tmp_path: Path
) -> None:
    """A part that cannot be sent is the error of the run; only the coordinator aborts."""
    run = await begin(store, saved(tmp_path / "a", DATA[: 4 * MIB]))

    async def fail(place: int | str) -> None:
        if place == 3 * MIB:
            raise TransportError("lost", operation="", may_have_taken_effect=True)

    store.before = fail
    with pytest.raises(UploadFailedError):
        await perform_run(run, store, resources)
    assert store.calls["abort"] == 0
    assert list(store.uploads) == [run.upload_id]


async def test_a_file_that_is_replaced_is_not_sent(
    store: MemoryStore, resources: TransferResources, tmp_path: Path
) -> None:
    """A run ends at the first part that is read after the change."""
    path = saved(tmp_path / "a", DATA[: 8 * MIB])
    run = await begin(store, path, 2 * MIB)

    async def change(place: int | str) -> None:
        if place == 4 * MIB:
            saved(path, DATA[MIB : 9 * MIB])

    store.before = change
    with pytest.raises(SourceChangedError):
        await perform_run(run, store, resources)
