"""Signals: the first one stops the work cleanly, a second one ends the program at once.

A handler in Python runs on the main thread between two steps of whatever that does, so it works while the
event loop runs, before there is one, and while something blocks. Inside ``cancelling`` it cancels a scope of
the loop; elsewhere it raises ``StoppedError``, which nothing catches by accident. Inside ``draining`` the
work is asked to stop gently first: what an upload has on its way may arrive, so that it need not go again.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

#: A clean stop that takes longer is given up: the promise is ten seconds, and a busy machine needs some of
#: them to end a process.
PATIENCE_SECONDS: Final = 8.5

#: Seconds for parts on their way to arrive; the rest is for closing.
DRAIN_SECONDS: Final = 6.0

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class StoppedError(BaseException):
    """A signal asked the program to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = signal.Signals(number)


class Stopper:
    """Listens for signals, from ``install`` on for the rest of the program's life.

    Attributes:
        last_words: Called when a clean stop takes too long, just before the program ends.
        restore: Called before the program ends without cleaning up, to give the terminal back.
    """

    def __init__(self) -> None:
        self.last_words: Callable[[StoppedError], object] = lambda _: None
        self.restore: Callable[[], None] = lambda: None
        self._signal: int | None = None
        self._cancel: Callable[[], object] | None = None
        self._drain: Callable[[], object] | None = None

    @property
    def stopped(self) -> StoppedError | None:
        """The signal that came, if one did."""
        return StoppedError(self._signal) if self._signal is not None else None

    def install(self) -> None:
        """Listen. A signal that is ignored when the program starts (nohup) stays ignored."""
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def retire(self) -> None:
        """Stop listening: the exit code is decided, and the interpreter is about to end.

        Ignored signals stay so while it ends; handlers in Python would not.
        """
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == self._handle:
                signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def cancelling(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Call ``cancel`` for a signal that comes inside the block, or came just before it."""
        self._cancel = cancel
        try:
            if self._signal is not None:
                cancel()
            yield
        finally:
            self._cancel = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Raise ``StoppedError`` for a signal in this block: it waits for a person, also inside the loop."""
        cancel, self._cancel = self._cancel, None
        try:
            yield
        finally:
            self._cancel = cancel

    @contextmanager
    def draining(self, drain: Callable[[], object]) -> Iterator[None]:
        """Within ``cancelling``: for a signal in this block, call ``drain``, and cancel after the block.

        Raises:
            StoppedError: A signal came, and the block failed for it.
        """
        self._drain = drain
        try:
            yield
        except Exception as error:
            if self.stopped is not None:
                raise self.stopped from error
            raise
        finally:
            self._drain = None
            if self._signal is not None and self._cancel is not None:
                self._cancel()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            self._end(number)
        self._signal = number
        timer = threading.Timer(PATIENCE_SECONDS, self._give_up, [number])
        timer.daemon = True  # it must not keep the process alive
        timer.start()
        if self._cancel is None:  # no loop runs that could be cancelled
            raise StoppedError(number)
        stop = self._drain or self._cancel
        stop()

    def _give_up(self, number: int) -> None:
        with suppress(Exception):
            self.last_words(StoppedError(number))
        self._end(number)

    def _end(self, number: int) -> NoReturn:
        with suppress(Exception):
            self.restore()
        os._exit(128 + number)  # handlers of exit could wait for what hangs
