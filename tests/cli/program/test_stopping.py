"""Signals, handled in this process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.program import stopping
from aioglacier.cli.program.stopping import StoppedError, Stopper

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stopper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stopper]:
    """A stopper that listens to SIGHUP, and gives up long after the test."""
    monkeypatch.setattr(stopping, "_SIGNALS", ("SIGHUP",))
    before = signal.getsignal(signal.SIGHUP)
    made = Stopper()
    made.install()
    yield made
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no timer end the process of the tests."""
    monkeypatch.setattr(stopping, "PATIENCE_SECONDS", 3600.0)


def test_a_signal_without_a_loop_raises(stopper: Stopper) -> None:
    """A blocking call ends at once, and the stopper keeps the signal."""
    with pytest.raises(StoppedError, match="stopped by SIGHUP"):
        signal.raise_signal(signal.SIGHUP)
    assert stopper.stopped is not None
    assert stopper.stopped.signal is signal.SIGHUP


def test_a_signal_cancels_the_loop_inside_the_block(stopper: Stopper) -> None:
    """It raises nothing there; a block that is entered later is cancelled at once."""
    calls: list[str] = []
    with stopper.cancelling(lambda: calls.append("first")):
        signal.raise_signal(signal.SIGHUP)
    with stopper.cancelling(lambda: calls.append("second")):
        pass
    assert calls == ["first", "second"]


def test_work_is_asked_to_drain_first(stopper: Stopper) -> None:
    """The block is drained, and cancelled when it is left."""
    calls: list[str] = []
    with stopper.cancelling(lambda: calls.append("cancel")):
        with stopper.draining(lambda: calls.append("drain")):
            signal.raise_signal(signal.SIGHUP)
            assert calls == ["drain"]
        assert calls == ["drain", "cancel"]


def test_a_block_that_fails_for_the_signal_raises_it(stopper: Stopper) -> None:
    """The error of the drained work is the cause; without a signal it passes through."""
    with stopper.cancelling(lambda: None):
        with pytest.raises(ValueError, match="before"), stopper.draining(lambda: None):
            raise ValueError("before")
        with pytest.raises(StoppedError) as caught, stopper.draining(lambda: None):
            _fail_for_a_signal()
    assert isinstance(caught.value.__cause__, ValueError)


def _fail_for_a_signal() -> None:
    signal.raise_signal(signal.SIGHUP)
    raise ValueError("drained")


def test_a_question_is_left_at_once(stopper: Stopper) -> None:
    """A signal while a person is asked raises, also inside the loop."""
    with stopper.cancelling(lambda: None), pytest.raises(StoppedError), stopper.asking():
        signal.raise_signal(signal.SIGHUP)


def test_an_ignored_signal_stays_ignored(stopper: Stopper) -> None:
    """Neither nohup's setting is replaced nor does a signal come through after ``retire``."""
    stopper.retire()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    Stopper().install()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
