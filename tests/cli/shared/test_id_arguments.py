"""Ids from arguments, options and files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import pytest

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.shared.id_arguments import change_each, gather_ids, read_names, take_id
from aioglacier.core.errors import ArchiveNotFoundError, ConnectionLostError, InvalidIdError

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.cli.program.session import Session

A, B, C = "a" * 138, "-" + "b" * 137, "c" * 138


def test_an_id_stands_first_wherever_it_was_given() -> None:
    """An id that begins with "-" is given as an option, and the other arguments follow it."""
    assert take_id("archive", [A, "target"], None, others=["TARGET"]) == [A, "target"]
    assert take_id("archive", ["target"], B, others=["TARGET"]) == [B, "target"]


@pytest.mark.parametrize(
    ("arguments", "option", "missing"),
    [([], None, "missing argument: ARCHIVE_ID"), ([A], None, "missing argument: TARGET"), ([], B, "TARGET")],
)
def test_a_missing_argument_is_named(arguments: list[str], option: str | None, missing: str) -> None:
    """The message says which one, and that an id may be an option."""
    with pytest.raises(click.UsageError, match=missing) as caught:
        take_id("archive", arguments, option, others=["TARGET"])
    assert "--archive-id=ID" in caught.value.message


def test_a_surplus_argument_is_named() -> None:
    """An id given twice is one argument too many."""
    with pytest.raises(click.UsageError, match="one argument too many: 'x'"):
        take_id("archive", ["target", "x"], B, others=["TARGET"])


def test_ids_from_all_places_come_once(tmp_path: Path) -> None:
    """Arguments come before options and lines of a file; empty lines and repetitions are left out."""
    file = tmp_path / "ids"
    file.write_text(f"{C}\n\n  {A}  \n")
    assert gather_ids("archive", [A], [B], str(file)) == [A, B, C]
    with pytest.raises(click.UsageError, match="--archive-id=ID"):
        gather_ids("archive", [], [], None)
    with pytest.raises(InvalidIdError):
        gather_ids("archive", [A, "no id!"], [], None)


def test_names_of_a_list_may_be_of_any_bytes(tmp_path: Path) -> None:
    """Lines may end as on Windows; NUL ends names that hold line breaks."""
    file = tmp_path / "names"
    file.write_bytes(b"a b\r\n\n\xff\n")
    assert [*map(os.fsencode, read_names(str(file)))] == [b"a b", b"\xff"]
    file.write_bytes(b"a\nb\0c\0")
    assert read_names(str(file)) == ["a\nb", "c"]
    with pytest.raises(CommandError, match="No such file"):
        read_names(str(tmp_path / "none"))


async def test_one_refusal_leaves_the_others(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Each change is printed, the refused one as an error, and the exit code tells that some failed."""

    async def change(each: str) -> None:
        if each == "2":
            raise ArchiveNotFoundError("gone", operation="DeleteArchive", code="NotFound", status=404)

    code = await change_each(session, "archive", "photos", ["1", "2", "3"], "deleted", change)
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == ["deleted 1", "deleted 3"]
    assert "aioglacier: 2: DeleteArchive: gone" in err
    assert code is Exit.SOME_FAILED


async def test_trouble_of_all_ends_the_run(session: Session) -> None:
    """A network that is gone is reported once, and later ids are not tried."""
    tried: list[str] = []

    async def change(each: str) -> None:
        tried.append(each)
        raise ConnectionLostError("no network", operation="DeleteArchive", may_have_taken_effect=False)

    with pytest.raises(ConnectionLostError):
        await change_each(session, "archive", "photos", [str(n) for n in range(50)], "deleted", change)
    assert len(tried) <= 4
