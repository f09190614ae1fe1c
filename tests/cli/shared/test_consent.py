"""The question before a change."""

from __future__ import annotations

import io
import os
import pty
from typing import TYPE_CHECKING

import click
import pytest

from aioglacier.cli.shared.consent import confirm, tell_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioglacier.cli.program.session import Session


def test_without_a_terminal_only_a_final_change_is_refused(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what would be done, and that ``--yes`` does it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    confirm(session, "delete vault photos", yes=True)
    confirm(session, "start a job", yes=False, is_final=False)
    with pytest.raises(click.UsageError, match=r"would delete vault photos \(for good\).*--yes"):
        confirm(session, "delete vault photos", yes=False, note="for good")


@pytest.mark.parametrize("answer", [b"y\n", b"n\n"])
def test_a_person_is_asked_on_a_terminal(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    """Yes goes on, no raises, and the question goes to standard error."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs, "r") as terminal:
        keyboard.write(answer)
        monkeypatch.setattr("sys.stdin", terminal)
        if answer == b"y\n":
            confirm(session, "delete vault photos", yes=False, note="It is empty")
        else:
            with pytest.raises(click.Abort):
                confirm(session, "delete vault photos", yes=False, note="It is empty")
    out, err = capsys.readouterr()
    assert not out
    assert "Delete vault photos? It is empty." in err


def test_a_plan_is_printed_for_people_and_programs(
    make_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both forms name the operation and say that nothing was done."""
    assert tell_plan(make_session(), "DeleteVault", "delete vault photos", vault="photos") == 0
    assert capsys.readouterr().out == "would delete vault photos; nothing was done\n"
    tell_plan(make_session(json=True), "DeleteVault", "delete vault photos", vault="photos")
    assert '"operation": "DeleteVault", "vault": "photos"' in capsys.readouterr().out
