"""Patterns that leave paths out and bring them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.filters import NamedPaths, PathFilter, PathSelection

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


@pytest.mark.parametrize(
    ("path", "is_out"),
    [
        (b"cache/", True),
        (b"cache/tmp", True),
        (b"cache/keep", False),
        (b"cache/keep/deep", False),
        (b"cache/note.md", True),
        (b"a.log", True),
        (b"b.md.log", False),
        (b"other/", False),
    ],
)
def test_an_include_with_a_path_reaches_into_an_excluded_folder(path: bytes, is_out: bool) -> None:
    """One without a path brings back only what is excluded by itself."""
    path_filter = PathFilter(["/cache/", "*.log"], ["/cache/keep", "*.md.log", "*.md"])
    assert path_filter.excludes_within(path) is is_out


@pytest.mark.parametrize(
    ("include", "folder", "leads"),
    [
        ("/cache/*/keep", b"cache/", True),
        ("/cache/*/keep", b"cache/a/", True),
        ("/cache/*/keep", b"cache/a/keep/", False),
        ("/cache/*/keep", b"other/", False),
        ("/cache/**/keep", b"cache/", True),
        ("/cache/**/keep", b"cache/a/b/", True),
        ("*.md", b"cache/", False),
    ],
)
def test_only_folders_on_the_way_to_an_include_are_looked_into(
    include: str, folder: bytes, leads: bool
) -> None:
    """A folder that an include names itself, or that none can reach, is left out as a whole."""
    assert PathFilter(["/cache/", "/other/"], [include]).leads_on(folder) is leads


async def test_an_included_file_of_an_excluded_folder_is_archived(place: Place, tmp_path: Path) -> None:
    """Nothing else of the folder is; what was archived before stays on record."""
    tree = tmp_path / "tree"
    (tree / "cache" / "deep").mkdir(parents=True)
    for name in ("cache/keep", "cache/tmp", "cache/deep/keep", "cache/deep/tmp"):
        (tree / name).write_text(name)
    include = ["/cache/keep", "/cache/*/keep"]
    await place.sync(tree, exclude=["/cache/"], include=include)
    await place.restore(tmp_path / "back")
    found = sorted(str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*"))
    assert found == ["cache", "cache/deep", "cache/deep/keep", "cache/keep"]
    await place.sync(tree)
    again = await place.sync(tree, exclude=["/cache/"], include=include)
    assert (again.removed, again.archived) == (0, 0)


def test_each_pattern_of_a_selection_is_noticed() -> None:
    """Those that no path has matched yet are known."""
    selection = PathSelection(["*.jpg", "/a/"])
    assert selection.selects(b"x/y.jpg")
    assert not selection.selects(b"b/c")
    assert selection.unmatched == ["/a/"]
    assert selection.selects(b"a/c")
    assert selection.unmatched == []


@pytest.mark.parametrize(
    ("patterns", "bounds"),
    [
        (["/2024/trip/"], (b"2024/trip/", b"2024/trip0")),
        (["/b/a*.jpg", "a/x"], (b"a/x", b"b/b")),
        (["/a b /"], (b"a b /", b"a b 0")),
        (["/a/b  ", "!/z"], (b"a/b", b"a/c")),
        (["/a/X "], (b"a/X", b"a/Y")),
        (["/a/bX"], (b"a/bX", b"a/bY")),
        (["/a\udcff"], (b"a\xff", b"b")),
        (["a/", "/b/c"], None),
        (["*.jpg"], None),
        (["/**/x"], None),
        (["/\\#a"], None),
        (["!/a/b"], None),
    ],
)
def test_patterns_bound_the_paths_that_they_can_match(
    patterns: list[str], bounds: tuple[bytes, bytes] | None
) -> None:
    """A restore of few files reads only those records; a pattern that matches anywhere has no bounds."""
    assert PathSelection(patterns).bounds == bounds


def test_only_named_paths_and_what_is_in_them_are_taken() -> None:
    """The folders above lead to them, patterns still exclude, and names that nothing asks for are known."""
    named = NamedPaths([b"a/b/one", b"c/", b"gone"], PathFilter(["*.o"]))
    assert named.unmet == {b"a/b/one", b"c", b"gone"}
    assert named.excludes(b"a/")
    assert named.leads_on(b"a/")
    assert named.leads_on(b"a/b/")
    assert not named.leads_on(b"d/")
    assert [named.names(path) for path in (b"a/b/one", b"a/b/two", b"a/b/")] == [True, False, False]
    assert [named.excludes(path) for path in (b"c/", b"c/deep/x", b"c/x.o", b"d")] == [
        False,
        False,
        True,
        True,
    ]
    assert named.excludes_within(b"c/x.o")
    assert named.unmet == {b"gone"}
