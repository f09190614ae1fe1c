"""Options and arguments, read from text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import pytest

from aioglacier.cli.program import parameters
from aioglacier.core.errors import InvalidPartSizeError, InvalidRangeError, VaultNameError
from aioglacier.core.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command
@parameters.VAULT
def command(vault: str) -> None:
    """A command about a vault."""


def read(kind: click.ParamType[Any], text: Any) -> Any:
    """Read a value as an option of this type does."""
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (parameters.SIZE, "5MiB", 5 * 1024**2),
        (parameters.SIZE, "0", 0),
        (parameters.SIZE, 7, 7),
        (parameters.PART_SIZE, "4MiB", 4 * 1024**2),
        (parameters.RANGE, "0-9", ByteRange(0, 10)),
        (parameters.TIME, "2026-11-25T13:00:00+01:00", datetime(2026, 11, 25, 12, tzinfo=UTC)),
        (parameters.AMOUNT, "1.5", 1.5),
        (parameters.SECONDS, "0", 0.0),
        (parameters.CLASS_NAME, "deep_archive", "DEEP_ARCHIVE"),
        (parameters.PORT, "65535", 65535),
    ],
)
def test_values_are_read(kind: click.ParamType[Any], text: Any, value: object) -> None:
    """A value that was read already stays as it is."""
    found = read(kind, text)
    assert found == value
    assert read(kind, found) == value


def test_a_time_without_a_zone_is_of_this_machine() -> None:
    """It is kept in UTC."""
    found = read(parameters.TIME, "2026-11-25")
    assert found == datetime(2026, 11, 25).astimezone()  # of this machine's zone
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (parameters.SIZE, "-1"),
        (parameters.SIZE, "many"),
        (parameters.TIME, "yesterday"),
        (parameters.TIME, "0001-01-01T00:00:00+23:00"),
        (parameters.AMOUNT, "nan"),
        (parameters.AMOUNT, "-1"),
        (parameters.SECONDS, "-1"),
        (parameters.COUNT, "-1"),
        (parameters.AT_ONCE, "0"),
        (parameters.PORT, "65536"),
    ],
)
def test_a_wrong_value_is_a_mistake_of_usage(kind: click.ParamType[Any], text: str) -> None:
    """The message shows the value that was given, or the range that is allowed."""
    with pytest.raises(click.BadParameter) as caught:
        read(kind, text)
    assert text in caught.value.message or "range" in caught.value.message


@pytest.mark.parametrize(
    ("read_it", "error"),
    [
        (lambda: read(parameters.PART_SIZE, "3MiB"), InvalidPartSizeError),
        (lambda: read(parameters.RANGE, "9-0"), InvalidRangeError),
        (lambda: command.parse_args(click.Context(command), ["a/b"]), VaultNameError),
    ],
)
def test_what_the_library_refuses_has_its_error(
    read_it: Callable[[], object], error: type[Exception]
) -> None:
    """A program that reads the error finds the same class as in Python."""
    with pytest.raises(error):
        read_it()


def test_a_wrong_word_is_answered_with_the_words_as_aws_writes_them() -> None:
    """The words may be written in any case, and the message has them in capitals."""
    with pytest.raises(click.BadParameter, match="'cold' is not one of STANDARD, "):
        read(parameters.CLASS_NAME, "cold")
