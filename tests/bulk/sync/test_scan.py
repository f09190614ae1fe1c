"""The scan: everything once, in order, whatever is in the way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aioglacier.bulk.filters import make_filter
from aioglacier.bulk.sync.scan import Scan, ScanRules, signed
from aioglacier.catalog.folders.entry_records import storable_time
from aioglacier.core.errors import ConfigurationError, SourceUnreadableError


def paths(root: Path, **options: object) -> list[bytes]:
    """Return the paths that a scan gives."""
    exclude = options.get("exclude", ())
    assert isinstance(exclude, (list, tuple))
    return [found.path for found in Scan(os.fsencode(root), make_filter(exclude))]


def test_every_path_comes_once_in_the_order_of_bytes(tree: Path) -> None:
    """A folder's name counts with its "/", and what is in it comes right behind."""
    found = paths(tree)
    expected = {b""}
    top = os.fsencode(tree)
    for folder, folders, files in os.walk(top):
        below = os.path.relpath(folder, top) + b"/" if folder != top else b""
        for name in folders:
            is_link = stat.S_ISLNK(os.lstat(folder + b"/" + name).st_mode)
            expected.add(below + name + (b"" if is_link else b"/"))
        expected |= {below + name for name in files}
    assert found == sorted(expected)


def test_a_folder_with_more_names_than_are_held_is_listed_in_turns(tmp_path: Path) -> None:
    """Nothing is lost or doubled where one turn ends."""
    for number in range(100):
        (tmp_path / f"f{number}").touch()
    found = [each.path for each in Scan(os.fsencode(tmp_path), names_at_once=7)]
    assert found == sorted([b"", *(b"f%d" % number for number in range(100))])


def test_names_are_looked_at_in_calls_for_many(tmp_path: Path) -> None:
    """Nothing is lost or doubled where one call ends, or where a folder ends it."""
    for number in range(600):
        (tmp_path / f"f{number:03}").touch()
    for number in (100, 555):
        (tmp_path / f"f{number}.d").mkdir()
        (tmp_path / f"f{number}.d" / "x").touch()
    names = [b"f%03d" % number for number in range(600)]
    names += [name for number in (100, 555) for name in (b"f%d.d/" % number, b"f%d.d/x" % number)]
    assert paths(tmp_path) == sorted([b"", *names])


def test_names_behind_a_folder_are_looked_at_after_it(tmp_path: Path) -> None:
    """The scan may be in a folder for hours, and what is gone or changed meanwhile is seen."""
    (tmp_path / "b").mkdir()
    (tmp_path / "c").touch()
    (tmp_path / "d").touch()
    found = []
    for each in Scan(os.fsencode(tmp_path)):
        found.append((each.path, each.size))
        if each.path == b"b/":
            (tmp_path / "c").unlink()
            (tmp_path / "d").write_bytes(b"more")
    assert found == [(b"", 0), (b"b/", 0), (b"d", 4)]


def test_a_deep_folder_needs_few_descriptors(tmp_path: Path) -> None:
    """Folders above are closed, and opened again on the way back."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        os.mkdir("e", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    most = 0
    count = 0
    for _ in Scan(os.fsencode(tmp_path)):
        count += 1
        most = max(most, len(list(Path("/proc/self/fd").iterdir())))
    assert count == 601
    assert most < 120


def test_links_are_not_followed_and_hard_links_are_known(tree: Path) -> None:
    """A loop of links ends; a further name of a file says which came first."""
    found = {each.path: each for each in Scan(os.fsencode(tree))}
    assert found[b"loop"].kind == "symlink"
    assert found[b"z-linked"].kind == "hardlink"
    assert found[b"z-linked"].target == b"d0/e0/f0"


def test_what_is_excluded_is_not_looked_into(tree: Path) -> None:
    """Patterns are those of a .gitignore."""
    found = paths(tree, exclude=["d1/", "/odd", "*.txt"])
    assert not [path for path in found if path.startswith((b"d1/", b"odd/")) or path.endswith(b".txt")]
    assert b"d2/" in found


def test_a_pattern_that_is_none_is_refused() -> None:
    """A message names the trouble."""
    with pytest.raises(ConfigurationError, match="gitignore"):
        make_filter(["!"])


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It names the path and says why."""
    with pytest.raises(SourceUnreadableError) as caught:
        list(Scan(os.fsencode(tmp_path / "none")))
    assert caught.value.path == str(tmp_path / "none")
    assert caught.value.errno is not None


def test_large_numbers_fit_the_columns_of_a_database() -> None:
    """64 bits without a sign become 64 bits with one, each its own."""
    assert signed((1 << 64) - 1) == -1
    assert signed(5) == 5
    assert [storable_time(each) for each in (-(1 << 64), -5, 1 << 62, 1 << 64)] == [
        -(1 << 63),
        -5,
        1 << 62,
        (1 << 63) - 1,
    ]


def test_rules_leave_out_caches_and_large_files(tmp_path: Path) -> None:
    """The folder of a cache stays, and a tag with other bytes is none."""
    for name, tag in (("cache", b"Signature: 8a477f597d28d172789f06886806bc55\n"), ("other", b"no")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CACHEDIR.TAG").write_bytes(tag)
    (tmp_path / "large").write_bytes(bytes(51))
    (tmp_path / "small").write_bytes(bytes(50))
    scan = Scan(os.fsencode(tmp_path), rules=ScanRules(exclude_caches=True, exclude_larger_than=50))
    assert [found.path for found in scan] == [b"", b"cache/", b"other/", b"other/CACHEDIR.TAG", b"small"]
    assert scan.left_out == {b"cache/", b"large"}


def test_one_file_system_ends_at_mount_points() -> None:
    """The mount point is a path of the folder, and what is mounted there is none."""
    scan = Scan(b"/", make_filter(["/*", "!/proc"]), ScanRules(one_file_system=True))
    assert [found.path for found in scan] == [b"", b"proc/"]
