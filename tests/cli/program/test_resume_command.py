"""The command that goes on: parsed again, it means what the first command line meant."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aioglacier.cli.program.global_options import Settings
from aioglacier.cli.program.main import root
from aioglacier.cli.program.resume_command import other_command, resume_command
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse(*words: str) -> click.Context:
    """Parse a command line as the program does, down to the command, and run nothing."""
    ctx = root.make_context("aioglacier", list(words))
    while isinstance(ctx.command, click.Group):
        name, command, rest = ctx.command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert name is not None
        assert command is not None
        ctx = command.make_context(name, rest, parent=ctx)
    return ctx


def commands(group: click.Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, by the words that name it."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def command_at(path: tuple[str, ...]) -> click.Command:
    """Return the command of these words."""
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
amounts = st.floats(min_value=0, allow_nan=False).map(repr)


def values(parameter: click.Parameter) -> st.SearchStrategy[str]:
    """Texts that a parameter accepts."""
    kind = parameter.type
    match kind:
        case click.Choice():
            return st.sampled_from(list(kind.choices))
        case click.IntRange():
            return st.integers(int(kind.min or 0), int(kind.max or 10_000)).map(str)
        case click.FloatRange():
            return amounts
        case click.Path():
            return st.just(__file__) if kind.file_okay else st.sampled_from(["a folder", "/", "-d"])
    if kind.name in {"vault", "place"}:
        return st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
    if kind.name.startswith("bucket"):
        return st.from_regex(r"s3://[a-z0-9]{3,20}", fullmatch=True)
    if kind.name == "url":
        return st.just("https://elsewhere:8443")
    if kind.name in {"size", "rate"}:
        return st.integers(0, 12).map(lambda power: f"{2**power}MiB")
    if kind.name == "time":
        year = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31))  # noqa: DTZ001  # what follows is in UTC
        return year.map(lambda time: f"{time.isoformat()}Z")
    if kind.name == "i/n":
        return st.tuples(st.integers(1, 99), st.integers(0, 99)).map(lambda ends: f"{ends[0]}/{sum(ends)}")
    if kind.name == "start-end":
        return st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda ends: f"{ends[0]}-{sum(ends)}")
    return texts


#: Options that no line has: one ends the program, two exclude others, one needs a file.
LEFT_OUT = frozenset({"help", "endpoint_url", "cluster", "config_section"})


@st.composite
def command_lines(draw: st.DrawFn) -> tuple[str, ...]:
    """A command, any of its options and of the global ones, and arguments."""
    path = draw(st.sampled_from(sorted(commands())))
    command = command_at(path)
    options: list[str] = []
    arguments: list[str] = []
    for parameter in command.params:
        several = parameter.multiple if isinstance(parameter, click.Option) else parameter.nargs == -1
        least = int(parameter.required)
        count = draw(st.integers(least, 2 if several else 1))
        for _ in range(count):
            if isinstance(parameter, click.Argument):
                arguments.append(draw(values(parameter)))
            elif isinstance(parameter, click.Option) and parameter.name not in LEFT_OUT:
                name = max(parameter.opts, key=len)
                is_bare = parameter.is_flag or parameter.count
                options.append(name if is_bare else f"{name}={draw(values(parameter))}")
    return (*path, *options, "--", *arguments)


def meant(ctx: click.Context) -> tuple[str, Settings, dict[str, Any]]:
    """Return the meaning of a command line: the command, the global options and the parameters."""
    hidden = {
        str(each.name) for each in ctx.command.params if isinstance(each, click.Option) and each.hide_input
    }
    parameters = {name: value for name, value in ctx.params.items() if name not in hidden}
    return ctx.command_path, Settings.of(ctx.meta), parameters


@pytest.mark.slow
@given(command_lines())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_printed_command_means_the_same(words: tuple[str, ...]) -> None:
    """For every command and any of its options, the printed command parses to the same parameters."""
    ctx = parse(*words)
    program, *again = shlex.split(resume_command(ctx))
    assert program == "aioglacier"
    assert meant(parse(*again)) == meant(ctx)


def test_defaults_are_not_printed() -> None:
    """An option that says what holds anyway is left out, so that the command stays short."""
    ctx = parse("--account-id=-", "download", "--tier", "Standard", "v", "id", "target")
    assert resume_command(ctx) == "aioglacier download -- v id target"


def test_changes_take_the_place_of_what_was_parsed() -> None:
    """A command names what is left to do, and leaves out what must not happen twice."""
    ctx = parse("upload", "v", "a", "b b", "--restart", "--part-size=2MiB")
    printed = resume_command(ctx, sources=("b b",), restart=False)
    assert printed == "aioglacier upload --part-size=2097152 -- v 'b b'"
    ctx = parse("vault", "empty", "v")
    assert resume_command(ctx, yes=True) == "aioglacier vault empty --yes -- v"


def test_ranges_and_times_are_printed_as_they_are_read() -> None:
    """A byte range keeps both ends, and a time without a zone becomes one with."""
    ctx = parse("download", "v", "i", "t", "--byte-range=0-1048575")
    assert parse(*shlex.split(resume_command(ctx))[1:]).params["byte_range"] == ByteRange(0, 1048576)
    ctx = parse("restore", "v", "d", "--at=2026-11-25T13:00:00+02:00")
    assert "--at=2026-11-25T11:00:00+00:00" in resume_command(ctx)


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an option with a secret, nor the password of a URL, nor what the environment holds."""
    secret = "wJalrXUtnFEMIK7MDENG"  # the documentation's example
    ctx = parse(
        f"--catalog=postgresql://user:{secret}@host/db",
        "serve",
        "d",
        "--access-key-id=AKIDEXAMPLE",
        f"--secret-access-key={secret}",
    )
    assert secret not in resume_command(ctx)
    assert "user:" in resume_command(ctx)
    monkeypatch.setenv("AIOGLACIER_SERVE_SECRET_ACCESS_KEY", secret)
    assert "SECRET" not in resume_command(parse("serve", "d")).upper()


def test_another_command_is_for_the_same_vaults() -> None:
    """It keeps the options that say where the vaults and the record are, and no others."""
    ctx = parse("--endpoint-url=http://g:1", "--allow-insecure", "--json", "-q", "upload", "v", "f")
    printed = other_command(ctx, "inventory", "--", "v")
    assert printed == "aioglacier --endpoint-url=http://g:1 --allow-insecure inventory -- v"
