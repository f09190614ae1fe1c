"""Refusals of every command before it does anything: empty words, and a local Glacier that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from tests.cli.program.test_resume_command import command_at, commands, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli


def a_word(argument: click.Argument) -> str:
    """A word that an argument accepts."""
    match argument.type:
        case click.Choice():
            return str(argument.type.choices[0])
        case click.Path():
            return __file__
    if argument.type.name.startswith("bucket"):
        return "s3://word"
    return "1" if argument.type.name == "size" else "word"


def arguments_of(path: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Command lines with one empty argument each, and the argument's name."""
    names = [each for each in command_at(path).params if isinstance(each, click.Argument)]
    for empty in names:
        words = [a_word(each) for each in names]
        words[names.index(empty)] = ""
        yield empty.make_metavar(click.Context(command_at(path))), words


EMPTY = [(path, name, words) for path in sorted(commands()) for name, words in arguments_of(path)]


@pytest.mark.parametrize(("path", "name", "words"), EMPTY, ids=lambda value: "-".join(value)[:40])
def test_an_empty_argument_is_refused_by_its_name(path: tuple[str, ...], name: str, words: list[str]) -> None:
    """B4: an empty word never stands for the current folder, whatever the command."""
    needed = [each for each in command_at(path).params if isinstance(each, click.Option) and each.required]
    with pytest.raises(click.UsageError) as refused:
        parse(*path, *(f"{each.opts[0]}=GLACIER" for each in needed), "--", *words)
    message = refused.value.format_message()
    assert "empty" in message or "''" in message
    assert name in message


@pytest.mark.parametrize("option", ["--local", "--catalog", "--region", "--endpoint-url", "--profile"])
def test_an_empty_global_option_is_refused(option: str) -> None:
    """An unset variable in a script does not choose another Glacier or another record."""
    for words in ([option, "", "vault", "list"], ["vault", "list", option, ""]):
        with pytest.raises(click.UsageError) as refused:
            parse(*words)
        assert option in refused.value.format_message()


def test_an_empty_folder_is_explained(bare: Cli) -> None:
    """The message says what to write for the current folder."""
    assert "write ." in bare("sync", "", "v", code=2).err


def test_an_empty_description_is_a_description(bare: Cli) -> None:
    """It is the one word that may be empty: an archive without a description."""
    (bare.folder / "file").write_bytes(b"archived")
    plan = bare("--json", "upload", "v", "file", "--description=", "--dry-run").record
    assert plan["description"] == ""


def test_a_mistyped_local_glacier_is_not_made(bare: Cli) -> None:
    """Only the command that creates a vault makes the folder; others name it and that command."""
    error = bare("--json", "--local", "typo", "vault", "list", code=2).error
    assert "typo" in error["message"]
    assert "vault create" in error["message"]
    assert not (bare.folder / "typo").exists()
    bare("--local", "typo", "vault", "create", "v")
    assert bare("--json", "--local", "typo", "vault", "list").record["name"] == "v"


def test_a_mistyped_catalog_is_noticed(bare: Cli) -> None:
    """A new file is said, and no folder is ever made for one."""
    bare("--local", "glacier", "vault", "create", "v")
    local = ("--local", "glacier")
    assert "folder 'no'" in bare(*local, "--catalog=no/c.db", "list", "v", code=8).err
    assert not (bare.folder / "no").exists()
    assert (
        "new catalog 'c.db'" in bare(*local, "--catalog=c.db", "list", "v", code=1).err
    )  # made with another
    assert "new catalog" not in bare(*local, "--catalog=c.db", "list", "v", code=1).err


def test_a_refusal_names_the_next_command(bare: Cli) -> None:
    """A thing that the service does not have is answered with the command that lists what it has."""
    bare("--local", "glacier", "vault", "create", "v")
    local = "aioglacier --local=glacier"
    for words, hint in (
        (["vault", "show", "films"], f"{local} vault create films"),
        (["download", "v", "nothing", "target"], f"{local} inventory v"),
        (["jobs", "show", "v", "nothing"], f"{local} jobs list v"),
    ):
        assert hint in bare("--local", "glacier", *words, code=7).err
    (bare.folder / "folder").mkdir()
    assert f"{local} sync -- folder v" in bare("--local", "glacier", "upload", "v", "folder", code=1).err


def test_a_bandwidth_is_kept_or_refused(bare: Cli) -> None:
    """The global option limits a transfer, and a value that no transfer could keep is refused by its name."""
    (bare.folder / "file").write_bytes(b"archived")
    bare("--local", "glacier", "vault", "create", "v")
    bare("--local", "glacier", "--bandwidth=1MiB", "upload", "v", "file")
    refused = bare("--local", "glacier", "upload", "v", "file", "--again", "--bandwidth=10", code=2).err
    assert "bandwidth" in refused
    assert "1,024" in refused or "1024" in refused


def test_the_help_hides_nothing(bare: Cli) -> None:
    """The help shows the form of a catalog's URL as it is."""
    shown = " ".join(bare("--help").text.split())
    assert "postgresql://USER@HOST/DATABASE" in shown
