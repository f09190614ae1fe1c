"""Small files are written, named and read in batches, by compiled functions and by those in Python alike."""

from __future__ import annotations

import errno
import importlib
import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk.formats import tar
from aioglacier.core.limits import MIB
from aioglacier.core.treehash import HASHES_EACH, tree_hash
from aioglacier.files import small_files
from aioglacier.files.small_files import NewFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

native: Any
try:
    native = importlib.import_module("aioglacier.files.native_files")
except ImportError:
    native = None

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders are for POSIX systems")

NAME = b".aioglacier-1.part"


class InPython:
    """The functions that take the place of the compiled ones."""

    write_files = staticmethod(small_files._write_files)
    name_files = staticmethod(small_files._name_files)
    read_members = staticmethod(small_files._read_members)
    look_at = staticmethod(small_files._look_at)
    hash_files = staticmethod(small_files._hash_files)


@pytest.fixture(
    params=[
        pytest.param(native, id="native", marks=pytest.mark.skipif(native is None, reason="not compiled")),
        pytest.param(InPython, id="python"),
    ]
)
def files(request: pytest.FixtureRequest) -> Any:
    """Return either set of functions."""
    return request.param


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Yield the open folder of the test."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def new(name: bytes, content: bytes = b"content", mode: int = 0o640, mtime_ns: int = 10**18 + 1) -> NewFile:
    """Return a file to write that keeps its owner."""
    return NewFile(name, content, mode, -1, -1, mtime_ns)


def contents(tmp_path: Path) -> dict[str, bytes]:
    """Return the files in the folder."""
    return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


# --- write


def test_files_have_content_permissions_and_times(files: Any, folder: int, tmp_path: Path) -> None:
    """Any bytes but "/" and NUL make a name, any buffer a content, and a time may lie before 1970."""
    odd = b"\xff\n \xc3\xa9"
    wanted = [new(odd, b""), new(b"b", memoryview(b"xbx")[1:2], 0o4755), new(b"c", mtime_ns=-1)]  # type: ignore[arg-type]
    assert files.write_files(folder, wanted) == []
    for file in wanted:
        found = os.stat(file.name, dir_fd=folder)
        assert stat.S_IMODE(found.st_mode) == file.mode
        assert (found.st_mtime_ns, found.st_atime_ns) == (file.mtime_ns, file.mtime_ns)
    assert contents(tmp_path) == {os.fsdecode(odd): b"", "b": b"b", "c": b"content"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_an_owner_does_not_lose_the_set_user_id(files: Any, folder: int) -> None:
    """Giving a file away clears that permission, so it is set afterwards."""
    assert files.write_files(folder, [NewFile(b"a", b"", 0o4755, 12, 34, 0)]) == []
    found = os.stat(b"a", dir_fd=folder)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12, 34, 0o4755)


def test_what_a_killed_run_left_is_replaced_and_no_link_is_followed(
    files: Any, folder: int, tmp_path: Path
) -> None:
    """The name is unlinked and made again; the target of a link stays as it is."""
    other = tmp_path / "other"
    other.write_bytes(b"other")
    (tmp_path / "left").write_bytes(b"left by a killed run")
    (tmp_path / "link").symlink_to(other)
    assert files.write_files(folder, [new(b"left"), new(b"link")]) == []
    assert contents(tmp_path) == {"other": b"other", "left": b"content", "link": b"content"}
    assert not (tmp_path / "link").is_symlink()


def test_a_file_that_cannot_be_written_is_returned_and_the_others_are_there(
    files: Any, folder: int, tmp_path: Path
) -> None:
    """A folder is in its way, or its name is too long."""
    (tmp_path / "folder").mkdir()
    assert files.write_files(folder, [new(b"a"), new(b"folder"), new(b"b" * 256), new(b"c")]) == [1, 2]
    assert contents(tmp_path) == {"a": b"content", "c": b"content"}


FILL = """
import os, resource, signal, sys
from aioglacier.files import small_files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit of file sizes cuts a write as a full disk does
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
folder = os.open(sys.argv[1], os.O_RDONLY)
sizes = {b"0": 4096, b"1": 5000, b"2": 1}
files = [small_files.NewFile(name, bytes(size), 0o600, -1, -1, 0) for name, size in sizes.items()]
print(small_files.write_files(folder, files), sorted(os.listdir(folder)))
"""


@pytest.mark.parametrize("switch", ["1", "0"], ids=["native", "python"])
def test_a_file_that_is_cut_off_leaves_nothing(tmp_path: Path, switch: str) -> None:
    """A write that takes some bytes and then no more is a failure, and the beginning is removed."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path],
        env=os.environ | {"AIOGLACIER_NATIVE": switch},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[1] ['0', '2']\n"


def test_a_file_of_the_wrong_shape_writes_nothing(files: Any, folder: int, tmp_path: Path) -> None:
    """A mistake of the caller is found before the first file."""
    with pytest.raises((TypeError, ValueError, AttributeError)):
        files.write_files(folder, [(b"a",)])
    with pytest.raises((TypeError, ValueError)):
        files.read_members(folder, [(b"a", 7)], header, tree_hash)
    with pytest.raises((TypeError, ValueError)):
        files.name_files(folder, [3], False)
    assert contents(tmp_path) == {}


def test_no_descriptor_is_left_open(files: Any, folder: int, tmp_path: Path) -> None:
    """Neither by files that were done nor by files that were not."""
    (tmp_path / "folder").mkdir()
    before = os.dup(folder)
    os.close(before)
    files.write_files(folder, [new(b"a"), new(b"folder"), new(b"c")])
    read(files, folder, [(b"a", 7), (b"a", 3), (b"folder", 0), (b"none", 0)])
    after = os.dup(folder)
    os.close(after)
    assert after == before


# --- name


def test_names_replace_nothing_unless_asked(files: Any, folder: int, tmp_path: Path) -> None:
    """A name that is taken is returned, and both files stay as they are."""
    for name in ("a.part", "b.part", "b"):
        (tmp_path / name).write_text(name)
    pairs = [(b"a.part", b"a"), (b"b.part", b"b"), (b"missing", b"c")]
    assert files.name_files(folder, pairs, False) == [1, 2]
    assert contents(tmp_path) == {"a": b"a.part", "b.part": b"b.part", "b": b"b"}
    assert files.name_files(folder, pairs[1:2], True) == []
    assert contents(tmp_path) == {"a": b"a.part", "b": b"b.part"}


def test_special_files_and_folders_are_never_replaced(files: Any, folder: int, tmp_path: Path) -> None:
    """Even where the caller replaces files; a link is a file here."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("1", "2", "3"):
        (tmp_path / name).write_text(name)
    pairs = [(b"1", b"fifo"), (b"2", b"folder"), (b"3", b"link")]
    assert files.name_files(folder, pairs, True) == [0, 1]
    assert contents(tmp_path) == {"1": b"1", "2": b"2", "link": b"3"}
    assert (tmp_path / "fifo").is_fifo()
    assert not (tmp_path / "link").is_symlink()


def test_of_two_names_of_one_file_the_hidden_one_goes(files: Any, folder: int, tmp_path: Path) -> None:
    """A rename to another name of the same file does nothing by itself."""
    (tmp_path / "hidden").write_text("x")
    (tmp_path / "a").hardlink_to(tmp_path / "hidden")
    assert files.name_files(folder, [(b"hidden", b"a")], True) == []
    assert contents(tmp_path) == {"a": b"x"}


# --- read


def header(path: bytes, size: int, mode: int, uid: int, gid: int, mtime_ns: int) -> bytes:
    """Return the headers of a file, as the packer of bundles makes them."""
    return tar.member_header(path, size=size, mode=mode & 0o7777, uid=uid, gid=gid, mtime_ns=mtime_ns)


def read(files: Any, folder: int, wanted: list[tuple[bytes, int]], above: bytes = b"") -> Any:
    """Read files, whose members get the names of files in another folder."""
    return files.read_members(folder, [(*each, above + each[0]) for each in wanted], header, tree_hash)


def member(path: Path, name: bytes) -> bytes:
    """Return the member that a file becomes."""
    content, found = path.read_bytes(), path.stat()
    facts = (len(content), found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns)
    return header(name, *facts) + content + tar.padding(len(content))


def test_files_come_with_the_facts_of_stat(files: Any, folder: int, tmp_path: Path) -> None:
    """Member and hash first, then what ``facts_of`` makes of the file's own status; empty files too."""
    contents = {"a": b"content", "b": b"", "c": bytes(512), "d": b"d" * (2**20 + 1)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "b").chmod(0o4711)
    os.utime(tmp_path / "c", ns=(-5, -5))
    found = read(files, folder, [(os.fsencode(name), len(content)) for name, content in contents.items()])
    assert found == [
        (member(path, os.fsencode(path.name)), tree_hash(content), *small_files.facts_of(path.stat()))
        for path, content in ((tmp_path / name, content) for name, content in contents.items())
    ]
    assert {type(one) for one in found} == {tuple}


@pytest.mark.parametrize(
    "above",
    [
        b"",
        b"b" * 97 + b"/",
        b"b" * 98 + b"/",  # 100 bytes with the name of the file
        b"b" * 99 + b"/",
        b"b" * 155 + b"/",
        b"b" * 156 + b"/",
        b"c" * 60 + b"/" + b"b" * 98 + b"/",
        b"c" * 60 + b"/" + b"b" * 99 + b"/",
        b"c/" * 127 + b"/",
        b"c/" * 128 + b"/",
        b"\xff\n/" * 40,
        b"/" + b"b" * 100,
    ],
)
def test_members_have_the_headers_of_the_packer(
    files: Any, folder: int, tmp_path: Path, above: bytes
) -> None:
    """Also where a path is divided between two fields, or has no room in them; the time may be far off."""
    (tmp_path / "a").write_bytes(b"content")
    for seconds in (0, 0o7777777777, 0o100000000000):
        os.utime(tmp_path / "a", ns=(seconds * 10**9 + 5,) * 2)
        (found,) = read(files, folder, [(b"a", 7)], above)
        assert found[0] == member(tmp_path / "a", above + b"a")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_owners_beyond_the_field_of_a_header_get_another_one(files: Any, folder: int, tmp_path: Path) -> None:
    """The field has seven octal digits."""
    (tmp_path / "a").write_bytes(b"content")
    for owner in ((0o7777777, 0), (0o10000000, 0), (0, 0o7777777), (0, 0o10000000)):
        os.chown(tmp_path / "a", *owner)
        (found,) = read(files, folder, [(b"a", 7)])
        assert found[0] == member(tmp_path / "a", b"a")


def test_a_time_that_no_record_holds_is_left_to_the_caller(files: Any, folder: int, tmp_path: Path) -> None:
    """Records have 64 bits of nanoseconds."""
    (tmp_path / "a").write_bytes(b"content")
    os.utime(tmp_path / "a", (2**33 + 10**9, 2**33 + 10**9))
    if (tmp_path / "a").stat().st_mtime < 9 * 10**9:
        pytest.skip("this file system has no such time")
    assert read(files, folder, [(b"a", 7)]) == [None]


def test_an_error_of_a_function_that_was_given_is_raised(files: Any, folder: int, tmp_path: Path) -> None:
    """It is a fault of this program, and no file's."""
    (tmp_path / "a").write_bytes(bytes(2**20 + 1))

    def fail(*_: object) -> bytes:
        raise RuntimeError

    for functions in ((header, fail), (fail, tree_hash)):
        with pytest.raises(RuntimeError):
            files.read_members(folder, [(b"a", 2**20 + 1, b"a" * 300)], *functions)


def test_what_is_no_settled_file_is_none(files: Any, folder: int, tmp_path: Path) -> None:
    """Another size, a link, a FIFO without a writer, a folder, and a file that does not exist."""
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    wanted = [(b"a", 6), (b"a", 8), (b"link", 7), (b"fifo", 0), (b"folder", 4096), (b"none", 0)]
    assert read(files, folder, wanted) == [None] * 6
    assert read(files, folder, []) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads the files of Linux' processes")
def test_a_file_with_more_bytes_than_its_size_is_none(files: Any) -> None:
    """So are files that the kernel makes while they are read, and files that grow."""
    proc = os.open("/proc/self", os.O_RDONLY)
    try:
        assert read(files, proc, [(b"status", 0)]) == [None]
    finally:
        os.close(proc)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Python sets extended attributes on Linux only")
def test_a_file_with_attributes_of_a_user_is_none(files: Any, folder: int, tmp_path: Path) -> None:
    """The caller reads them; few files have any."""
    (tmp_path / "a").write_bytes(b"content")
    try:
        os.setxattr(tmp_path / "a", "user.color", b"blue")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("this file system has no extended attributes")
    assert read(files, folder, [(b"a", 7)]) == [None]


def test_a_file_that_changes_is_never_read_in_halves(files: Any, folder: int, tmp_path: Path) -> None:
    """A returned content has all bytes, while another thread rewrites the file."""
    path = tmp_path / "a"
    path.write_bytes(b"a" * 300_000)
    is_over = threading.Event()

    def rewrite() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            fd = os.open(path, os.O_WRONLY)
            os.pwrite(fd, b"%c" % (97 + number % 26) * 300_000, 0)
            os.utime(fd, ns=(number, number))  # the clock of the file system may not tick in between
            os.close(fd)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        found = [one for _ in range(100) for one in read(files, folder, [(b"a", 300_000)])]
    finally:
        is_over.set()
        writer.join()
    assert {len(one[0]) for one in found if one is not None} <= {512 + 300_032}


# --- look


def test_facts_are_those_of_lstat(files: Any, folder: int, tmp_path: Path) -> None:
    """Of every kind of path, of a link itself, and without those that are not there."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo", 0o600)
    os.utime(tmp_path / "file", ns=(-5, -5))
    names = [b"file", b"none", b"folder", b"link", b"fifo", b"x" * 300]
    expected = [
        small_files.path_facts(os.lstat(tmp_path / os.fsdecode(name))) for name in names[:1] + names[2:5]
    ]
    assert files.look_at(folder, names) == [expected[0], None, *expected[1:], None]
    mode, size, mtime_ns, *_, blocks = expected[0]
    status = (tmp_path / "file").stat()
    assert (mode, size, mtime_ns, blocks) == (status.st_mode, 7, -5, status.st_blocks)
    assert expected[0][5:9] == (status.st_dev, 2, status.st_uid, status.st_gid)
    assert files.look_at(folder, []) == []


def test_a_path_with_a_time_that_no_record_holds_is_none(files: Any, folder: int, tmp_path: Path) -> None:
    """The caller looks again by itself."""
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", (2**33 + 10**9, 2**33 + 10**9))
    if (tmp_path / "a").stat().st_mtime < 9 * 10**9:
        pytest.skip("this file system has no such time")
    assert files.look_at(folder, [b"a"]) == [None]


@pytest.mark.parametrize("names", [3, ["a"], [b"a\0b"]])
def test_a_mistake_in_names_raises(files: Any, folder: int, names: Any) -> None:
    """It is a fault of the caller."""
    if files is InPython and names == ["a"]:
        pytest.skip("Python takes text, too")
    with pytest.raises((TypeError, ValueError)):
        files.look_at(folder, names)


# --- hash


SIZES = (0, 1, 64, 4000, MIB, MIB + 1, 5 * MIB + 7, 3 * MIB)


@pytest.fixture
def below(tmp_path: Path) -> dict[bytes, bytes]:
    """Make files in folders, small and large in turns, and return their contents by path."""
    wanted = {}
    for number, size in enumerate((*SIZES, *reversed(SIZES))):
        path = tmp_path / ("a/b", "a/b/c", "", "z")[number % 4] / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        wanted[os.fsencode(path.relative_to(tmp_path))] = path.read_bytes()
    return wanted


@pytest.mark.parametrize("room", [MIB, 2 * MIB - 1, 9 * MIB])
def test_files_in_folders_have_their_tree_hashes(
    files: Any, folder: int, below: dict[bytes, bytes], room: int
) -> None:
    """Files of no, one and several leaves, and more than the memory has room for."""
    sizes = [(path, len(content)) for path, content in below.items()]
    found = files.hash_files(folder, sizes, memoryview(bytearray(room)))
    assert found == [tree_hash(content) for content in below.values()]
    assert files.hash_files(folder, [], memoryview(bytearray(room))) == []


@pytest.mark.parametrize("room", [MIB, 2 * MIB, 9 * MIB])
def test_a_file_that_cannot_be_hashed_spoils_no_other(
    files: Any, folder: int, tmp_path: Path, below: dict[bytes, bytes], room: int
) -> None:
    """Files that are missing, of another size, links, FIFOs and folders are None, and paths that lead out."""
    (tmp_path / "link").symlink_to("0")
    (tmp_path / "way").symlink_to("a", target_is_directory=True)
    os.mkfifo(tmp_path / "fifo")
    bad = [b"none", b"link", b"way/b/0", b"fifo", b"a", b"a/../2", b"/etc/passwd", b"a//b/0", b"", b"a/b/"]
    bad += [b"2/0", b"x" * 300, b"a/" * 3000 + b"0"]
    wanted: list[tuple[bytes, int, bytes | None]] = []
    for number, (path, content) in enumerate(below.items()):
        wanted.append((path, len(content) + 1, None))  # as one that shrank
        wanted.append((path, len(content), tree_hash(content)))
        wanted.append((bad[number % len(bad)], len(content), None))
    found = files.hash_files(folder, [(path, size) for path, size, _ in wanted], memoryview(bytearray(room)))
    assert found == [hashed for _, _, hashed in wanted]


def test_hashing_leaves_no_descriptor_open(files: Any, folder: int, below: dict[bytes, bytes]) -> None:
    """Neither of files nor of the folders on the way."""
    wanted = [(path, len(content)) for path, content in below.items()] + [(b"a/none/x", 1), (b"z/none", 1)]
    before = os.dup(folder)
    os.close(before)
    files.hash_files(folder, wanted, memoryview(bytearray(MIB)))
    after = os.dup(folder)
    os.close(after)
    assert after == before  # the lowest free one


def test_a_file_that_is_cut_off_while_it_is_read_spoils_no_other(
    files: Any, folder: int, tmp_path: Path
) -> None:
    """The leaves that were read of it are in no other hash, whatever the moment was."""
    cut, other = tmp_path / "cut", tmp_path / "other"
    cut.write_bytes(bytes(5 * MIB))
    other.write_bytes(bytes(2 * MIB + 1))
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            os.truncate(cut, 2 * MIB)
            os.truncate(cut, 5 * MIB)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        whole, expected = tree_hash(bytes(5 * MIB)), tree_hash(bytes(2 * MIB + 1))
        for _ in range(60):
            wanted = [(b"cut", 5 * MIB), (b"other", 2 * MIB + 1)]
            first, second = files.hash_files(folder, wanted, memoryview(bytearray(MIB)))
            assert (first in {None, whole}, second) == (True, expected)
    finally:
        is_over.set()
        thread.join()


@pytest.mark.skipif(native is None or not HASHES_EACH, reason="not compiled")
def test_a_mistake_in_what_is_to_be_hashed_raises(folder: int) -> None:
    """Files of the wrong shape, a path with NUL, and too little memory hash nothing."""
    room = memoryview(bytearray(MIB))
    for mistake in ([1], [(b"a",)], [("a", 1)], None, [(b"a\0", 1)]):
        with pytest.raises((TypeError, ValueError)):
            native.hash_files(folder, mistake, room)
    with pytest.raises(ValueError, match="a MiB of room"):
        native.hash_files(folder, [], room[:-1])
