"""IN: sources that are empty, strange, broken, or change while they are read."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from aioglacier.core.inventory.descriptions import decode
from aioglacier.core.treehash import tree_hash
from tests.faults.conftest import MIB, Lies, Stand, Trouble, data, wait_for
from tests.faults.proxy import Kind, Since

pytestmark = pytest.mark.slow

SIZE = 3 * MIB
UPLOAD = ("upload", "v", "big", "--part-size", "1MiB")


def test_in_01_an_empty_file_is_told_of_and_nothing_is_sent(stand: Stand) -> None:
    """An empty file alone gives exit 2 without a request; among others it is listed, exit 3."""
    (stand.folder / "empty").write_bytes(b"")
    error = stand.cli("--json", "upload", "v", "empty", code=2).error
    assert error["error"] == "EmptyArchiveError"
    assert "empty" in error["message"]
    assert stand.cli("--json", "upload", "v", "-", stdin=b"", code=2).error["error"] == "EmptyArchiveError"
    assert not stand.proxy.requests("POST")
    stand.file(1000)
    done = stand.cli("--json", "upload", "v", "empty", "big", code=3)
    assert done.error["item"] == "empty"
    assert done.record["source"] == "big"


def test_in_07_a_writer_that_dies_is_seen_where_the_size_is_declared(stand: Stand) -> None:
    """With ``--expected-size`` the error has both numbers and no archive is made."""
    stand.file(SIZE)
    dies = "head -c 2000000 big; kill -9 $$"

    def pipe(*more: str) -> subprocess.CompletedProcess[bytes]:
        upload = shlex.join(stand.cli.command("--json", "upload", "v", "-", *more))
        return subprocess.run(
            ["sh", "-c", f"sh -c {shlex.quote(dies)} | {upload}"],
            cwd=stand.folder,
            env=stand.cli.env(),
            capture_output=True,
            check=False,
        )

    done = pipe("--expected-size", str(SIZE))
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith(b"{"))  # the shell says "Killed"
    error = json.loads(line)
    assert (error["error"], error["expected"], error["actual"]) == ("LengthMismatchError", SIZE, 2_000_000)
    assert stand.count("archives") == 0
    assert pipe().returncode == 0
    assert stand.count("archives") == 1


def test_in_09_a_stream_is_told_its_ceiling_at_the_start(stand: Stand) -> None:
    """The ceiling is 10,000 parts of 8 MiB, or of the given part size."""
    assert "up to 78.1 GiB" in stand.cli("upload", "v", "-", stdin=b"x").err
    assert "up to 9.77 GiB" in stand.cli("upload", "v", "-", "--part-size", "1MiB", stdin=b"x").err
    assert not stand.cli("upload", "v", "-", "--expected-size", "1", stdin=b"x").err


NAMES = [
    b"caf\xe9 that is no UTF-8",
    b"two\nlines",
    b"a\ttab",
    b"-leading",
    unicodedata.normalize("NFC", "Åland").encode(),
    unicodedata.normalize("NFD", "Åland").encode(),
    b"n" * 255,
    b"%s%n",
    "\N{BOOKS}".encode(),
    b"\x1b[2Jclear",
    b"back\\slash",
]


def test_in_13_every_name_comes_back_byte_for_byte_and_is_printed_escaped(stand: Stand) -> None:
    """Names come back from description and catalog; the terminal gets no control character."""
    folder = os.fsencode(stand.folder)
    for number, name in enumerate(NAMES):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"%d" % number)
    command = [*map(os.fsencode, stand.cli.command("upload", "--", "v")), *NAMES]
    done = subprocess.run(command, cwd=folder, env=stand.cli.env(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for shown in (done.stdout, stand.cli("list", "v").out):
        assert b"\x1b" not in shown
        assert b"\xe9 that" not in shown
        assert b"two\nlines" not in shown
    listed = stand.cli("--json", "inventory", "v").records
    assert {name_in(record["description"]) for record in listed} == set(NAMES)
    recorded = stand.cli("--json", "list", "v").records
    assert {os.fsencode(Path(record["source"]).name) for record in recorded} == set(NAMES)


def name_in(description: str) -> bytes:
    """Return the name in a description: as text, or in JSON where text does not suffice."""
    is_json = description.startswith("{")
    return os.fsencode(json.loads(description)["path"] if is_json else decode(description).name)


def test_in_14_a_file_that_changes_while_it_is_read_is_no_archive(stand: Stand) -> None:
    """For an edit in place, the error names path and field, and the command that aborts the upload."""
    stand.file(6 * MIB)
    stand.proxy.add(Trouble(Kind.FREEZE, where="bytes 0-", since=Since.BODY, at=9, seconds=1))
    with stand.started("--json", *UPLOAD, "--description", "d") as process:
        stand.struck()
        with (stand.folder / "big").open("r+b") as file:
            file.write(b"edited")
        done = stand.ended(process, 1)
    assert done.error["error"] == "SourceChangedError"
    assert done.error["path"].endswith("big")
    assert done.error["field"] in {"mtime", "ctime"}
    assert stand.count("archives") == 0
    if stand.count("uploads"):
        assert "uploads abort" in done.err


EIO = """
import asyncio, json, sys
import aioglacier
async def main():
    arguments = json.loads(sys.argv[1])
    async with aioglacier.connect(hash_in="threads", **arguments) as glacier:
        try:
            archive = await glacier.vault("v").upload("big", part_size=2**20)
        except aioglacier.SourceUnreadableError as error:
            print(json.dumps([error.errno, error.path, str(error), error.offset]))
        else:
            print(json.dumps(archive.tree_hash.hex()))
asyncio.run(main())
"""


@pytest.mark.parametrize("reads", [2, 1000])
def test_in_17_a_bad_block_is_read_again_and_then_named(stand: Stand, lies: Lies, reads: int) -> None:
    """A third attempt reads a block that failed twice; a lasting failure names path and offset."""
    content = stand.file(SIZE)
    lies.bad_block("big", MIB + 500_000, reads=reads)
    done = subprocess.run(
        [sys.executable, "-c", EIO, json.dumps(stand.glacier.client_arguments)],
        cwd=stand.folder,
        env={**stand.cli.env(), **lies.environment},
        capture_output=True,
        check=True,
    )
    told = json.loads(done.stdout)
    if reads == 2:
        assert told == tree_hash(content).hex()
        return
    number, path, message, offset = told
    assert number == errno.EIO
    assert path.endswith("big")
    assert os.strerror(errno.EIO) in message
    assert MIB <= offset <= MIB + 500_000
    assert str(offset) in message
    assert stand.count("archives") == 0


def test_in_17_of_several_files_the_others_are_archived(stand: Stand) -> None:
    """A vanished file is listed with its name and reason, exit 3; after a second run, only it is missing."""
    for name in ("a", "c"):
        (stand.folder / name).write_bytes(name.encode())
    done = stand.cli("--json", "upload", "v", "a", "b", "c", code=3)
    assert {record["source"] for record in done.records} == {"a", "c"}
    assert (done.error["item"], done.error["errno"]) == ("b", errno.ENOENT)


def test_in_18_a_source_that_is_cut_short_kills_nobody(stand: Stand) -> None:
    """The upload ends with an error, not by SIGBUS: after a worker that died of it, another reads."""
    stand.file(8 * MIB)
    stand.proxy.add(Trouble(Kind.FREEZE, where="bytes 0-", since=Since.BODY, at=9, seconds=1))
    with stand.started("--json", *UPLOAD) as process:
        stand.struck()
        os.truncate(stand.folder / "big", MIB)
        done = stand.ended(process, 1)
    assert done.error["error"] == "SourceChangedError"
    assert done.error["field"] == "size"
    assert stand.count("archives") == 0


def test_in_19_links_in_a_circle_end(stand: Stand) -> None:
    """A circle of links is reported as unreadable; a link to a file is archived as that file."""
    (stand.folder / "a").symlink_to("b")
    (stand.folder / "b").symlink_to("a")
    stand.file(1000)
    (stand.folder / "link").symlink_to("big")
    (stand.folder / "hard").hardlink_to(stand.folder / "big")
    error = stand.cli("--json", "upload", "v", "a", code=1).error
    assert (error["error"], error["errno"]) == ("SourceUnreadableError", errno.ELOOP)
    hashes = {record["tree_hash"] for record in stand.cli("--json", "upload", "v", "link", "hard").records}
    assert hashes == {tree_hash(data(1000)).hex()}


def test_in_16_what_never_ends_or_never_begins_is_refused_by_kind(stand: Stand) -> None:
    """A FIFO without a writer, a socket, a device and a file of /proc are refused without waiting."""
    os.mkfifo(stand.folder / "fifo")
    kinds = ["fifo", "/dev/zero", "/proc/self/status", "."]
    with stand.started("--json", "upload", "v", *kinds) as process:
        wait_for(lambda: process.poll() is not None, seconds=10)
        done = stand.ended(process, 3)
    errors = [json.loads(line) for line in done.err.splitlines()]
    assert sorted(error["item"] for error in errors) == sorted(kinds)
    assert {error["error"] for error in errors} == {"SourceUnreadableError"}
    assert not stand.proxy.requests("POST")
