"""The global options."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest

from aioglacier.cli.program.global_options import Settings, given_value, global_options


def parsed(*before: str, behind: tuple[str, ...] = ()) -> click.Context:
    """The context of a command line with options before and behind the name of the command."""
    program = click.Group("aioglacier", params=global_options(hidden=False))
    context = program.make_context("aioglacier", [*before, "list"])
    command = click.Command("list", params=global_options(hidden=True))
    return command.make_context("list", [*behind], parent=context)


def test_every_option_has_a_setting() -> None:
    """The names are equal, so that none is read and dropped."""
    names = {parameter.name for parameter in global_options(hidden=False)}
    assert names == {field.name for field in fields(Settings)}


def test_options_may_stand_before_and_behind_the_command() -> None:
    """Each place adds its own; the one behind counts where both are given."""
    context = parsed("--region", "eu-west-1", "--json", behind=("--region", "eu-north-1", "-vv"))
    settings = Settings.of(context.meta)
    assert (settings.region, settings.json, settings.verbose) == ("eu-north-1", True, 2)
    assert given_value(context, "region") == "eu-north-1"
    assert given_value(context, "profile") is None


def test_limits_are_those_of_the_options() -> None:
    """The library chooses what is not given."""
    limits = Settings.of(parsed("--bandwidth", "5MiB", "--concurrency", "3").meta).limits()
    assert (limits.memory, limits.concurrency, limits.bandwidth) == (None, 3, 5 * 1024**2)


def test_other_processes_are_of_one_kind() -> None:
    """Processes of this machine and a cluster exclude each other."""
    assert Settings.of(parsed("--processes", "3").meta).limits().processes == 3
    with pytest.raises(click.UsageError, match="give one"):
        Settings.of(parsed("--processes", "3", "--cluster", "tcp://a:1").meta)


@pytest.mark.parametrize("option", ["--processes=2", "--cluster=tcp://a:1"])
def test_streams_are_refused_where_other_processes_were_asked_for(option: str) -> None:
    """The message names what only this process can send, and the option to leave out."""
    with pytest.raises(click.UsageError, match=rf"standard input .* Leave out {option.partition('=')[0]}"):
        Settings.of(parsed(option).meta).refuse_streams("standard input")
    Settings.of(parsed().meta).refuse_streams("standard input")


def test_two_places_for_the_vaults_are_one_too_many() -> None:
    """A local folder and an endpoint exclude each other, wherever they stand."""
    with pytest.raises(click.UsageError, match="give one"):
        Settings.of(parsed("--local", "a", behind=("--endpoint-url", "http://b")).meta)
