"""Logging to standard error: warnings always, more with -v, secrets never.

The library logs each failed attempt. While a service is away those are several a second, and all say the
same, so without -v one line reports the trouble, and another one its end.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aioglacier.cli.render.escaping import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

#: By how often -v was given: the level of aioglacier's own loggers, and of all others.
_LEVELS: Final = (
    (logging.WARNING, logging.CRITICAL),
    (logging.INFO, logging.WARNING),
    (logging.DEBUG, logging.INFO),
    (logging.DEBUG, logging.DEBUG),
)


#: Seconds between two lines about trouble that lasts or comes back.
_SECONDS_BETWEEN: Final = 30.0


def start_logging(*, verbose: int, quiet: bool, file: TextIO | None = None) -> None:
    """Log to standard error from now on. Only -vv shows tracebacks, and only those of this package.

    A file gets the same lines, and with -q also those that standard error does not.
    """
    own, others = _LEVELS[min(verbose, len(_LEVELS) - 1)]
    logging.raiseExceptions = False  # a standard error that is closed is no trouble of the work
    logging.captureWarnings(capture=True)  # so that secrets are hidden in warnings, too
    handler = _StderrHandler()
    if not verbose:
        handler.addFilter(TroubleFilter())
        own = logging.INFO  # the end of trouble, which passes the filter
    handler.setFormatter(_Formatter(shows_tracebacks=verbose >= 2))
    if quiet and not verbose:
        handler.setLevel(logging.ERROR)
    handlers: list[logging.Handler] = [handler]
    if file is not None:
        handlers.append(logging.StreamHandler(file))
        handlers[-1].setFormatter(_Formatter("%Y-%m-%d %H:%M:%S", shows_tracebacks=verbose >= 2))
    logging.basicConfig(level=others, handlers=handlers, force=True)
    is_heard = file is not None or verbose or not quiet
    logging.getLogger("aioglacier").setLevel(own if is_heard else logging.ERROR)


class TroubleFilter(logging.Filter):
    """Passes warnings, and of failed attempts only the first, one every 30 seconds, and the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._failed = 0
        self._reported_at = -math.inf
        self._is_reported = False

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter.filter``."""
        is_trouble = getattr(record, "is_trouble", None)
        if is_trouble is None:
            return record.levelno >= logging.WARNING
        return self._begins(record) if is_trouble else self._ends(record)

    def _begins(self, record: logging.LogRecord) -> bool:
        self._failed += 1
        now = self._clock()
        if now - self._reported_at < _SECONDS_BETWEEN:
            return False
        how = f"{self._failed} attempts have failed so far" if self._is_reported else "trying again"
        record.msg, record.args = "%s; %s", (getattr(record, "trouble", "trouble"), how)
        self._reported_at, self._is_reported = now, True
        return True

    def _ends(self, record: logging.LogRecord) -> bool:
        failed, is_reported = self._failed, self._is_reported
        self._failed, self._is_reported = 0, False
        times = "attempt" if failed == 1 else "attempts"
        record.msg, record.args = "the service answers again, after %d failed %s", (failed, times)
        return is_reported


class _StderrHandler(logging.Handler):
    """Writes to whatever standard error is at the moment: a progress display puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(self.format(record) + "\n")


class _Formatter(logging.Formatter):
    def __init__(self, times: str = "%H:%M:%S", *, shows_tracebacks: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", times)
        self._shows_tracebacks = shows_tracebacks

    def format(self, record: logging.LogRecord) -> str:
        if not (self._shows_tracebacks and record.name.startswith("aioglacier")):
            record.exc_info = None
            record.exc_text = None
            record.stack_info = None
        if getattr(record, "is_notice", False):
            return f"warning: {redact(record.getMessage())}"  # as ``Output.warn`` shows it
        return redact(super().format(record))
