"""Paths of a synced folder as commands take and print them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import VaultKey
from aioglacier.catalog.folders.entry_records import Entry, StoredEntry, TreeNumber, TreeRecord
from aioglacier.cli.shared.folder_listing import no_such_path, path_within, print_paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioglacier.cli.program.session import Session

TREE = TreeRecord(
    TreeNumber(1), VaultKey("photos", "eu-west-1"), "0" * 32, "/home/ada", "laptop", "ada", None
)


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("", b""),
        (".", b""),
        ("/", b""),
        ("2024/may/", b"2024/may"),
        ("./2024//may", b"2024/may"),
        ("/home/ada", b""),
        ("/home/ada/2024", b"2024"),
        ("/home/adam/2024", b"home/adam/2024"),
    ],
)
def test_a_path_may_begin_with_that_of_its_folder(path: str, within: bytes) -> None:
    """The catalog has paths below the folder, without "/" at their ends."""
    assert path_within(TREE, path) == within


def stored(path: bytes, kind: str, size: int, mtime_ns: int = 0, **more: bytes) -> StoredEntry:
    """Return a version on record."""
    entry = Entry(1, path, 1, kind, size, mtime_ns, 0, 0, 0, 0o644, 0, 0, **more)  # type: ignore[arg-type]
    return StoredEntry(entry, None, 0, None, None, is_older=False)


async def pages(*entries: StoredEntry) -> AsyncIterator[list[StoredEntry]]:
    """Yield each entry as a page."""
    for entry in entries:
        yield [entry]


async def test_only_files_count_for_the_size(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line adds up the files."""
    found = pages(stored(b"a", "file", 5), stored(b"b", "file", 7), stored(b"l", "symlink", 9, target=b"a"))
    assert await print_paths(session, TREE, found, is_long=False) == 3
    printed = capsys.readouterr()
    assert "l -> a" in printed.out
    assert "3 paths, 12 bytes" in printed.err


async def test_a_time_that_cannot_be_is_unknown(
    make_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file system may say anything; the other facts are printed."""
    found = pages(stored(b"a", "file", 5), stored(b"b", "file", 7, mtime_ns=10**21))
    await print_paths(make_session(json=True), TREE, found, is_long=False)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["modified"], first["mode"]) == ("1970-01-01T00:00:00.000Z", "0644")
    assert (second["modified"], second["size"]) == (None, 7)


def test_a_path_that_is_not_on_record_leads_to_those_that_are(session: Session) -> None:
    """The error names the command that lists them."""
    assert "ls photos" in str(no_such_path(session, TREE, "photos", "nothing"))
