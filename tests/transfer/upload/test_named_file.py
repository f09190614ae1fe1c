"""Named files: names, what is none, and what changes while it is read."""

from __future__ import annotations

import errno
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread, wait_all_tasks_blocked

from aioglacier.core.errors import EmptyArchiveError, SourceChangedError, SourceError, SourceUnreadableError
from aioglacier.transfer.hashing.workers import Hasher
from aioglacier.transfer.upload.named_file import NamedFile, look_at_file
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import (
    DATA,
    MIB,
    MemoryStore,
    count_descriptors,
    options,
    saved,
    thread_resources,
    upload,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.core.treehash import PartHashes
    from aioglacier.transfer.budget.buffers import PartBuffer
    from aioglacier.transfer.hashing.part_job import PartJob
    from aioglacier.transfer.resources import TransferResources

SIZE = 2 * MIB + 77
BYTES = DATA[:SIZE]


@pytest.mark.parametrize("name", [b"-\n\t%s", b"\xff\xfe", "\N{SNOWMAN}".encode(), b"n" * 255])
async def test_any_name_a_file_can_have_works(
    name: bytes, tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Names are bytes: not every one of them is UTF-8, and none has a meaning of its own."""
    await upload(saved(tmp_path / os.fsdecode(name), BYTES), store, resources)
    assert store.archives == [BYTES]


async def test_one_worker_reads_a_file_of_many_parts(tmp_path: Path, store: MemoryStore) -> None:
    """On a machine of one core the first part does not keep the only reader waiting for the second."""
    async with thread_resources(hash_workers=1, concurrency=1) as resources:
        await upload(saved(tmp_path / "source", BYTES), store, resources)
    assert store.archives == [BYTES]


async def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """Folders, FIFOs and devices are named for what they are; opening them is not even tried."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, kind in ((fifo, "a FIFO"), (tmp_path, "a folder"), (Path(os.devnull), "a character device")):
        with pytest.raises(SourceUnreadableError, match=kind) as caught:
            await look_at_file(path)
        assert caught.value.path == str(path)


async def test_looking_at_a_fifo_leaves_its_writer_alone(tmp_path: Path) -> None:
    """A program that waits for a reader of a FIFO is not woken, nor ended, by our looking at it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(b"for someone else",))
    thread.start()
    with pytest.raises(SourceUnreadableError):
        await look_at_file(fifo)
    assert await to_thread.run_sync(fifo.read_bytes) == b"for someone else"
    thread.join()


async def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    """A missing file with its error number, an impossible name without, an empty file as such."""
    with pytest.raises(SourceUnreadableError) as missing:
        await look_at_file(tmp_path / "none")
    assert (missing.value.path, missing.value.errno) == (str(tmp_path / "none"), errno.ENOENT)
    with pytest.raises(SourceUnreadableError, match="null"):
        await look_at_file("a\0b")
    with pytest.raises(EmptyArchiveError, match="empty"):
        await look_at_file(saved(tmp_path / "empty", b""))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """Permission is looked at before anything is sent."""
    path = saved(tmp_path / "secret", BYTES)
    path.chmod(0)
    with pytest.raises(SourceUnreadableError) as caught:
        await look_at_file(path)
    assert caught.value.errno == errno.EACCES


def append(path: Path) -> None:
    """More at the end."""
    with path.open("ab") as file:
        file.write(b"more")


def truncate(path: Path) -> None:
    """Less at the end."""
    os.truncate(path, path.stat().st_size - 1)


def edit(path: Path) -> None:
    """Another byte, the same length."""
    with path.open("r+b") as file:
        file.write(b"X")


def edit_quietly(path: Path) -> None:
    """The same, and the time of change put back."""
    before = path.stat()
    edit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_file(path: Path) -> None:
    """Another file of the same length under the name."""
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.replace(path)


def remove(path: Path) -> None:
    """No file of that name any more."""
    path.unlink()


CHANGES: dict[Callable[[Path], None], str] = {
    append: "size",
    truncate: "size",
    edit: "mtime",
    edit_quietly: "ctime",
    replace_file: "inode",
    remove: "inode",
}

#: What shows of a change to who looks in the middle of it, as the system notes the time first; and to who has
#: the file open still, that it has lost its name.
HALFWAY: dict[Callable[[Path], None], str] = {
    **dict.fromkeys((append, truncate, edit_quietly), "mtime"),
    **dict.fromkeys((replace_file, remove), "ctime"),
}


class Meddler(Hasher):
    """A hasher after whose first job something happens."""

    def __init__(self, hasher: Hasher, meddle: Callable[[], None]) -> None:
        vars(self).update(vars(hasher))
        self._meddle: Callable[[], None] | None = meddle

    async def run(self, job: PartJob, buffer: PartBuffer | None = None) -> PartHashes:
        """As the hasher within, then the thing."""
        hashes = await super().run(job, buffer)
        meddle, self._meddle = self._meddle, None
        if meddle is not None:
            meddle()
        return hashes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "part_size"), [(100, MIB), (SIZE, MIB), (SIZE, 4 * MIB), (5 * MIB, 2 * MIB)]
)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_file_that_changes_while_it_is_read_is_no_archive(
    change: Callable[[Path], None],
    size: int,
    part_size: int,
    tmp_path: Path,
    store: MemoryStore,
    resources: TransferResources,
) -> None:
    """The error names the file and what shows the change, and nothing is left at the service.

    In one request and in parts, read once into memory and read twice.
    """
    path = saved(tmp_path / "source", DATA[:size])
    meddling = replace(resources, hasher=Meddler(resources.hasher, lambda: change(path)))
    with pytest.raises(SourceError) as caught:
        await upload(path, store, meddling, part_size=part_size)
    error = caught.value
    assert isinstance(error, (SourceChangedError, SourceUnreadableError))
    assert error.path == str(path)
    if isinstance(error, SourceChangedError):
        assert error.field in {CHANGES[change], HALFWAY.get(change)}
    else:
        assert (change, error.errno) == (remove, errno.ENOENT)
    assert (store.archives, store.uploads) == ([], {})


async def test_a_change_right_after_the_first_look_is_seen(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """Also within the same tick of the filesystem's clock: the look waits until the last change is old."""
    for _ in range(5):
        path = saved(tmp_path / "source", bytes(100))
        opened = await look_at_file(path)
        path.write_bytes(b"X" * 100)
        with pytest.raises(SourceChangedError):
            await SourceUpload(store, resources, options(), opened).run()
    assert not store.archives


async def test_a_named_file_keeps_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is made absolute, and a link is followed but keeps its name."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "source", BYTES)
    (tmp_path / "link").symlink_to("source")
    opened = await as_source("link")
    assert isinstance(opened, NamedFile)
    assert (opened.path, opened.size) == (str(tmp_path / "link"), SIZE)
    assert stat.S_ISLNK((tmp_path / "link").lstat().st_mode)


async def test_no_descriptor_is_left_of_any_source(
    tmp_path: Path, store: MemoryStore, resources: TransferResources
) -> None:
    """A file that the caller opened stays open."""
    path = saved(tmp_path / "source", BYTES)
    await upload(path, store, resources)
    before = count_descriptors()
    for _ in range(3):
        await upload(path, store, resources)
    await wait_all_tasks_blocked()
    assert count_descriptors() <= before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a /proc")
async def test_a_file_of_proc_is_refused_by_kind() -> None:
    """It says that it has no bytes, and has some: neither empty nor to be trusted in parts."""
    with pytest.raises(SourceUnreadableError, match="no size"):
        await look_at_file("/proc/self/status")
