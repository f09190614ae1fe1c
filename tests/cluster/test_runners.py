"""The contract of runners, over all of them; and uploads through each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest

from aioglacier.core.errors import (
    GlacierError,
    NotSharedError,
    ResumeMismatchError,
    UploadExpiredError,
    UploadFailedError,
)
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.files.reading import FileIdentity
from aioglacier.files.shared import SharedFile
from aioglacier.server.requests.faults import Fault, FaultKind
from aioglacier.transfer.store import Destination
from aioglacier.transfer.upload.part_run import PartRun, UploadLook
from tests.cluster.conftest import WHOLE, ScriptedRunner, spread
from tests.transfer.conftest import DATA, MIB, Served

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.transfer.resources import Runner
    from aioglacier.transfer.upload.part_run import RunDone

NO_UPLOAD = UploadId("n" * 92)


def look(file: Path) -> SharedFile:
    """Look at a file as the coordinator does."""
    return SharedFile.of(str(file), FileIdentity.of(file.stat()))


async def begin(house: Served, file: Path, first: int = 2, parts: int = 3) -> PartRun:
    """Begin an upload, and return a run of its parts."""
    upload_id = await house.gateway.initiate_multipart_upload("v", part_size=MIB, description=None)
    return PartRun(look(file), Destination("v"), upload_id, MIB, first, parts)


async def do(runner: Runner, task: PartRun) -> RunDone:
    """Have a task done, and return its answer."""
    answers: list[RunDone] = []

    async def take(done: RunDone) -> None:
        await anyio.lowlevel.checkpoint()
        answers.append(done)

    await runner.run(task, take)
    (done,) = answers
    return done


@pytest.mark.parametrize(("first", "parts"), [(2, 3), (9, 2), (0, 1)])
async def test_a_run_is_sent_and_answered(
    first: int, parts: int, runner: Runner, house: Served, file: Path
) -> None:
    """The answer has the hashes of every part, and the service lists the same ones."""
    task = await begin(house, file, first, parts)
    await runner.open()
    done = await do(runner, task)
    pieces = [WHOLE[at * MIB : (at + 1) * MIB] for at in range(first, first + parts)]
    assert [part.part for part in done.parts] == list(range(first, first + parts))
    assert [part.hashes for part in done.parts] == [hash_part(memoryview(piece)) for piece in pieces]
    assert done.requests == parts
    assert task.upload_id is not None
    _, page = await house.gateway.list_parts("v", task.upload_id)
    assert [part.tree_hash for part in page.items] == [tree_hash(piece) for piece in pieces]


async def test_a_run_without_an_upload_is_hashed(runner: Runner, house: Served, file: Path) -> None:
    """Parts that the service has are hashed, and nothing is sent."""
    task = (await begin(house, file))._replace(upload_id=None)
    counts = house.watch("*")
    await runner.open()
    done = await do(runner, task)
    assert [part.hashes.tree_hash for part in done.parts] == [
        tree_hash(DATA[at * MIB : (at + 1) * MIB]) for at in range(2, 5)
    ]
    assert counts() == {"*": 0}


async def test_an_error_of_a_task_arrives_as_it_was(runner: Runner, house: Served, file: Path) -> None:
    """A task fails with the error and the facts that it would have here."""
    task = (await begin(house, file))._replace(upload_id=NO_UPLOAD)
    await runner.open()
    with pytest.raises(UploadExpiredError) as caught:
        await do(runner, task)
    assert caught.value.upload_id in {None, NO_UPLOAD}
    assert "no longer at the service" in str(caught.value)


@pytest.mark.slow
async def test_another_file_is_refused(runner: Runner, house: Served, file: Path) -> None:
    """A task whose file is another one sends nothing, and the look before it says the same."""
    task = await begin(house, file)
    other = task._replace(file=task.file._replace(inode=1))
    counts = house.watch("UploadMultipartPart")
    await runner.open()
    await runner.check_shared(task.file)
    for refused in (runner.check_shared(other.file), do(runner, other)):
        with pytest.raises(NotSharedError) as caught:
            await refused
        assert caught.value.field == "inode"
        assert caught.value.worker
    assert counts() == {"UploadMultipartPart": 0}


async def test_an_upload_that_is_not_there_is_refused(runner: Runner, house: Served, file: Path) -> None:
    """A process that does not see the upload says so before it is given work."""
    task = await begin(house, file)
    assert task.upload_id is not None
    await runner.open()
    await runner.check(UploadLook(Destination("v"), task.upload_id))
    with pytest.raises(GlacierError):
        await runner.check(UploadLook(Destination("v"), NO_UPLOAD))


async def test_a_cancelled_task_has_ended(dask: Runner, house: Served, file: Path) -> None:
    """When the cancellation is over, no part is sent any more."""
    task = await begin(house, file)
    await dask.open()
    house.fail(Fault("UploadMultipartPart", kind=FaultKind.DELAY, seconds=30.0))
    counts = house.watch("UploadMultipartPart")
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(do, dask, task)
            with anyio.fail_after(20):
                while not counts()["UploadMultipartPart"]:  # noqa: ASYNC110  # the server is asked
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        met = counts()
    finally:
        house.server.faults.clear()
    assert task.upload_id is not None
    await house.gateway.abort_multipart_upload("v", task.upload_id)
    assert met["UploadMultipartPart"] <= 3


@pytest.mark.slow
async def test_a_file_goes_through(runner: Runner, house: Served, file: Path) -> None:
    """An upload through a runner makes the same archive with each part once, and leaves no upload."""
    counts = house.watch("InitiateMultipartUpload", "CompleteMultipartUpload")
    archive = await spread(house, runner).vault.upload(file, part_size=MIB)
    assert archive.tree_hash == tree_hash(WHOLE)
    assert archive.size == len(WHOLE)
    assert counts() == {"InitiateMultipartUpload": 1, "CompleteMultipartUpload": 1}
    assert archive.id


@pytest.mark.slow
async def test_an_upload_goes_on(runner: Runner, house: Served, file: Path) -> None:
    """Parts that the service has are hashed there and not sent again."""
    task = await begin(house, file)
    await runner.open()
    await do(runner, task)
    assert task.upload_id is not None
    client, counts = spread(house, runner), house.watch("UploadMultipartPart")
    archive = await client.vault.resume(task.upload_id, file)
    assert archive.tree_hash == tree_hash(WHOLE)
    if not isinstance(runner, ScriptedRunner):
        assert counts() == {"UploadMultipartPart": 8}


@pytest.mark.slow
async def test_an_upload_of_another_file_does_not_go_on(runner: Runner, house: Served, file: Path) -> None:
    """A part at the service that is not the file's is found before anything is sent."""
    task = await begin(house, file)
    await runner.open()
    await do(runner, task)
    with file.open("r+b") as stream:
        os.pwrite(stream.fileno(), b"?", 3 * MIB)
    counts = house.watch("UploadMultipartPart")
    assert task.upload_id is not None
    with pytest.raises(ResumeMismatchError) as caught:
        await spread(house, runner).vault.resume(task.upload_id, file)
    assert str(caught.value.byte_range) == f"{3 * MIB}-{4 * MIB - 1}"
    assert counts() == {"UploadMultipartPart": 0}


@pytest.mark.slow
async def test_lost_processes_leave_an_upload_that_goes_on(house: Served, file: Path) -> None:
    """If all processes are lost, the error names the upload, and the parts that are there stay."""
    runner = ScriptedRunner(house)
    runner.dies_after = 3
    with pytest.raises(UploadFailedError) as caught:
        await spread(house, runner).vault.upload(file, part_size=MIB, keep_unfinished=True)
    assert caught.value.upload_id is not None
    archive = await house.vault.resume(caught.value.upload_id, file)
    assert archive.tree_hash == tree_hash(WHOLE)
