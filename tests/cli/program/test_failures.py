"""Errors as a record, a text and an exit code."""

from __future__ import annotations

import signal

import click
import pytest

from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.failures import failure_of
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.program.stopping import StoppedError
from aioglacier.core.errors import IntegrityError, UploadFailedError, VaultNotFoundError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoppedError(signal.SIGTERM), Exit.TERMINATED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (CommandError("m", Exit.NOT_YET), Exit.NOT_YET),
        (click.UsageError("m"), Exit.USAGE),
        (click.Abort(), Exit.OTHER),
        (FileNotFoundError(2, "No such file", "a"), Exit.OTHER),
        (MemoryError(), Exit.OTHER),
        (ImportError("m"), Exit.OTHER),
        (ZeroDivisionError("m"), Exit.OTHER),
        (IntegrityError("m", expected=b"", actual=b""), Exit.INTEGRITY),
        (ExceptionGroup("g", [ExceptionGroup("g", [CommandError("m", Exit.USAGE)])]), Exit.USAGE),
    ],
)
def test_each_kind_of_error_has_an_exit_code(error: BaseException, code: Exit) -> None:
    """A group has the code of its first error, and every text is one of the program."""
    failure = failure_of(error)
    assert failure.code is code
    assert failure.text.startswith("aioglacier: ")
    assert failure.record["message"]


def test_the_command_that_goes_on_is_shown_where_it_helps() -> None:
    """An error that comes again each time shows none, unless an upload can be resumed."""
    again = "aioglacier upload photos film"
    assert failure_of(CommandError("m"), resume=again).record["resume"] is None
    assert failure_of(KeyboardInterrupt(), resume=again).text.endswith(f"\nto go on: {again}")
    kept = UploadFailedError("m")
    kept.upload_id = "u"
    assert failure_of(kept, resume=again).record["resume"] == again


def test_a_stop_says_what_is_safe() -> None:
    """The sentence of the command follows the name of the signal."""
    failure = failure_of(StoppedError(signal.SIGINT), safe="2 of 3 parts are at the service")
    assert failure.record["message"] == "stopped by SIGINT; 2 of 3 parts are at the service"
    assert failure.record["signal"] == "SIGINT"


def test_the_thing_is_named_once() -> None:
    """One of several stands before the message, unless the message has it."""
    assert failure_of(CommandError("gone"), item="a\n").text == "aioglacier: a\\n: gone"
    assert failure_of(CommandError("a is gone"), item="a").text == "aioglacier: a is gone"


def test_facts_and_notes_are_in_the_record() -> None:
    """Programs read attributes, people read notes below the message."""
    error = VaultNotFoundError("no such vault", operation="DescribeVault", code="NotFound", status=404)
    error.vault = "photos"
    error.add_note("the vaults that are there: aioglacier vault list")
    failure = failure_of(error)
    assert failure.record["vault"] == "photos"
    assert failure.record["notes"] == error.__notes__
    assert failure.text.endswith("\n  the vaults that are there: aioglacier vault list")
