"""The table of exit codes covers every error there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.program.exits import CODES, MEANINGS, Exit, exit_of
from aioglacier.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli


def below(root: type[errors.GlacierError]) -> Iterator[type[errors.GlacierError]]:
    """Every class of errors of the package below one."""
    for child in root.__subclasses__():
        if child.__module__.startswith(errors.__name__):
            yield child
            yield from below(child)


@pytest.mark.parametrize("class_", list(below(errors.GlacierError)))
def test_every_error_has_its_place_in_the_table(class_: type[errors.GlacierError]) -> None:
    """Every class of errors, or one above it that is not the root, has an exit code."""
    assert set(class_.__mro__) & (set(CODES) - {errors.GlacierError})


def test_every_code_is_told_of_in_the_help(bare: Cli) -> None:
    """``--help`` lists each code that the program can end with."""
    assert set(MEANINGS) == set(Exit)
    shown = bare("--help").text
    assert all(f"\n  {code.value} " in shown for code in Exit)


def test_an_unknown_subclass_ends_like_its_parent() -> None:
    """An error made outside, as by a test, is judged by what it is derived from."""

    class StrangeError(errors.CredentialsError):
        pass

    assert exit_of(StrangeError) is Exit.IDENTITY
