"""The question before a change."""

from __future__ import annotations

import io
import os
import pty
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click
import pytest

from aioglacier.cli.shared.consent import confirm, confirm_by_name, tell_plan

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


@pytest.mark.parametrize("answer", [b"y\n", b"n\n", b"\x04"], ids=["yes", "no", "Ctrl-D"])
def test_a_person_is_asked_on_a_terminal(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    """Yes goes on, no and Ctrl-D raise, and the question goes to standard error, as a line of its own."""
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
    assert "It is empty.\nDelete vault photos? [y/N]:" in err
    assert err.endswith("\n") == (answer == b"\x04")  # the terminal shows what is typed


@pytest.mark.parametrize("typed", [b"photos\n", b"yes\n", b"\x04"])
def test_a_name_is_asked_for(session: Session, monkeypatch: pytest.MonkeyPatch, typed: bytes) -> None:
    """Only the name itself goes on."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs, "r") as terminal:
        keyboard.write(typed)
        monkeypatch.setattr("sys.stdin", terminal)
        with nullcontext() if typed == b"photos\n" else pytest.raises(click.Abort):
            confirm_by_name(session, "delete an archive", "photos")


def test_a_plan_is_printed_for_people_and_programs(
    make_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both forms name the operation and say that nothing was done."""
    assert tell_plan(make_session(), "DeleteVault", "delete vault photos", vault="photos") == 0
    assert capsys.readouterr().out == "would delete vault photos; nothing was done\n"
    tell_plan(make_session(json=True), "DeleteVault", "delete vault photos", vault="photos")
    assert '"operation": "DeleteVault", "vault": "photos"' in capsys.readouterr().out
