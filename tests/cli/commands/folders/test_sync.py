"""``aioglacier sync``: files of patterns."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.commands.folders.sync import read_patterns
from aioglacier.cli.program.session import CommandError
from tests.bulk.conftest import make_tree, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark"])
def test_patterns_are_read_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    """B11: a byte order mark and UTF-16, as editors write them, change no pattern."""
    text = "*.o\r\n/caf\N{LATIN SMALL LETTER E WITH ACUTE}/\n"
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}"
    if encoding.endswith("-mark"):
        content = (mark + text).encode(encoding.removesuffix("-mark"))
    else:
        content = text.encode(encoding)
    (tmp_path / "patterns").write_bytes(content)
    assert read_patterns([str(tmp_path / "patterns")]) == text.split()


def test_names_of_any_bytes_stay_as_they_are(tmp_path: Path) -> None:
    """A name that is not UTF-8 can be excluded, too."""
    (tmp_path / "patterns").write_bytes(b"\xff.o\n")
    assert read_patterns([str(tmp_path / "patterns")]) == ["\udcff.o"]


@pytest.mark.parametrize("content", [b"a\0b\n", b"\xff\xfeabc"])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes) -> None:
    """Patterns that match nothing would archive what was to be left out."""
    (tmp_path / "patterns").write_bytes(content)
    with pytest.raises(CommandError, match="not text"):
        read_patterns([str(tmp_path / "patterns")])


def test_a_file_that_cannot_be_archived_is_listed_and_the_exit_code_says_so(
    program: Cli, tmp_path: Path
) -> None:
    """The other files are archived."""
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    done = program("sync", "tree", "photos", "--json", code=3)
    assert done.error["item"] == "pipe"
    assert done.records[-1]["failed"] == 1
    program("sync", "tree", "photos", "--exclude=pipe")


_TELLING = """
import runpy, sys
from aioglacier.files import host
host.return_freed_memory = lambda: print("memory is returned", file=sys.stderr)
runpy.run_module("aioglacier", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("words", ["sync tree photos", "restore photos back"])
def test_freed_memory_is_returned_to_the_system(program: Cli, tmp_path: Path, words: str) -> None:
    """Threads that read or write files of all sizes would keep tens of MiB."""
    make_tree(tmp_path / "tree")
    program("sync", "tree", "photos")
    python, _, _, *command = program.command(*words.split())
    done = subprocess.run(
        [python, "-c", _TELLING, *command],
        cwd=program.folder,
        env=program.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "memory is returned" in done.stderr


def test_patterns_may_come_from_a_file(program: Cli, tmp_path: Path) -> None:
    """And others bring back what they exclude."""
    make_tree(tmp_path / "tree")
    (tmp_path / "patterns").write_text("/*\n# a note\n")
    program("sync", "tree", "photos", "--exclude-from=patterns", "--include=/private")
    program("restore", "photos", "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["private"]


def test_a_file_of_patterns_that_is_not_there_is_exit_code_2(program: Cli, tmp_path: Path) -> None:
    """It was named wrongly, and nothing was done."""
    make_tree(tmp_path / "tree")
    error = program("sync", "tree", "photos", "--exclude-from=nowhere", "--json", code=2).error
    assert "nowhere" in error["message"]


def test_how_large_a_file_in_a_bundle_may_be_can_be_chosen(program: Cli, tmp_path: Path) -> None:
    """A larger file is an archive of its own, and comes back the same."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for size in (0, 100, 101, 5000):
        (tree / f"f{size}").write_bytes(os.urandom(size))
    done = program("sync", "tree", "photos", "--bundle-up-to=100", "--json").records[-1]
    assert done["archives"] == 3
    program("restore", "photos", "back")
    assert picture(tmp_path / "back") == picture(tree)
    program("sync", "tree", "photos", "--bundle-up-to=17MiB", code=2)


def test_a_list_of_files_leaves_all_others_as_they_are_on_record(program: Cli, tmp_path: Path) -> None:
    """Only named paths are archived or recorded as removed; a name that is nowhere fails with exit 3."""
    tree = make_tree(tmp_path / "tree")
    program("sync", "tree", "photos", "--files-from=-", stdin=b"./d1/e1\0" + os.fsencode(tree / "empty"))
    found = {record["path"] for record in program("--json", "find", "photos", "*").records}
    named = {f"d1/e1/{each.name}" for each in (tree / "d1" / "e1").iterdir()}
    assert found == {"empty/", "d1/", "d1/e1/", *named}
    (tree / "d1" / "e1" / "f1").unlink()
    (tree / "d1" / "e1" / "new").write_text("new")
    (tree / "empty").rmdir()
    done = program("sync", "tree", "photos", "--files-from=-", "--json", stdin=b"d1\nnot-there\n", code=3)
    assert (done.records[-1]["removed"], done.error["item"]) == (1, "not-there")
    found = {record["path"] for record in program("--json", "find", "photos", "*").records}
    assert "empty/" in found
    assert "d1/e1/new" in found
    assert "d1/e1/f1" not in found
    outside = program("sync", "tree", "photos", "--files-from=-", stdin=b"../x\n", code=2)
    assert "not below 'tree'" in outside.err
