"""The files that get the names of archives; ``test_download`` has the search by name."""

from __future__ import annotations

import click
import pytest

from aioglacier.cli.shared.archive_names import file_name_of, target_of


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("film.mkv", "film.mkv"),
        ("2026/film.mkv", "film.mkv"),
        ("C:\\films\\film.mkv", "film.mkv"),
        ("2026/films/", "films"),
        ("../../etc/passwd", "passwd"),
    ],
)
def test_a_file_gets_the_last_part_of_a_name(name: str, file: str) -> None:
    """Folders in a name lead nowhere."""
    assert file_name_of(name) == file


@pytest.mark.parametrize("name", ["..", "a/..", "2026/.profile", "film\n.mkv", "\x1b[2J", "/"])
def test_a_name_that_could_harm_is_refused(name: str) -> None:
    """Hidden files and control characters are not taken from strangers."""
    with pytest.raises(click.UsageError, match="none for a file here"):
        file_name_of(name)


def test_an_archive_without_a_name_needs_a_target() -> None:
    """The message says that no name is on record."""
    with pytest.raises(click.UsageError, match="no name is on record"):
        target_of(None)
