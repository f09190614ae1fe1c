"""Files get their names in one step, complete and on disk, and replace only what they may."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.errors import TargetError
from aioglacier.files import landing

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, NEW = b"old", b"new" * 1000


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A target that does not exist."""
    return tmp_path / "film.mkv"


def no_link(*_: object, **__: object) -> None:
    """Fail as on a file system without hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(params=["renameat2", "link", "taken first"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of renaming without replacing: the system call, a hard link, an empty file."""
    if request.param != "renameat2":
        monkeypatch.setattr(landing, "find_function", lambda _: None)
    if request.param == "taken first":
        monkeypatch.setattr(os, "link", no_link)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_a_complete_file_gets_its_name(target: Path) -> None:
    """The target has the content, for its owner alone, and nothing else is left."""
    with landing.writing(str(target), overwrite=False) as file:
        os.write(file, NEW)
        assert not target.exists()
    assert target.read_bytes() == NEW
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_is_on_disk_before_and_its_name_after_the_rename(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure at any moment leaves the name with its content or no name at all."""
    steps: list[str] = []
    fsync, rename = os.fsync, landing.rename

    def record_fsync(fd: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        steps.append("fsync folder" if is_folder else f"fsync {os.fstat(fd).st_size} bytes")
        fsync(fd)

    def record_rename(*names: Any, **options: Any) -> None:
        steps.append("rename")
        rename(*names, **options)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(landing, "rename", record_rename)
    with landing.writing(str(target), overwrite=False) as file:
        os.write(file, NEW)
    assert steps == [f"fsync {len(NEW)} bytes", "rename", "fsync folder"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_appears_meanwhile_is_left_alone(target: Path, kind: str) -> None:
    """Without overwrite nothing that came to be there is replaced; the error says where the bytes are."""
    hidden = landing.hidden_name(target, landing.DOWNLOAD)
    file = landing.open_hidden(str(target), landing.DOWNLOAD)
    os.write(file, NEW)
    match kind:
        case "file":
            target.write_bytes(OLD)
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    before = target.lstat()
    with pytest.raises(TargetError, match="exists with other bytes") as caught:
        landing.land(file, hidden, str(target), overwrite=False)
    os.close(file)
    assert hidden in caught.value.message
    assert os.path.samestat(target.lstat(), before)
    assert Path(hidden).read_bytes() == NEW


def test_an_existing_file_is_replaced_if_asked(target: Path) -> None:
    """The old content is there until the new one is complete; a link is replaced, not what it points to."""
    target.write_bytes(OLD)
    link = target.with_name("link")
    link.symlink_to(target)
    with landing.writing(str(link), overwrite=True) as file:
        os.write(file, NEW)
        assert link.read_bytes() == OLD
    assert (link.read_bytes(), link.is_symlink(), target.read_bytes()) == (NEW, False, OLD)


def test_a_second_name_of_the_same_file_leaves_no_hidden_one(target: Path) -> None:
    """rename(2) does nothing for two names of one file, so the hidden name is removed."""
    target.write_bytes(OLD)
    hidden = target.with_name(".hidden")
    hidden.hardlink_to(target)
    landing.rename(hidden, target, overwrite=True)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == OLD


def make_special(kind: str, path: Path) -> None:
    """Make a special file, or skip the test where this user may not."""
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as unix:
                unix.bind(os.path.relpath(path))
        case "link":
            path.symlink_to(os.devnull)
        case _:
            try:
                os.mknod(path, stat.S_IFCHR, os.makedev(1, 3))
            except PermissionError:
                pytest.skip("only root makes devices")


@pytest.mark.parametrize("kind", ["FIFO", "socket", "device", "link"])
def test_a_special_file_is_never_replaced(target: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even with overwrite, and not when it appears meanwhile."""
    monkeypatch.chdir(target.parent)
    hidden = landing.hidden_name(target, landing.WRITTEN)
    file = landing.open_hidden(str(target), landing.WRITTEN)
    make_special(kind, target)
    before = target.lstat()
    with pytest.raises(TargetError, match="never replaced"):
        landing.check_target(str(target), overwrite=True)
    with pytest.raises(TargetError, match="never replaced"):
        landing.land(file, hidden, str(target), overwrite=True)
    if kind != "link":
        with pytest.raises(TargetError, match="never replaced"):
            landing.rename(hidden, target, overwrite=True)
    os.close(file)
    assert os.path.samestat(target.lstat(), before)


def test_a_target_that_cannot_work_is_refused_early(target: Path) -> None:
    """A folder, a missing folder, and an existing file without overwrite."""
    target.write_bytes(OLD)
    landing.check_target(str(target), overwrite=True)
    for refused in (target.parent, target.parent / "none" / "file", target):
        with pytest.raises(TargetError):
            landing.check_target(str(refused), overwrite=False)


def test_two_targets_have_two_hidden_names(tmp_path: Path) -> None:
    """Also if only the ends of long names differ, so both can be written at once."""
    names = [*"ab", "x" * 254 + "1", "x" * 254 + "2", "x" * 253, "\u00fc" * 120 + "1", "\u00fc" * 120 + "2"]
    assert landing.hidden_name(str(tmp_path / "a"), ".part") == str(tmp_path / ".a.part")
    with ExitStack() as stack:
        for name in names:
            file = stack.enter_context(landing.writing(str(tmp_path / name), overwrite=False))
            landing.write_all(file, name.encode())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        name: name.encode() for name in names
    }


def test_a_failure_leaves_the_target_as_it_was(target: Path) -> None:
    """The error of the block comes through, and the hidden file is gone."""
    target.write_bytes(OLD)
    with pytest.raises(ZeroDivisionError), landing.writing(str(target), overwrite=True):
        raise ZeroDivisionError
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == OLD


def test_one_process_writes_to_a_target(target: Path) -> None:
    """A second writer is refused and the first one ends as if alone."""
    with landing.writing(str(target), overwrite=False) as file:
        with pytest.raises(TargetError, match="another process"):
            landing.open_hidden(str(target), landing.WRITTEN)
        os.write(file, NEW)
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, b"\xff" * 255])
def test_a_long_name_has_a_hidden_one(tmp_path: Path, name: str | bytes) -> None:
    """The hidden name of the longest possible name can be created, whatever its bytes."""
    target = os.path.join(os.fsencode(tmp_path), os.fsencode(name))  # noqa: PTH118
    for suffix in (landing.DOWNLOAD, landing.STREAM, landing.ENCRYPTED, landing.WRITTEN):
        os.close(os.open(landing.hidden_name(target, f"{suffix}.journal"), os.O_CREAT | os.O_WRONLY))


def test_a_link_at_the_hidden_name_is_not_followed(target: Path) -> None:
    """A link that somebody put there does not lead to another file."""
    victim = target.with_name("victim")
    victim.write_bytes(OLD)
    Path(landing.hidden_name(target, landing.WRITTEN)).symlink_to(victim)
    with pytest.raises(TargetError), landing.writing(str(target), overwrite=False):
        pass
    assert victim.read_bytes() == OLD


PROGRAM = """
import os, sys
from aioglacier.files import landing
with landing.writing(sys.argv[1], overwrite=sys.argv[2] == "True") as file:
    os.write(file, b"new" * 1000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("point", ["file on disk", "file renamed"])
def test_a_kill_leaves_the_old_file_or_the_new_one(target: Path, point: str, *, overwrite: bool) -> None:
    """The target never has half of its content, and the same call succeeds afterwards."""
    if overwrite:
        target.write_bytes(OLD)
    command = [sys.executable, "-c", PROGRAM, str(target), str(overwrite)]
    killed = subprocess.run(command, env={**os.environ, "AIOGLACIER_CRASH_AT": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    if point == "file renamed":
        assert target.read_bytes() == NEW
    else:
        assert (target.read_bytes() if target.exists() else None) == (OLD if overwrite else None)
        subprocess.run(command, check=True)
        assert target.read_bytes() == NEW


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts file systems")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """The old file stays, the error names target and reason, and the room is free again."""
    target = small_disk / "film.mkv"
    target.write_bytes(OLD)

    def fill() -> None:
        with landing.writing(str(target), overwrite=True) as file:
            for _ in range(32):
                os.write(file, bytes(1 << 16))

    with pytest.raises(TargetError, match=r"film\.mkv.*No space"):
        fill()
    assert target.read_bytes() == OLD
    assert [path.name for path in small_disk.iterdir()] == [target.name]


def test_too_little_room_is_said_with_both_numbers(small_disk: Path) -> None:
    """Bytes that are already there count, as does everything that is free."""
    target = small_disk / "film.mkv"
    kept = small_disk / ".kept"
    kept.write_bytes(bytes(1 << 19))
    landing.check_room(str(target), 1 << 20, kept=[str(kept)])
    with pytest.raises(TargetError) as least:
        landing.check_room(str(target), (1 << 20) + 1, kept=[str(kept), str(small_disk / "none")])
    assert least.value.needed == (1 << 19) + 1
    with pytest.raises(TargetError, match="free; nothing was done") as caught:
        landing.check_room(str(target), 1 << 20, note="; nothing was done")
    assert (caught.value.needed, caught.value.free) == (1 << 20, 1 << 19)


def test_an_encrypted_download_needs_room_twice_until_it_is_fetched(small_disk: Path) -> None:
    """It is fetched whole and then decrypted beside itself; the fetched file counts once it is there."""
    target = str(small_disk / "film.mkv")
    landing.check_download_room(target, 1 << 20)
    with pytest.raises(TargetError, match=r"bytes, and its file system has [0-9]+ free; no job was started"):
        landing.check_download_room(target, 2 << 20)
    with pytest.raises(TargetError, match="fetched whole and then decrypted; no job was started"):
        landing.check_download_room(target, 1 << 20, is_encrypted=True)
    Path(landing.hidden_name(target, landing.ENCRYPTED)).write_bytes(bytes(1 << 19))
    landing.check_download_room(target, 1 << 19, is_encrypted=True)


@pytest.mark.parametrize("suffix", [landing.DOWNLOAD, landing.STREAM])
def test_the_kept_bytes_of_a_download_need_no_room_again(small_disk: Path, suffix: str) -> None:
    """They are in the hidden file of the kind of download; a file at the target itself is no part of it."""
    target = str(small_disk / "film.mkv")
    Path(landing.hidden_name(target, suffix)).write_bytes(bytes(1 << 19))
    landing.check_download_room(target, 1 << 20, suffix)
    other = landing.STREAM if suffix == landing.DOWNLOAD else landing.DOWNLOAD
    with pytest.raises(TargetError):
        landing.check_download_room(target, 1 << 20, other)
    Path(landing.hidden_name(target, suffix)).rename(target)
    with pytest.raises(TargetError) as caught:
        landing.check_download_room(target, 1 << 20, suffix)
    assert caught.value.path == target


@pytest.mark.usefixtures("way")
def test_a_file_with_the_same_bytes_is_the_target(target: Path) -> None:
    """It may be what a killed run has written; one with other bytes, or a link to the same, is not."""
    content = NEW * 800  # more than is compared at once

    def write() -> None:
        with landing.writing(str(target), overwrite=False, may_be_there=True) as file:
            landing.write_all(file, content)

    target.write_bytes(content)
    before = target.stat().st_ino
    write()
    assert target.stat().st_ino == before
    for other in (content[:-1] + b"x", b"x" + content[1:], content + b"x", content[:-1]):
        target.write_bytes(other)
        with pytest.raises(TargetError, match="exists with other bytes"):
            write()
        assert target.read_bytes() == other
    target.write_bytes(content)
    target.rename(target.with_name("linked"))
    target.symlink_to("linked")
    with pytest.raises(TargetError):
        write()
    assert target.is_symlink()
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name, "linked"]


@pytest.mark.usefixtures("way")
def test_names_in_open_folders_are_names_in_these_folders(tmp_path: Path) -> None:
    """A name is given in the new folder, taken from the old one, and looked at where it is."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    fds = [os.open(folder, os.O_RDONLY) for folder in (one, two)]

    def rename(new: str, *, overwrite: bool = False) -> None:
        landing.rename("old", new, overwrite=overwrite, old_fd=fds[0], new_fd=fds[1])

    try:
        (one / "old").write_bytes(NEW)
        rename("new")
        assert ((two / "new").read_bytes(), list(one.iterdir())) == (NEW, [])
        (one / "old").write_bytes(OLD)
        with pytest.raises(FileExistsError):
            rename("new")
        os.mkfifo(two / "pipe")
        with pytest.raises(TargetError, match="pipe"):
            rename("pipe", overwrite=True)
        assert (two / "pipe").is_fifo()
        assert ((two / "new").read_bytes(), (one / "old").read_bytes()) == (NEW, OLD)
        rename("new", overwrite=True)
        assert ((two / "new").read_bytes(), list(one.iterdir())) == (OLD, [])
        (one / "old").symlink_to("nowhere")  # a link is renamed, and not what it points to
        rename("link")
        assert (two / "link").is_symlink()
    finally:
        for fd in fds:
            os.close(fd)
