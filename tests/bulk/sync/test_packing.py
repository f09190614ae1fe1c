"""Files that become members, and files that will not keep still."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.sync import packing
from aioglacier.bulk.sync.compare import Change, Known
from aioglacier.bulk.sync.packing import LARGEST_MEMBER, Packed, Packer
from aioglacier.bulk.sync.scan import Scan
from aioglacier.catalog.folders.entry_records import Standing
from aioglacier.core.errors import SourceChangedError, SourceUnreadableError, UnsafePathError
from aioglacier.core.treehash import tree_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def packer(tmp_path: Path) -> Iterator[Packer]:
    """A packer of the test's folder."""
    made = Packer(os.fsencode(tmp_path), tree=1, run=1)
    yield made
    made.close()


def _bytes_of(packed: Packed) -> bytes:
    return b"".join(packed.blocks)


def changes(root: Path) -> list[Change]:
    """Everything below a folder, as new."""
    return [Change(found, None) for found in Scan(os.fsencode(root))][1:]


def test_members_lie_where_their_records_say(tmp_path: Path, packer: Packer) -> None:
    """Each can be cut out and is a tar archive by itself."""
    for name, size in (("a", 0), ("b", 1), ("c", 512), ("d", 70_000)):
        (tmp_path / name).write_bytes(os.urandom(size))
    packed = packer.pack(changes(tmp_path))
    assert [entry.path for entry in packed.entries] == [b"a", b"b", b"c", b"d"]
    for entry in packed.entries:
        start = entry.position or 0
        member = _bytes_of(packed)[start : start + (entry.stored or 0)]
        with tarfile.open(fileobj=io.BytesIO(member + bytes(1024))) as opened:
            (info,) = opened.getmembers()
            content = opened.extractfile(info)
            assert content is not None
            assert tree_hash(content.read()) == entry.content_hash
            assert info.name.encode() == entry.path


def test_a_file_that_was_only_touched_is_not_packed(tmp_path: Path, packer: Packer) -> None:
    """Its content is the one on record."""
    (tmp_path / "a").write_bytes(b"same")
    (change,) = changes(tmp_path)
    assert change.found is not None
    known = Known(*change.found[:10], 7, 3, tree_hash(b"same"), Standing.PROVEN)._replace(mtime_ns=1)
    packed = packer.pack([Change(change.found, known)])
    assert _bytes_of(packed) == b""
    assert [touched.known.number for touched in packed.touched] == [7]


def test_a_file_that_grows_while_it_is_read_is_whole_or_listed(tmp_path: Path, packer: Packer) -> None:
    """Never is a half of it packed: what is in the bundle is what it was at one moment."""
    original = os.urandom(6 << 20)
    (tmp_path / "restless").write_bytes(original)
    wanted = changes(tmp_path)
    grow = (
        "import os, sys, time\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
        "os.write(1, b'x')\n"
        "while True: os.write(file, b'x'); time.sleep(0.0002)\n"  # or it outgrows what a bundle takes
    )
    seen: set[str] = set()
    command = [sys.executable, "-c", grow, str(tmp_path / "restless")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.read(1)  # it is at it
        try:
            for _ in range(100):
                packed = packer.pack(wanted)
                for entry in packed.entries:
                    assert entry.content_hash == tree_hash(original.ljust(entry.size, b"x"))
                for failed in packed.failed:
                    assert isinstance(failed.error, SourceChangedError)
                    seen.add(failed.error.field)
                if seen:
                    break
        finally:
            writer.kill()
    assert seen <= {"size", "mtime", "ctime"}
    assert seen


def test_a_change_that_only_ctime_shows_is_seen(
    tmp_path: Path, packer: Packer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that writes and sets the old time back leaves size and mtime as they were."""
    path = tmp_path / "sly"
    path.write_bytes(b"before")
    before = path.stat()
    wanted = changes(tmp_path)
    monkeypatch.setattr(
        packing, "read_members", lambda _, files, *__: [None] * len(files)
    )  # it would come too early
    pread = os.pread

    def change_meanwhile(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        path.write_bytes(b"after!")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the file system's clock ticks
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return data

    monkeypatch.setattr(os, "pread", change_meanwhile)
    packed = packer.pack(wanted)
    assert packed.entries == []
    (failed,) = packed.failed
    assert isinstance(failed.error, SourceChangedError)
    assert failed.error.field == "ctime"


def test_a_file_that_has_vanished_is_listed(tmp_path: Path, packer: Packer) -> None:
    """The failure has the system's error number."""
    (tmp_path / "a").touch()
    wanted = changes(tmp_path)
    (tmp_path / "a").unlink()
    (failed,) = packer.pack(wanted).failed
    assert isinstance(failed.error, SourceUnreadableError)
    assert failed.error.errno == 2


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path, packer: Packer) -> None:
    """The file behind a link is not read."""
    (tmp_path / "a").write_bytes(b"a")
    wanted = changes(tmp_path)
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/passwd")
    packed = packer.pack(wanted)
    assert _bytes_of(packed) == b""
    assert isinstance(packed.failed[0].error, SourceUnreadableError)


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path, packer: Packer) -> None:
    """The files behind the link are not read."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "passwd").write_bytes(b"a")
    wanted = [change for change in changes(tmp_path) if change.found and change.found.kind == "file"]
    (tmp_path / "d" / "passwd").unlink()
    (tmp_path / "d").rmdir()
    (tmp_path / "d").symlink_to("/etc")
    packed = packer.pack(wanted)
    assert _bytes_of(packed) == b""
    assert isinstance(packed.failed[0].error, UnsafePathError)


def test_a_file_that_outgrew_a_member_is_left_for_the_next_run(tmp_path: Path, packer: Packer) -> None:
    """The next run archives it by itself."""
    (tmp_path / "a").write_bytes(b"a")
    wanted = changes(tmp_path)
    os.truncate(tmp_path / "a", LARGEST_MEMBER + 1)
    (failed,) = packer.pack(wanted).failed
    assert isinstance(failed.error, SourceChangedError)
